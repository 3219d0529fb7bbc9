//! PROTOCOL.md from the client's side: messages of a server in, messages for it out.

mod binary;
mod encode;
mod json;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;

use crate::protocol::name::{MessageId, RoomName, UserName};
use crate::protocol::payload::{Json, Payload};
use crate::protocol::position::Position;
use crate::protocol::to_client::{Direct, Publication};

use super::action::{Delivery, Refused};

pub(super) use encode::{
    direct, health_ping, health_pong, join, leave, publish, question, reply, resume,
};

/// What a server calls a connection that may be gone on with. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Session(Arc<str>);

impl Session {
    /// A longer one is not kept.
    const MAX_BYTES: usize = 128;

    fn new(text: &str) -> Option<Self> {
        (1..=Self::MAX_BYTES).contains(&text.len()).then(|| Self(Arc::from(text)))
    }

    /// The text, for `?session=`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(redacted)")
    }
}

/// A message from a server, decoded.
///
/// ```
/// use switchboard_core::client::ServerMessage;
///
/// let ping = ServerMessage::from_text(r#"{"type":"health_ping","timestamp":1790000000000}"#);
/// assert!(matches!(ping, ServerMessage::HealthPing { .. }));
/// assert_eq!(ServerMessage::from_text("{"), ServerMessage::Unreadable);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerMessage {
    /// `connected`
    Connected(Greeting),
    /// `joined`
    Joined {
        /// That of the `join` it answers.
        id: Option<MessageId>,
        /// The room.
        room: RoomName,
        /// The stream goes on after this.
        position: Position,
        /// Whether nothing is missing, where a position was given.
        recovered: Option<bool>,
    },
    /// `left`
    Left {
        /// That of the `leave` it answers.
        id: Option<MessageId>,
        /// The room.
        room: RoomName,
    },
    /// `members`
    Members {
        /// That of the question it answers.
        id: Option<MessageId>,
        /// Names.
        members: Vec<UserName>,
        /// How many users there are.
        total: u64,
    },
    /// `history`
    History {
        /// That of the question it answers.
        id: Option<MessageId>,
        /// Oldest first.
        events: Vec<Publication>,
        /// The room's position.
        position: Position,
        /// Whether there are newer ones than these.
        more: bool,
    },
    /// `ack`
    Ack {
        /// That of the message it answers.
        id: MessageId,
        /// Its place in its room, if it was published.
        event_id: Option<Position>,
        /// The answer of a handler.
        payload: Option<Payload>,
    },
    /// `error`
    Error {
        /// That of the message it answers.
        id: Option<MessageId>,
        /// The room, where it answers one of a `resume`.
        room: Option<RoomName>,
        /// What the server says.
        refused: Refused,
    },
    /// `health_ping`
    HealthPing {
        /// A number, to be sent back as it is.
        timestamp: Json,
    },
    /// `health_pong`
    HealthPong,
    /// `request`
    Request {
        /// Goes into the answer.
        id: MessageId,
        /// What is asked for.
        method: Arc<str>,
        /// With this.
        payload: Payload,
    },
    /// `draining`
    Draining {
        /// When to come back.
        retry_after: Duration,
    },
    /// Something for the application.
    Delivery(Delivery),
    /// It means nothing to this version of the client.
    Unreadable,
}

impl ServerMessage {
    /// What a text message means. Never fails: what makes no sense is [`ServerMessage::Unreadable`].
    pub fn from_text(text: &str) -> Self {
        json::decode(text).unwrap_or(Self::Unreadable)
    }

    /// What a binary message means. Never fails: what makes no sense is [`ServerMessage::Unreadable`].
    pub fn from_binary(bytes: &Bytes) -> Self {
        binary::decode(bytes).unwrap_or(Self::Unreadable)
    }
}

/// The first message on a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Greeting {
    /// What the server calls the connection.
    pub client_id: Option<Arc<str>>,
    /// Who the server takes the client for.
    pub user: Option<UserName>,
    /// What the next connection can go on with.
    pub session: Option<Session>,
    /// The rooms that the server has put the client into, and the positions after which their streams begin.
    pub rooms: Vec<(RoomName, Position)>,
    /// How long the server may be silent; zero: for ever.
    pub stale_after: Option<Duration>,
    /// How large a message may be.
    pub max_message_bytes: Option<usize>,
}

/// The direct message and the publication are built in two places.
fn delivered_direct(direct: Direct) -> ServerMessage {
    ServerMessage::Delivery(Delivery::Direct(direct))
}

fn delivered(publication: Publication) -> ServerMessage {
    ServerMessage::Delivery(Delivery::Publication(publication))
}
