//! Why messages are refused.

use alloc::borrow::Cow;
use core::fmt;

/// Why a message was refused. Clients see these names; see PROTOCOL.md.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum ErrorCode {
    /// The message is not JSON, not an object, or a binary frame with a bad header.
    BadMessage,
    /// A field is missing, of the wrong type, or out of bounds.
    InvalidField,
    /// A handler expects another payload.
    InvalidPayload,
    /// The type is reserved by the protocol.
    ReservedType,
    /// The message names no room, and the connection is not in exactly one.
    RoomRequired,
    /// The connection is not in that room.
    NotAMember,
    /// The room is full.
    LobbyFull,
    /// The connection is in as many rooms as allowed.
    TooManyRooms,
    /// The message is not allowed here.
    Forbidden,
    /// The room does not keep that position, or never had it.
    UnknownPosition,
    /// No request with this id is unanswered.
    NoSuchRequest,
    /// The message was handled before, and its answer is no longer known.
    Repeated,
    /// The user has no connection.
    UserOffline,
    /// The connection does not exist, or no longer.
    NoSuchConnection,
    /// The rate of messages or bytes is exceeded.
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
            Self::UnknownPosition => "unknown_position",
            Self::NoSuchRequest => "no_such_request",
            Self::Repeated => "repeated",
            Self::UserOffline => "user_offline",
            Self::NoSuchConnection => "no_such_connection",
            Self::RateLimited => "rate_limited",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
        }
    }
}

/// A refused command, with a message for people.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Refusal {
    /// The error for programs.
    pub code: ErrorCode,
    /// The error for people.
    #[cfg_attr(feature = "recording", serde(with = "super::text::said"))]
    pub message: Cow<'static, str>,
    /// The field at fault.
    pub field: Option<Cow<'static, str>>,
}

impl Refusal {
    /// Creates a refusal without a field.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), field: None }
    }

    /// Creates a refusal of a field that is missing, of the wrong type, or out of bounds.
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
