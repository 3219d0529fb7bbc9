//! A server for one test, on a port of its own, that is always stopped.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use std::{io, thread};

use switchboard_conformance::client::Client;
pub(crate) use switchboard_conformance::{DEADLINE, eventually};
use switchboard_core::{
    ConnectionId, Ending, Heartbeat, Limit, Limits, Notice, Output, Rate, RoomClass,
};

use crate::runtime::{Builder, Handle, Listener, Server, Settings, done, listen_at, serve};

/// A free port of this machine.
fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A running server. Dropping it drains it, and checks that nothing of its connections is left.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) handle: Handle,
    outputs: Receiver<Output>,
    ended: Receiver<io::Result<()>>,
}

impl Running {
    /// Serves what the builder makes; the builder's observer is the harness's.
    pub(crate) fn start(builder: Builder) -> Self {
        Self::at(anywhere(), builder)
    }

    /// The same, on this address.
    pub(crate) fn at(address: SocketAddr, builder: Builder) -> Self {
        let (sender, outputs) = channel();
        let observer = move |output: &Output| {
            let _ = sender.send(output.clone());
        };
        Self::serve_at(address, builder.on_output(observer).build().unwrap(), outputs)
    }

    /// Serves a server that is observed by the test itself.
    pub(crate) fn serve(server: Server, outputs: Receiver<Output>) -> Self {
        Self::serve_at(anywhere(), server, outputs)
    }

    fn serve_at(address: SocketAddr, server: Server, outputs: Receiver<Output>) -> Self {
        let (address, listener) = listen_at(address);
        let handle = server.handle();
        let (sender, ended) = channel();
        thread::spawn(move || {
            let result = serve(&server, listener);
            drop(server);
            let _ = sender.send(result);
        });
        Self { address, handle, outputs, ended }
    }

    /// Where clients find it.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    /// Ends as servers do, and tells its clients to come back within `spread`.
    pub(crate) fn drain(self, spread: Duration) {
        done(self.handle.drain(DEADLINE, spread));
        self.result().unwrap();
    }

    /// The next thing that the observer hears of.
    pub(crate) fn output(&self) -> Output {
        self.outputs.recv_timeout(DEADLINE).expect("the observer hears of something")
    }

    /// The ending of the next connection that ends, whatever else the observer hears of before.
    pub(crate) fn ending(&self) -> (ConnectionId, Ending) {
        loop {
            if let Output::Closed { connection, ending, .. } = self.output() {
                return (connection, ending);
            }
        }
    }

    /// The next connection that opens.
    pub(crate) fn opened(&self) -> ConnectionId {
        loop {
            if let Output::Notice(Notice::Opened { connection, .. }) = self.output() {
                return connection;
            }
        }
    }

    /// The result of `serve`, which must be over.
    pub(crate) fn result(&self) -> io::Result<()> {
        self.ended.recv_timeout(DEADLINE).expect("`serve` comes back")
    }

    /// Whether `serve` is still going on.
    pub(crate) fn is_serving(&self) -> bool {
        self.ended.try_recv().is_err()
    }

    /// Opens a connection and takes its `connected`.
    pub(crate) fn connect(&self, target: &str) -> Client {
        let mut client = Client::open(self.address, target);
        client.expect("connected");
        client
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if thread::panicking() {
            // The test has said what is wrong; the server ends with the process.
            return;
        }
        done(self.handle.drain(Duration::ZERO, Duration::ZERO));
        match self.ended.recv_timeout(DEADLINE) {
            Ok(result) => result.unwrap(),
            Err(RecvTimeoutError::Timeout) => panic!("`serve` goes on after a drain"),
            // The test has looked at the result itself.
            Err(RecvTimeoutError::Disconnected) => {}
        }
        let stats = self.handle.stats();
        assert_eq!((stats.connections, stats.reserved, stats.closing), (0, 0, 0), "{stats:?}");
    }
}

/// A listener on a port of its own.
pub(crate) fn listen() -> (SocketAddr, Listener) {
    listen_at(anywhere())
}

/// Limits that do not get in the way.
pub(crate) fn roomy() -> Limits {
    Limits {
        max_connections: Limit::NONE,
        max_per_user: Limit::NONE,
        messages: Rate::NONE,
        ..Limits::default()
    }
}

/// No heartbeats: nothing comes between the messages of a test.
pub(crate) fn silent() -> Heartbeat {
    Heartbeat { interval: Duration::ZERO, ..Heartbeat::default() }
}

/// A room class that holds everybody and keeps no presence.
pub(crate) fn crowd() -> RoomClass {
    RoomClass { max_members: Limit::NONE, presence: false, ..RoomClass::default() }
}

/// A server without limits that matter and without heartbeats.
pub(crate) fn plain() -> Builder {
    with(|_| {})
}

/// As [`plain`], with these changes.
pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Builder {
    let mut settings = Settings::default();
    settings.config.limits = roomy();
    settings.config.heartbeat = silent();
    settings.config.rooms.push((String::new(), crowd()));
    change(&mut settings);
    Server::builder().settings(settings)
}
