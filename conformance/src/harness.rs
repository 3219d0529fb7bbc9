//! A server for one scenario, on its own port, that is always stopped.

use std::io;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use switchboard_core::{Config, Heartbeat, Limit, Limits, Rate, RoomClass};
use switchboard_engine::server::ServerSettings;

use crate::client::{CLOSE, Client};
use crate::{Running, Setup, Start};

/// The bound on every wait, generous enough for a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A running server. Dropping it drains it.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    drain: Option<Box<dyn FnOnce() + Send>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Server {
    /// Starts a server whose drain cuts all connections at once.
    pub(crate) fn start(start: Start, settings: ServerSettings) -> Self {
        Self::start_with_drain(start, settings, (Duration::ZERO, Duration::ZERO))
    }

    pub(crate) fn start_with_drain(
        start: Start,
        settings: ServerSettings,
        drain: (Duration, Duration),
    ) -> Self {
        let Running { address, drain, thread } = start(Setup { settings, drain });
        Self { address, drain: Some(drain), thread: Some(thread) }
    }

    /// Opens a connection and takes its `connected`.
    pub(crate) fn connect(&self, target: &str) -> Client {
        self.attempt(target).unwrap_or_else(|refused| panic!("{target}: {refused:?}"))
    }

    /// As [`connect`](Self::connect), or returns the close frame that comes instead.
    pub(crate) fn attempt(&self, target: &str) -> Result<Client, (u16, String)> {
        attempt(self.address, target)
    }

    pub(crate) fn drain(&mut self) {
        if let Some(drain) = self.drain.take() {
            thread::spawn(drain);
        }
    }

    /// Waits until the server has ended.
    pub(crate) fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            eventually("the server ends", || thread.is_finished());
            thread.join().expect("the server does not panic").expect("it ends well");
        }
    }

    pub(crate) fn is_serving(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A failed scenario has reported the reason; the server ends with the process.
        if !thread::panicking() {
            self.drain();
            self.join();
        }
    }
}

/// Reads `connected`, or returns the close frame instead.
pub(crate) fn attempt(address: SocketAddr, target: &str) -> Result<Client, (u16, String)> {
    let mut client = Client::open(address, target);
    if client.peek().head == CLOSE {
        let refused = client.closed();
        client.ended();
        return Err(refused);
    }
    client.expect("connected");
    Ok(client)
}

/// Polls until a condition holds that nothing signals.
pub fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// A setup without tight limits, heartbeats and presence: nothing interleaves with a scenario's
/// messages.
pub(crate) fn plain() -> ServerSettings {
    let config = Config {
        limits: Limits {
            max_connections: Limit::NONE,
            max_per_user: Limit::NONE,
            messages: Rate::NONE,
            ..Limits::default()
        },
        heartbeat: Heartbeat { interval: Duration::ZERO, ..Heartbeat::default() },
        rooms: vec![(String::new(), crowd())],
        ..Config::default()
    };
    ServerSettings { config, ..ServerSettings::default() }
}

/// As [`plain`], with these limits.
pub(crate) fn limited(set: impl FnOnce(&mut Limits)) -> ServerSettings {
    let mut settings = plain();
    set(&mut settings.config.limits);
    settings
}

/// As [`plain`], with another room class.
pub(crate) fn with_rooms(
    mut settings: ServerSettings,
    prefix: &str,
    class: RoomClass,
) -> ServerSettings {
    settings.config.rooms.push((prefix.into(), class));
    settings
}

/// A room class that admits everybody and keeps no presence.
pub(crate) fn crowd() -> RoomClass {
    RoomClass { max_members: Limit::NONE, presence: false, ..RoomClass::default() }
}

/// A room class whose members are told at once when users join and leave.
pub(crate) fn attentive() -> RoomClass {
    RoomClass { presence: true, presence_grace: Duration::ZERO, ..crowd() }
}
