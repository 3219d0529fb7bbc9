//! A server for one test, on its own port, that is always stopped.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use std::{io, thread};

use switchboard_conformance::client::Client;
pub(crate) use switchboard_conformance::{DEADLINE, eventually};
use switchboard_core::{
    ConnectionId, Ending, Heartbeat, Limit, Limits, Notice, Output, Rate, RoomClass,
};

use crate::runtime::{Builder, Handle, Listener, Server, ServerSettings, done, listen_at, serve};

/// A free port of this machine.
fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A running server. Dropping it drains it, and checks that no connection is left.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) handle: Handle,
    outputs: Receiver<Output>,
    ended: Receiver<io::Result<()>>,
}

impl Running {
    /// Serves with this builder; the observer is the harness's.
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

    /// Serves a server that the test itself observes.
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

    /// The address for clients.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    /// Drains the server, and tells its clients to reconnect within `spread`.
    pub(crate) fn drain(self, spread: Duration) {
        done(self.handle.drain(DEADLINE, spread));
        self.result().unwrap();
    }

    /// Returns the next output that the observer is told.
    pub(crate) fn output(&self) -> Output {
        self.outputs.recv_timeout(DEADLINE).expect("the observer hears of something")
    }

    /// Returns the ending of the next connection that ends, skipping other outputs.
    pub(crate) fn ending(&self) -> (ConnectionId, Ending) {
        loop {
            if let Output::Closed { connection, ending, .. } = self.output() {
                return (connection, ending);
            }
        }
    }

    /// Returns the next connection that opens.
    pub(crate) fn opened(&self) -> ConnectionId {
        loop {
            if let Output::Notice(Notice::Opened { connection, .. }) = self.output() {
                return connection;
            }
        }
    }

    /// Returns the result of `serve`, which must have ended.
    pub(crate) fn result(&self) -> io::Result<()> {
        self.ended.recv_timeout(DEADLINE).expect("`serve` returns")
    }

    /// Returns whether `serve` is still running.
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
            // The test has reported the failure; the server ends with the process.
            return;
        }
        done(self.handle.drain(Duration::ZERO, Duration::ZERO));
        match self.ended.recv_timeout(DEADLINE) {
            Ok(result) => result.unwrap(),
            Err(RecvTimeoutError::Timeout) => panic!("`serve` still runs after a drain"),
            // The test has checked the result itself.
            Err(RecvTimeoutError::Disconnected) => {}
        }
        let stats = self.handle.stats();
        assert_eq!((stats.connections, stats.reserved, stats.closing), (0, 0, 0), "{stats:?}");
    }
}

/// Binds a listener to a free port.
pub(crate) fn listen() -> (SocketAddr, Listener) {
    listen_at(anywhere())
}

/// Limits that no test reaches by accident.
pub(crate) fn roomy() -> Limits {
    Limits {
        max_connections: Limit::NONE,
        max_per_user: Limit::NONE,
        messages: Rate::NONE,
        ..Limits::default()
    }
}

/// No heartbeats, so that nothing interleaves with a test's messages.
pub(crate) fn silent() -> Heartbeat {
    Heartbeat { interval: Duration::ZERO, ..Heartbeat::default() }
}

/// A room class that admits everybody and keeps no presence.
pub(crate) fn crowd() -> RoomClass {
    RoomClass { max_members: Limit::NONE, presence: false, ..RoomClass::default() }
}

/// A server without tight limits and without heartbeats.
pub(crate) fn plain() -> Builder {
    with(|_| {})
}

/// As [`plain`], with these changes.
pub(crate) fn with(change: impl FnOnce(&mut ServerSettings)) -> Builder {
    let mut settings = ServerSettings::default();
    settings.config.limits = roomy();
    settings.config.heartbeat = silent();
    settings.config.rooms.push((String::new(), crowd()));
    change(&mut settings);
    Server::builder().settings(settings)
}
