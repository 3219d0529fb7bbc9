//! A client: one thread that keeps a connection, and handles that any number of others use.

mod builder;
mod dial;
mod thread;

use switchboard_engine::{Blocking, client};

pub use builder::ClientBuilder;
pub use switchboard_core::client::{
    Cause, ClientConfig, ClientStats, CloseFrame, Failure, Joined, Refused, State, Token,
};
pub use switchboard_engine::client::Address;

/// A client of a Switchboard server. It connects, reconnects when the connection is lost, and goes
/// on where it was: rooms are joined again with what was missed, and messages without an answer are
/// sent again, and published once.
///
/// It is a handle, cheap to clone and usable from any thread. When the last one is dropped, rooms
/// included, the client closes its connection and ends. What happens is told by its [`Events`].
///
/// ```no_run
/// use switchboard_std::{Client, ClientEvent, Delivery};
///
/// let (client, mut events) = Client::builder("ws://localhost:8080/ws")?.user("alice").start()?;
/// let lobby = client.room("lobby")?;
/// lobby.join()?;
/// lobby.send("chat", &"hello")?;
/// for event in &mut events {
///     if let ClientEvent::Delivery(Delivery::Publication(message)) = event {
///         println!("{:?}: {}", message.from, message.payload.read::<String>()?);
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What a call means
///
/// A call waits for the server's answer, even while there is no connection; requests and questions
/// have a time-out. [`Room::post`] and its like do not wait. While there is no connection, calls
/// wait to be sent, at most
/// [`ClientConfig::buffer`](switchboard_core::client::ClientConfig::buffer) of them.
///
/// # Threads
///
/// `switchboard-client` reads, writes and keeps time; it never waits for the application.
/// `switchboard-dial` is there while a name is looked up, and once more for each of its addresses
/// that is being tried; `switchboard-token` while the provider of tokens works.
pub type Client = client::Client<Blocking, ClientBuilder>;

/// The events of a client, in order: an iterator that waits.
pub type Events = client::Events<Blocking>;

/// One room, from the client's side.
pub type Room = client::Room<Blocking>;
