//! A client: one task that keeps a connection, and handles that any number of others use.

mod builder;
mod events;
mod task;

use std::ops::Deref;

use switchboard_engine::client::Caller;

pub use builder::{ClientBuilder, StartError};
pub use events::Events;

/// A client of a Switchboard server. It connects, comes back when the connection is lost, and goes on where it was:
/// rooms are joined again with what was missed, and messages without an answer are sent again, and published once.
///
/// It is a handle, cheap to clone and usable from any thread. When the last one is gone, the client closes its
/// connection and ends. What can be asked of it is in [`Caller`] and [`Room`](crate::Room); what
/// happens comes out of [`Events`].
///
/// ```no_run
/// use switchboard_smol::{Client, Event};
///
/// # smol::block_on(async {
/// let (client, mut events) = Client::builder("ws://localhost:8080/ws")?.user("alice").start()?;
/// let lobby = client.room("lobby")?;
/// lobby.join().await?;
/// lobby.send("chat", &"hello").await?;
/// while let Some(event) = events.next_event().await {
///     if let Event::Message(message) = event {
///         println!("{:?}: {}", message.from, message.payload.read::<String>()?);
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # What a call means
///
/// A call such as [`send`](crate::Room::send) begins at once, and those that are made one after the other go out in that order,
/// whether they are awaited or not. To drop its future is to cancel it. While there is no connection, calls wait, at most
/// [`Config::buffer`](switchboard_core::client::Config::buffer) of them.
#[derive(Clone, Debug)]
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
}

impl Deref for Client {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}
