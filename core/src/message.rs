//! What the hub says to clients, before a codec makes frames of it.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::name::{ConflationKey, Kind, MessageId, RoomName, UserName};
use crate::{Config, ConnectionId};

/// A JSON text that has been checked, and is forwarded byte for byte from there on.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Bytes);

impl Json {
    /// Checks a text.
    ///
    /// # Errors
    /// When it is not exactly one JSON value.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let raw: &RawValue = serde_json::from_str(text)?;
        Ok(Self::from_raw(raw))
    }

    /// Serialises a value.
    ///
    /// # Errors
    /// When the value's own serialisation fails, such as a map whose keys are no strings.
    pub fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self(serde_json::to_vec(value)?.into()))
    }

    /// Copies a value that a parser has already checked. The copy keeps a small payload from holding
    /// on to the whole read buffer that it came in.
    pub fn from_raw(raw: &RawValue) -> Self {
        Self(Bytes::copy_from_slice(raw.get().as_bytes()))
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&alloc::string::String::from_utf8_lossy(&self.0))
    }
}

/// What a message carries. The hub never looks inside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Payload {
    /// A JSON value: travels in a text frame.
    Json(Json),
    /// Bytes: travel in a binary frame, shared and never copied.
    Binary(Bytes),
}

impl Payload {
    /// The JSON value `null`, for messages without a payload.
    pub fn null() -> Self {
        Self::Json(Json(Bytes::from_static(b"null")))
    }

    /// Its size in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Json(json) => json.0.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether it has no bytes. (An absent JSON payload is `null`, which has four.)
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The identity of a room's numbering. A room that was emptied and made anew has another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A place in a room's stream of publications: an epoch and an offset, always together, because an
/// offset of another epoch means nothing. On the wire `00c9f1b2a4d07e35:42`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Which numbering.
    pub epoch: Epoch,
    /// Which publication in it, from 1. 0 is the place before the first.
    pub offset: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}:{}", self.epoch.0, self.offset)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A message that was accepted into a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Publication {
    /// Where.
    pub room: RoomName,
    /// Its number there.
    pub position: Position,
    /// Its type.
    pub kind: Kind,
    /// Who sent it; `None` when the server did.
    pub from: Option<UserName>,
    /// The sender's own id of it.
    pub id: Option<MessageId>,
    /// What it replaces in rooms that conflate; without one, the sender's name and the type decide.
    pub key: Option<ConflationKey>,
    /// When it was accepted, in milliseconds since the Unix epoch.
    pub unix_ms: u64,
    /// What it carries.
    pub payload: Payload,
}

impl Publication {
    /// Whether a member that waits for both would be content with the newer one alone.
    pub fn conflates_with(&self, other: &Self) -> bool {
        self.room == other.room
            && self.position.epoch == other.position.epoch
            && match (&self.key, &other.key) {
                (Some(a), Some(b)) => a == b,
                (None, None) => self.kind == other.kind && self.from == other.from,
                (Some(_), None) | (None, Some(_)) => false,
            }
    }
}

/// A message to one user, outside of any room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Direct {
    /// What the payload is, where the sender said so (only binary messages do).
    pub kind: Option<Kind>,
    /// Who sent it; `None` when the server did.
    pub from: Option<UserName>,
    /// The sender's own id of it.
    pub id: Option<MessageId>,
    /// When it was accepted, in milliseconds since the Unix epoch.
    pub unix_ms: u64,
    /// What it carries.
    pub payload: Payload,
}

/// The first message on a connection: who and where it is, and what it may do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Welcome {
    /// The connection.
    pub client: ConnectionId,
    /// Whose it is.
    pub user: UserName,
    /// The rooms it was put into, each with the position after which its stream begins.
    pub rooms: Vec<(RoomName, Position)>,
    /// The hub's rules, of which the client is told those that concern it.
    pub config: Arc<Config>,
    /// The server's time, in milliseconds since the Unix epoch.
    pub unix_ms: u64,
}

/// Why a message was refused. Clients see these names, see PROTOCOL.md.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum ErrorCode {
    /// Not JSON, not an object, or a binary frame with a bad header.
    BadMessage,
    /// A field is missing, of the wrong type, or out of bounds.
    InvalidField,
    /// A handler wants another payload.
    InvalidPayload,
    /// The type belongs to the protocol.
    ReservedType,
    /// No room was named, and the connection is not in exactly one.
    RoomRequired,
    /// The connection is not in that room.
    NotAMember,
    /// The room is full.
    LobbyFull,
    /// The connection is in as many rooms as it may be.
    TooManyRooms,
    /// Not allowed here.
    Forbidden,
    /// The user has no connection.
    UserOffline,
    /// The connection does not exist (any more).
    NoSuchConnection,
    /// Too many messages or bytes.
    RateLimited,
    /// A handler took too long.
    Timeout,
    /// A handler failed.
    Internal,
}

impl ErrorCode {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadMessage => "bad_message",
            Self::InvalidField => "invalid_field",
            Self::InvalidPayload => "invalid_payload",
            Self::ReservedType => "reserved_type",
            Self::RoomRequired => "room_required",
            Self::NotAMember => "not_a_member",
            Self::LobbyFull => "lobby_full",
            Self::TooManyRooms => "too_many_rooms",
            Self::Forbidden => "forbidden",
            Self::UserOffline => "user_offline",
            Self::NoSuchConnection => "no_such_connection",
            Self::RateLimited => "rate_limited",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
        }
    }
}

/// A refused command, with words for a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// What went wrong, for programs.
    pub code: ErrorCode,
    /// What went wrong, for people.
    pub message: Cow<'static, str>,
    /// The field that is to blame.
    pub field: Option<Cow<'static, str>>,
}

impl Refusal {
    /// A refusal that blames no field.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), field: None }
    }

    /// A field that is missing, of the wrong type, or out of bounds.
    pub fn field(field: impl Into<Cow<'static, str>>, message: impl fmt::Display) -> Self {
        let field = field.into();
        let message = alloc::format!("`{field}` {message}");
        Self { code: ErrorCode::InvalidField, message: message.into(), field: Some(field) }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl core::error::Error for Refusal {}

/// A frame of a connection that does not speak the protocol ([`Codec::Raw`](crate::Codec::Raw)).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RawFrame {
    /// A text frame; the bytes are UTF-8, which the framing has checked.
    Text(Bytes),
    /// A binary frame.
    Binary(Bytes),
}

impl RawFrame {
    /// What it carries.
    pub fn as_bytes(&self) -> &Bytes {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) => bytes,
        }
    }
}

/// A message to one or many connections. Clones share what is large.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// The connection is open.
    Connected(Arc<Welcome>),
    /// It is now in this room.
    Joined {
        /// The request's id.
        id: Option<MessageId>,
        /// The room.
        room: RoomName,
        /// The stream goes on after this.
        position: Position,
        /// How many users are in it, where the room keeps presence.
        members: Option<usize>,
    },
    /// It is no longer in this room.
    Left {
        /// The request's id.
        id: Option<MessageId>,
        /// The room.
        room: RoomName,
    },
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
    /// A message in a room.
    Publication(Arc<Publication>),
    /// A message to this user.
    Direct(Arc<Direct>),
    /// Who is in the room.
    Members {
        /// The request's id.
        id: Option<MessageId>,
        /// The room.
        room: RoomName,
        /// Names, at most [`Limits::members_listed`](crate::Limits::members_listed).
        members: Vec<UserName>,
        /// How many users there are.
        total: usize,
    },
    /// The message with this id was accepted.
    Ack {
        /// The sender's id of it.
        id: MessageId,
        /// Where it was published, if it was.
        position: Option<Position>,
    },
    /// A handler's answer to a message with this id.
    Reply {
        /// The sender's id of it.
        id: MessageId,
        /// The answer.
        payload: Payload,
    },
    /// A message was not accepted.
    Error {
        /// The sender's id of it.
        id: Option<MessageId>,
        /// Why.
        refusal: Refusal,
    },
    /// Is the client alive? It answers with the same number.
    HealthPing {
        /// Milliseconds since the Unix epoch, unique on this connection.
        timestamp: u64,
    },
    /// The answer to a client's `health_ping`, with the client's own JSON number.
    HealthPong {
        /// As received.
        timestamp: Json,
    },
    /// Publications were left out because the connection was slow.
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
    /// The server is going away.
    Draining {
        /// When to come back.
        retry_after: Duration,
    },
    /// A frame to a connection that does not speak the protocol.
    Raw(RawFrame),
}

impl Message {
    /// What a waiting message is counted as, in bytes: its payload and names, and a fixed amount for the rest.
    pub fn cost_bytes(&self) -> usize {
        const FIXED: usize = 64;
        FIXED
            + match self {
                Self::Connected(welcome) => {
                    welcome.rooms.iter().map(|(room, _)| room.len() + 48).sum::<usize>() + 256
                }
                Self::Joined { room, .. } | Self::Left { room, .. } | Self::Gap { room, .. } => {
                    room.len()
                }
                Self::MemberJoined { room, user } | Self::MemberLeft { room, user } => {
                    room.len() + user.len()
                }
                Self::Publication(publication) => {
                    publication.payload.len()
                        + publication.room.len()
                        + publication.kind.len()
                        + publication.from.as_ref().map_or(0, |user| user.len())
                        + publication.id.as_ref().map_or(0, |id| id.len())
                }
                Self::Direct(direct) => direct.payload.len(),
                Self::Members { members, .. } => members.iter().map(|user| user.len() + 3).sum(),
                Self::Reply { payload, .. } => payload.len(),
                Self::Error { refusal, .. } => refusal.message.len(),
                Self::Raw(frame) => frame.as_bytes().len(),
                Self::Ack { .. }
                | Self::HealthPing { .. }
                | Self::HealthPong { .. }
                | Self::Draining { .. } => 0,
            }
    }
}
