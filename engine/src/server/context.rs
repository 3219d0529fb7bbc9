//! What a handler can do.

use std::ops::Deref;

use super::{Claims, Control, Published};
use serde::Serialize;
use switchboard_core::{
    CloseReason, Command, ConnectionId, MessageId, Refusal, Request, RoomName, UserName,
};

/// The connection whose message is handled, and what can be done for it.
///
/// Messages of one connection are handled one after the other, in their order; those of others
/// meanwhile. A handler goes on when its connection is lost: its message was taken in, and if the
/// client sends it again over another connection, it is answered there and not handled again. What
/// the handler still asks of the lost connection is refused.
///
/// `H` is the runtime's own handle.
#[derive(Clone, Debug)]
pub struct Context<H> {
    handle: H,
    connection: ConnectionId,
    user: UserName,
    claims: Claims,
    id: Option<MessageId>,
    room: Option<RoomName>,
}

impl<H: Deref<Target = Control>> Context<H> {
    /// For a message of this user's connection.
    pub fn new(
        handle: H,
        connection: ConnectionId,
        user: UserName,
        claims: Claims,
        request: &Request,
    ) -> Self {
        let (id, room) = (request.id.clone(), request.room.clone());
        Self { handle, connection, user, claims, id, room }
    }

    /// The connection.
    pub fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// Whose it is.
    pub fn user(&self) -> &UserName {
        &self.user
    }

    /// What the authenticator kept about the user.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The id that the sender gave the message. The handler's answer goes to it by itself.
    pub fn message_id(&self) -> Option<&MessageId> {
        self.id.as_ref()
    }

    /// The room that the message names. That its sender is in it has not been checked.
    pub fn room(&self) -> Option<&RoomName> {
        self.room.as_ref()
    }

    /// The rest of the application's means.
    pub fn handle(&self) -> &H {
        &self.handle
    }

    /// Publishes in the user's name.
    ///
    /// # Errors
    /// When a name is no good, or the payload cannot be written as JSON.
    pub fn publish(
        &self,
        room: &str,
        kind: &str,
        payload: &impl Serialize,
    ) -> Result<Published, Refusal> {
        self.handle.publish_as(Some(self.user.clone()), room, kind, payload, None)
    }

    /// Publishes in the user's name, to everybody in the room but this connection.
    ///
    /// # Errors
    /// When a name is no good, or the payload cannot be written as JSON.
    pub fn publish_to_others(
        &self,
        room: &str,
        kind: &str,
        payload: &impl Serialize,
    ) -> Result<Published, Refusal> {
        let except = Some(self.connection);
        self.handle.publish_as(Some(self.user.clone()), room, kind, payload, except)
    }

    /// Sends to every connection of a user, in this user's name. Answers how many those are.
    ///
    /// # Errors
    /// When the user has no connection, or the payload cannot be written as JSON.
    pub fn send_to_user(&self, user: &str, payload: &impl Serialize) -> Result<usize, Refusal> {
        self.handle.direct_as(Some(self.user.clone()), user, payload)
    }

    /// Puts the connection into a room.
    ///
    /// # Errors
    /// When the room is full, the connection is in too many, or the name is no good.
    pub fn join(&self, room: &str) -> Result<(), Refusal> {
        self.handle.join(self.connection, room)
    }

    /// Takes the connection out of a room.
    ///
    /// # Errors
    /// When it is not in that room.
    pub fn leave(&self, room: &str) -> Result<(), Refusal> {
        self.handle.leave(self.connection, room)
    }

    /// Closes the connection; what was sent to it before goes first.
    ///
    /// # Errors
    /// When it is gone already.
    pub fn close(&self, reason: CloseReason) -> Result<(), Refusal> {
        let connection = self.connection;
        self.handle.command(Command::Close { connection, reason }).map(drop)
    }
}
