//! A client: one thread that keeps a connection, and handles that any number of others use.

mod builder;
mod events;
mod room;
mod thread;
mod wait;

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use serde::Serialize;
use switchboard_engine::client::{Accepted, CallError, Caller};

pub use builder::{ClientBuilder, StartError};
pub use events::{Events, NoEvent};
pub use room::Room;
pub use wait::Posted;
use wait::wait;

/// A client of a Switchboard server. It connects, comes back when the connection is lost, and goes on where it was:
/// rooms are joined again with what was missed, and messages without an answer are sent again, and published once.
///
/// It is a handle, cheap to clone and usable from any thread. When the last one is gone, rooms included, the client closes its
/// connection and ends. What happens comes out of [`Events`].
///
/// ```no_run
/// use switchboard_std::{Client, Event};
///
/// let (client, mut events) = Client::builder("ws://localhost:8080/ws")?.user("alice").start()?;
/// let lobby = client.room("lobby")?;
/// lobby.join()?;
/// lobby.send("chat", &"hello")?;
/// for event in &mut events {
///     if let Event::Message(message) = event {
///         println!("{:?}: {}", message.from, message.payload.read::<String>()?);
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What a call means
///
/// A call waits for the server's answer, also while there is no connection; requests and questions have a time-out. Whoever
/// does not want to wait takes [`Room::post`] and its like. While there is no connection, calls wait to be sent, at
/// most [`Config::buffer`](switchboard_core::client::Config::buffer) of them.
///
/// # Threads
///
/// `switchboard-client` reads, writes and keeps time; it never waits for the application. `switchboard-dial` is there while an
/// address is looked up and connected to, `switchboard-token` while the provider of tokens works.
#[derive(Clone)]
pub struct Client(Caller);

impl Client {
    /// Settings for a client of this address: `ws://HOST[:PORT][/PATH]`, or `wss` with the feature `tls`. Without a path it
    /// is `/ws`; with the path `/ws/ROOM`, the server puts the client into that room.
    ///
    /// # Errors
    /// When it is no such address.
    pub fn builder(address: &str) -> Result<ClientBuilder, StartError> {
        ClientBuilder::new(address)
    }

    /// A room, whether the client is in it or not.
    ///
    /// # Errors
    /// When the name is no good.
    pub fn room(&self, room: &str) -> Result<Room, CallError> {
        self.0.room(room).map(Room)
    }

    /// Sends to every connection of a user. It is sent again until there is an answer, and arrives once.
    ///
    /// # Errors
    /// When the server refuses, or the client ends.
    pub fn direct(&self, user: &str, payload: &impl Serialize) -> Result<Accepted, CallError> {
        wait(self.0.direct(user, payload))
    }

    /// The same with bytes.
    ///
    /// # Errors
    /// When the server refuses, or the client ends.
    pub fn direct_binary(&self, user: &str, payload: Vec<u8>) -> Result<Accepted, CallError> {
        wait(self.0.direct_binary(user, payload))
    }

    /// [`direct`](Self::direct) without waiting.
    pub fn post_direct(&self, user: &str, payload: &impl Serialize) -> Posted<Accepted> {
        Posted(self.0.direct(user, payload))
    }

    /// Asks the server's handler for this type of message, and waits for its answer as long as
    /// [`Config::request_timeout`](switchboard_core::client::Config::request_timeout) says. It is sent once at most.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub fn request(&self, kind: &str, payload: &impl Serialize) -> Result<Accepted, CallError> {
        wait(self.0.request(kind, payload))
    }

    /// The same with another time-out.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub fn request_within(
        &self,
        timeout: Duration,
        kind: &str,
        payload: &impl Serialize,
    ) -> Result<Accepted, CallError> {
        wait(self.0.request_within(timeout, kind, payload))
    }

    /// [`request`](Self::request) without waiting.
    pub fn post_request(&self, kind: &str, payload: &impl Serialize) -> Posted<Accepted> {
        Posted(self.0.request(kind, payload))
    }

    /// Closes the connection, and waits until the socket is closed; calls without an answer fail, and rooms are forgotten.
    pub fn stop(&self) {
        wait(self.0.stop());
    }
}

impl Deref for Client {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
