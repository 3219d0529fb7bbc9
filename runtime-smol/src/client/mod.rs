//! A client: one task that keeps a connection, and handles that any number of others use.

mod builder;
mod dial;
mod task;

use switchboard_engine::{Async, client};

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
/// use switchboard_smol::{Client, ClientEvent, Delivery};
///
/// # smol::block_on(async {
/// let (client, mut events) = Client::builder("ws://localhost:8080/ws")?.user("alice").start()?;
/// let lobby = client.room("lobby")?;
/// lobby.join().await?;
/// lobby.send("chat", &"hello").await?;
/// while let Some(event) = events.next_event().await {
///     if let ClientEvent::Delivery(Delivery::Publication(message)) = event {
///         println!("{:?}: {}", message.from, message.payload.read::<String>()?);
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # What a call means
///
/// A call such as [`send`](crate::Room::send) begins at once, and those that are made one after the
/// other go out in that order, whether they are awaited or not. Dropping its future cancels it.
/// While there is no connection, calls wait, at most
/// [`ClientConfig::buffer`](switchboard_core::client::ClientConfig::buffer) of them.
pub type Client = client::Client<Async, ClientBuilder>;

/// The events of a client, in order; also a `futures_core::Stream`.
pub type Events = client::Events<Async>;

/// One room, from the client's side.
pub type Room = client::Room<Async>;
