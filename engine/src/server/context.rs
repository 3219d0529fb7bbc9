//! What a handler knows and can do.

use serde::Serialize;
use switchboard_core::{
    CloseReason, Command, ConnectionId, MessageId, Refusal, Request, RoomName, UserName,
};

use super::{Claims, Handle, Published};

/// The connection whose message is handled, and what a handler can do for it.
///
/// Messages of one connection are handled one after the other, in their order, and those of
/// different connections at the same time. A handler goes on when its connection is lost: its
/// message was taken in, and if the client sends it again over another connection, it is answered
/// there and not handled again. What the handler still asks of the lost connection is refused.
#[derive(Clone, Debug)]
pub struct Context<K> {
    handle: Handle<K>,
    connection: ConnectionId,
    user: UserName,
    claims: Claims,
    id: Option<MessageId>,
    room: Option<RoomName>,
}

impl<K> Context<K> {
    /// For a message of this user's connection.
    pub fn new(
        handle: Handle<K>,
        connection: ConnectionId,
        user: UserName,
        claims: Claims,
        request: &Request,
    ) -> Self {
        let (id, room) = (request.id.clone(), request.room.clone());
        Self { handle, connection, user, claims, id, room }
    }

    /// The connection.
    ///
    /// ```
    /// # use switchboard_core::Refusal;
    /// # use switchboard_engine::{Async, server::Context};
    /// # fn handler(context: Context<Async>) -> Result<(), Refusal> {
    /// let rooms = context.handle().rooms(context.connection());
    /// # Ok(()) }
    /// ```
    pub fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// The user whose connection it is.
    ///
    /// ```
    /// # use switchboard_core::Refusal;
    /// # use switchboard_engine::{Async, server::Context};
    /// # fn handler(context: Context<Async>) -> Result<(), Refusal> {
    /// let greeting = format!("Hello {}", context.user());
    /// # Ok(()) }
    /// ```
    pub fn user(&self) -> &UserName {
        &self.user
    }

    /// What the authenticator kept about the user.
    ///
    /// ```
    /// # use switchboard_core::Refusal;
    /// # use switchboard_engine::{Async, server::Context};
    /// # fn handler(context: Context<Async>) -> Result<(), Refusal> {
    /// struct Moderator;
    /// let is_moderator = context.claims().get::<Moderator>().is_some();
    /// # Ok(()) }
    /// ```
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The id that the sender gave the message. What the handler returns is sent as the answer to
    /// it.
    ///
    /// ```
    /// # use switchboard_core::Refusal;
    /// # use switchboard_engine::{Async, server::Context};
    /// # fn handler(context: Context<Async>) -> Result<(), Refusal> {
    /// let wants_answer = context.message_id().is_some();
    /// # Ok(()) }
    /// ```
    pub fn message_id(&self) -> Option<&MessageId> {
        self.id.as_ref()
    }

    /// The room that the message names. Whether its sender is in that room has not been checked.
    ///
    /// ```
    /// # use switchboard_core::Refusal;
    /// # use switchboard_engine::{Async, server::Context};
    /// # fn handler(context: Context<Async>) -> Result<(), Refusal> {
    /// let room = context.room().ok_or_else(|| Refusal::field("room", "is missing"))?;
    /// # Ok(()) }
    /// ```
    pub fn room(&self) -> Option<&RoomName> {
        self.room.as_ref()
    }

    /// The server.
    ///
    /// ```
    /// # use switchboard_core::Refusal;
    /// # use switchboard_engine::{Async, server::Context};
    /// # fn handler(context: Context<Async>) -> Result<(), Refusal> {
    /// context.handle().publish("lobby", "announcement", &"Dinner is ready.")?;
    /// # Ok(()) }
    /// ```
    pub fn handle(&self) -> &Handle<K> {
        &self.handle
    }

    /// Publishes in the user's name.
    ///
    /// # Errors
    /// If a name is invalid, or the payload cannot be written as JSON.
    ///
    /// ```
    /// # use switchboard_core::Refusal;
    /// # use switchboard_engine::{Async, server::Context};
    /// # fn handler(context: Context<Async>) -> Result<(), Refusal> {
    /// context.publish("lobby", "chat", &"hello")?;
    /// # Ok(()) }
    /// ```
    pub fn publish(
        &self,
        room: &str,
        kind: &str,
        payload: &impl Serialize,
    ) -> Result<Published, Refusal> {
        self.handle.publish_as(Some(self.user.clone()), room, kind, payload, None)
    }

    /// Publishes in the user's name, to every member of the room but this connection.
    ///
    /// # Errors
    /// If a name is invalid, or the payload cannot be written as JSON.
    ///
    /// ```
    /// # use switchboard_core::Refusal;
    /// # use switchboard_engine::{Async, server::Context};
    /// # fn handler(context: Context<Async>) -> Result<(), Refusal> {
    /// context.publish_to_others("board", "moved", &("e2", "e4"))?;
    /// # Ok(()) }
    /// ```
    pub fn publish_to_others(
        &self,
        room: &str,
        kind: &str,
        payload: &impl Serialize,
    ) -> Result<Published, Refusal> {
        let except = Some(self.connection);
        self.handle.publish_as(Some(self.user.clone()), room, kind, payload, except)
    }

    /// Sends to every connection of a user, in this user's name. Returns how many there are.
    ///
    /// # Errors
    /// If the user has no connection, or the payload cannot be written as JSON.
    ///
    /// ```
    /// # use switchboard_core::Refusal;
    /// # use switchboard_engine::{Async, server::Context};
    /// # fn handler(context: Context<Async>) -> Result<(), Refusal> {
    /// context.send_to_user("bob", &"psst")?;
    /// # Ok(()) }
    /// ```
    pub fn send_to_user(&self, user: &str, payload: &impl Serialize) -> Result<usize, Refusal> {
        self.handle.direct_as(Some(self.user.clone()), user, payload)
    }

    /// Puts the connection into a room.
    ///
    /// # Errors
    /// If the room is full, the connection is in too many rooms, or the name is invalid.
    ///
    /// ```
    /// # use switchboard_core::Refusal;
    /// # use switchboard_engine::{Async, server::Context};
    /// # fn handler(context: Context<Async>) -> Result<(), Refusal> {
    /// context.join("kitchen")?;
    /// # Ok(()) }
    /// ```
    pub fn join(&self, room: &str) -> Result<(), Refusal> {
        self.handle.join(self.connection, room)
    }

    /// Takes the connection out of a room.
    ///
    /// # Errors
    /// If it is not in that room.
    ///
    /// ```
    /// # use switchboard_core::Refusal;
    /// # use switchboard_engine::{Async, server::Context};
    /// # fn handler(context: Context<Async>) -> Result<(), Refusal> {
    /// context.leave("lobby")?;
    /// # Ok(()) }
    /// ```
    pub fn leave(&self, room: &str) -> Result<(), Refusal> {
        self.handle.leave(self.connection, room)
    }

    /// Closes the connection, after what was sent to it before.
    ///
    /// # Errors
    /// If it is gone already.
    ///
    /// ```
    /// # use switchboard_core::{CloseReason, Refusal};
    /// # use switchboard_engine::{Async, server::Context};
    /// # fn handler(context: Context<Async>) -> Result<(), Refusal> {
    /// context.close(CloseReason::Normal)?;
    /// # Ok(()) }
    /// ```
    pub fn close(&self, reason: CloseReason) -> Result<(), Refusal> {
        let connection = self.connection;
        self.handle.command(Command::Close { connection, reason }).map(drop)
    }
}
