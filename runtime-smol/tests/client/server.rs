//! Servers and clients for one test.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use crate::runtime::{
    Builder, Client, ClientBuilder, Event, Events, Handle, Server, drain, next_event, serve,
};
use switchboard_core::client::{Config, State};
use switchboard_core::{Limit, Limits, Output, Rate};

/// Nothing that a test waits for takes longer on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A running server. Dropping it drains it at once.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) handle: Handle,
    pub(crate) outputs: Receiver<Output>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Running {
    pub(crate) fn start(builder: Builder) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), builder)
    }

    pub(crate) fn at(address: SocketAddr, builder: Builder) -> Self {
        let (sender, outputs) = channel();
        let observer = move |output: &Output| {
            let _ = sender.send(output.clone());
        };
        let server = builder.observe(observer).build().unwrap();
        let handle = server.handle();
        let (address, thread) = serve(server, address);
        Self { address, handle, outputs, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    /// Ends as servers do, and says when to come back.
    pub(crate) fn drain(mut self, spread: Duration) {
        drain(&self.handle, DEADLINE, spread);
        self.thread.take().unwrap().join().unwrap().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        if let Some(thread) = self.thread.take() {
            drain(&self.handle, Duration::ZERO, Duration::ZERO);
            thread.join().unwrap().unwrap();
        }
    }
}

/// A server that gets in nobody's way.
pub(crate) fn plain() -> Builder {
    Server::builder().limits(Limits {
        max_connections: Limit::NONE,
        max_per_user: Limit::NONE,
        messages: Rate::NONE,
        ..Limits::default()
    })
}

/// A client that does not wait long before it tries again.
pub(crate) fn hasty(url: &str) -> ClientBuilder {
    let config = Config {
        min_backoff: Duration::from_millis(20),
        max_backoff: Duration::from_millis(50),
        ..Config::default()
    };
    Client::builder(url).unwrap().config(config).user("alice")
}

/// The next event that this makes something of.
pub(crate) fn until<T>(events: &mut Events, mut is: impl FnMut(Event) -> Option<T>) -> T {
    loop {
        let event = next_event(events).expect("the client has not ended");
        if let Some(found) = is(event) {
            return found;
        }
    }
}

pub(crate) fn until_open(events: &mut Events) {
    until(events, |event| matches!(event, Event::State { state: State::Open, .. }).then_some(()));
}

/// The payload of the next message.
pub(crate) fn next_number(events: &mut Events) -> u32 {
    until(events, |event| match event {
        Event::Message(message) => Some(message.payload.read().unwrap()),
        Event::Refresh { .. } | Event::Gap { .. } | Event::Lagged(_) => {
            panic!("something is missing: {event:?}")
        }
        _ => None,
    })
}
