//! Messages from a server, as a client decodes them.
//!
//! Decoding accepts more than a server of this version sends
//! ([`Message`](super::to_client::Message)), since a newer server may add or omit what this client
//! can do without.

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
#[allow(missing_docs, reason = "the names of the other fields say it")]
pub enum ServerMessage {
    /// `connected`
    Connected(Greeting),
    /// `joined`
    Joined {
        /// The id of the `join` that this answers.
        id: Option<MessageId>,
        room: RoomName,
        /// The stream continues after this.
        position: Position,
        /// Whether nothing is missing, if a position was given.
        recovered: Option<bool>,
    },
    /// `left`
    Left {
        /// The id of the `leave` that this answers.
        id: Option<MessageId>,
        room: RoomName,
    },
    /// `members`
    Members {
        /// The id of the question that this answers.
        id: Option<MessageId>,
        /// The users' names, of which the server may list only some.
        members: Vec<UserName>,
        /// The number of users in the room.
        total: u64,
    },
    /// `history`
    History {
        /// The id of the question that this answers.
        id: Option<MessageId>,
        /// The publications, oldest first.
        events: Vec<Publication>,
        /// The last position of the room.
        position: Position,
        /// Whether the room keeps newer publications than these.
        more: bool,
    },
    /// `ack`
    Ack {
        /// The id of the message that this answers.
        id: MessageId,
        /// The position in its room, if it was published.
        event_id: Option<Position>,
        /// A handler's answer.
        payload: Option<Payload>,
    },
    /// `error`
    Error {
        /// The id of the message that this answers.
        id: Option<MessageId>,
        /// The room, if this refuses one room of a `resume`.
        room: Option<RoomName>,
        refused: Refused,
    },
    /// `health_ping`
    HealthPing {
        /// Any number, to be sent back unchanged.
        timestamp: Json,
    },
    /// `health_pong`
    HealthPong,
    /// `request`
    Request {
        /// To be repeated in the `reply`.
        id: MessageId,
        method: Arc<str>,
        payload: Payload,
    },
    /// `draining`
    Draining {
        /// The delay after which to reconnect.
        retry_after: Duration,
    },
    /// A message for the application.
    Delivery(Delivery),
    /// A message that this version of the client does not understand.
    Unreadable,
}

/// A message for the application.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names of the other fields say it")]
pub enum Delivery {
    /// A message in a room.
    Publication(Publication),
    /// A message to this user.
    Direct(Direct),
    /// The first connection of a user entered the room.
    MemberJoined { room: RoomName, user: UserName },
    /// The last connection of a user left the room.
    MemberLeft { room: RoomName, user: UserName },
    /// Publications were left out because this client was slow.
    Gap {
        room: RoomName,
        /// The position before the first omitted publication.
        since: Position,
        /// The position of the last omitted publication.
        position: Position,
        /// The number of publications omitted in between.
        dropped: u64,
    },
    /// The stream was interrupted and continues after this position.
    Refresh {
        room: RoomName,
        reason: Arc<str>,
        /// The stream continues after this.
        position: Position,
        /// The room's full state, if the server provides it.
        payload: Option<Payload>,
    },
}

/// A server's refusal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The error for programs; see PROTOCOL.md.
    pub code: Arc<str>,
    /// The error for people.
    pub message: Arc<str>,
}

/// The first message on a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Greeting {
    /// The version of the protocol that the server speaks; `None` from a server that
    /// does not say.
    pub protocol: Option<u32>,
    /// What the server understands beyond that version.
    pub features: Vec<Arc<str>>,
    /// The server's id of the connection.
    pub client_id: Option<Arc<str>>,
    /// The user that the server takes the client for.
    pub user: Option<UserName>,
    /// The session for the next connection to resume.
    pub session: Option<SessionToken>,
    /// The rooms that the server has put the client into, and the positions after which their
    /// streams begin.
    pub rooms: Vec<(RoomName, Position)>,
    /// How long the server may be silent; zero means forever.
    pub stale_after: Option<Duration>,
    /// The largest size of a message, in bytes.
    pub max_message_bytes: Option<usize>,
}

/// A server's identifier of a resumable session. Its `Debug` output does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken(Arc<str>);

impl SessionToken {
    /// The largest length in bytes; a longer one is ignored.
    const MAX_BYTES: usize = 128;

    pub(crate) fn new(text: &str) -> Option<Self> {
        (1..=Self::MAX_BYTES).contains(&text.len()).then(|| Self(Arc::from(text)))
    }

    /// Returns the text for `?session=`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(redacted)")
    }
}
