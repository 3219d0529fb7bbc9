//! What a message from a server says, once a client has read it.
//!
//! It is looser than what a server of this version writes ([`Message`](super::to_client::Message)),
//! since a newer server may add or omit what this client can do without.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::name::{MessageId, RoomName, UserName};
use super::payload::{Json, Payload};
use super::position::Position;
use super::to_client::{Direct, Publication};

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

/// A message for the application.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// A message in a room.
    Publication(Publication),
    /// A message to this user.
    Direct(Direct),
    /// The first connection of a user entered the room.
    MemberJoined {
        /// The room.
        room: RoomName,
        /// The user.
        user: UserName,
    },
    /// The last connection of a user left the room.
    MemberLeft {
        /// The room.
        room: RoomName,
        /// The user.
        user: UserName,
    },
    /// Publications were left out because this client was slow.
    Gap {
        /// The room.
        room: RoomName,
        /// The place before the first that was left out.
        since: Position,
        /// The last that was left out.
        position: Position,
        /// How many of those between were left out.
        dropped: u64,
    },
    /// The stream was broken off, and goes on after this position.
    Refresh {
        /// The room.
        room: RoomName,
        /// Why.
        reason: Arc<str>,
        /// The stream goes on after this.
        position: Position,
        /// The room's full state, where the server has it.
        payload: Option<Payload>,
    },
}

/// What a server said when it refused something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// For programs; see PROTOCOL.md.
    pub code: Arc<str>,
    /// For people.
    pub message: Arc<str>,
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
    /// The rooms that the server has put the client into, and the positions after which their
    /// streams begin.
    pub rooms: Vec<(RoomName, Position)>,
    /// How long the server may be silent; zero: for ever.
    pub stale_after: Option<Duration>,
    /// How large a message may be.
    pub max_message_bytes: Option<usize>,
}

/// What a server calls a connection that may be gone on with. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Session(Arc<str>);

impl Session {
    /// A longer one is not kept.
    const MAX_BYTES: usize = 128;

    pub(crate) fn new(text: &str) -> Option<Self> {
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
