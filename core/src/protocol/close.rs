//! Why connections are refused, closed or lost.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use crate::protocol::name::RoomName;

/// Why a connection was not admitted.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Rejection {
    /// The server has no free connection.
    ServerFull,
    /// The room has no free seat.
    LobbyFull(RoomName),
    /// The user has as many connections as allowed.
    UserLimit,
    /// The connection asked for more rooms than it may be in.
    TooManyRooms,
    /// The room is not open to this client.
    Forbidden(RoomName),
    /// The server is shutting down.
    Draining {
        /// The delay after which the client should retry.
        retry_after: Duration,
    },
}

impl Rejection {
    /// The name, in close frames, HTTP bodies and statistics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::ServerFull => "server_full",
            Self::LobbyFull(_) => "lobby_full",
            Self::UserLimit => "user_limit",
            Self::TooManyRooms => "too_many_rooms",
            Self::Forbidden(_) => "forbidden",
            Self::Draining { .. } => "draining",
        }
    }

    /// Every name, in the order of [`Rejection::index`].
    pub const NAMES: [&'static str; 6] =
        ["server_full", "lobby_full", "user_limit", "too_many_rooms", "draining", "forbidden"];

    /// The index in [`Rejection::NAMES`].
    pub const fn index(&self) -> usize {
        match self {
            Self::ServerFull => 0,
            Self::LobbyFull(_) => 1,
            Self::UserLimit => 2,
            Self::TooManyRooms => 3,
            Self::Draining { .. } => 4,
            Self::Forbidden(_) => 5,
        }
    }

    /// The HTTP status of the refused upgrade.
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::TooManyRooms | Self::Forbidden(_) => 403,
            Self::ServerFull | Self::LobbyFull(_) | Self::UserLimit | Self::Draining { .. } => 503,
        }
    }

    /// The close frame of a connection that is accepted only to be told.
    pub fn close_reason(&self) -> CloseReason {
        match self {
            Self::Draining { .. } => CloseReason::Draining,
            Self::TooManyRooms | Self::Forbidden(_) => CloseReason::Forbidden,
            Self::ServerFull | Self::LobbyFull(_) | Self::UserLimit => {
                CloseReason::Capacity(self.as_str())
            }
        }
    }

    /// The delay after which a retry makes sense; `None` if it never does.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::ServerFull | Self::LobbyFull(_) | Self::UserLimit => Some(Duration::from_secs(5)),
            Self::Draining { retry_after } => Some(*retry_after),
            Self::TooManyRooms | Self::Forbidden(_) => None,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServerFull => write!(f, "the server is full"),
            Self::LobbyFull(room) => write!(f, "the room {room:?} is full"),
            Self::UserLimit => write!(f, "this user has as many connections as it may"),
            Self::Forbidden(room) => write!(f, "the room {room:?} is not open to this client"),
            Self::TooManyRooms => write!(f, "more rooms than one connection may be in"),
            Self::Draining { .. } => write!(f, "the server is shutting down"),
        }
    }
}

impl core::error::Error for Rejection {}

/// An alias, so that deserialising a recording does not try to borrow from it.
type FixedName = &'static str;

/// Why this side closes a connection. PROTOCOL.md says for each whether a client should reconnect.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum CloseReason {
    /// 1000: normal closure.
    Normal,
    /// 1001: the server is shutting down.
    Draining,
    /// 1002: the peer violated RFC 6455; the text says how.
    Protocol(Cow<'static, str>),
    /// 1003: a kind of frame that is not accepted here.
    Unsupported,
    /// 1007: text that is not UTF-8.
    InvalidText,
    /// 1008: no message within the idle timeout.
    Idle,
    /// 1009: a message over the limit, which is given in bytes.
    TooBig(usize),
    /// 1011: this side failed.
    Internal,
    /// 4001: the token is missing or invalid.
    Unauthorized,
    /// 4002: a limit is reached; the text is the name of the [`Rejection`].
    Capacity(#[cfg_attr(feature = "recording", serde(with = "capacity"))] FixedName),
    /// 4003: the application refuses this user.
    Forbidden,
    /// 4004: a newer connection of the same user took the seat.
    Replaced,
    /// 4008: the peer did not read what was sent to it.
    SlowConsumer,
    /// 4010: the peer was silent for too long.
    Stale,
    /// 4029: the peer exceeded its rate after being warned.
    RateLimited,
    /// A code and reason of the application, 3000 to 4999.
    Application {
        /// The code; outside of 3000 to 4999 it is sent as 1000.
        code: u16,
        /// The reason; more than 123 bytes are cut off (RFC 6455, 5.5).
        reason: String,
    },
}

impl CloseReason {
    /// The code in the close frame (RFC 6455, 7.4).
    pub const fn code(&self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::Draining => 1001,
            Self::Protocol(_) => 1002,
            Self::Unsupported => 1003,
            Self::InvalidText => 1007,
            Self::Idle => 1008,
            Self::TooBig(_) => 1009,
            Self::Internal => 1011,
            Self::Unauthorized => 4001,
            Self::Capacity(_) => 4002,
            Self::Forbidden => 4003,
            Self::Replaced => 4004,
            Self::SlowConsumer => 4008,
            Self::Stale => 4010,
            Self::RateLimited => 4029,
            Self::Application { code, .. } => match *code {
                code @ 3000..=4999 => code,
                _ => 1000,
            },
        }
    }

    /// The text in the close frame, at most 123 bytes (RFC 6455, 5.5).
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Protocol(how) => cut(alloc::format!("protocol error: {how}").into()),
            Self::TooBig(limit) => alloc::format!("message over {limit} bytes").into(),
            Self::Application { reason, .. } => cut(reason.as_str().into()),
            Self::Normal
            | Self::Draining
            | Self::Unsupported
            | Self::InvalidText
            | Self::Idle
            | Self::Internal
            | Self::Unauthorized
            | Self::Capacity(_)
            | Self::Forbidden
            | Self::Replaced
            | Self::SlowConsumer
            | Self::Stale
            | Self::RateLimited => self.as_str().into(),
        }
    }

    /// The name in statistics and logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Capacity(name) => name,
            Self::Normal
            | Self::Draining
            | Self::Protocol(_)
            | Self::Unsupported
            | Self::InvalidText
            | Self::Idle
            | Self::TooBig(_)
            | Self::Internal
            | Self::Unauthorized
            | Self::Forbidden
            | Self::Replaced
            | Self::SlowConsumer
            | Self::Stale
            | Self::RateLimited
            | Self::Application { .. } => Self::NAMES[self.index()],
        }
    }

    /// Every name, in the order of [`CloseReason::index`].
    pub const NAMES: [&'static str; 16] = [
        "normal",
        "draining",
        "protocol_error",
        "unsupported",
        "invalid_text",
        "idle",
        "too_big",
        "internal",
        "unauthorized",
        "capacity",
        "forbidden",
        "replaced",
        "slow_consumer",
        "stale",
        "rate_limited",
        "application",
    ];

    /// The index in [`CloseReason::NAMES`].
    pub const fn index(&self) -> usize {
        match self {
            Self::Normal => 0,
            Self::Draining => 1,
            Self::Protocol(_) => 2,
            Self::Unsupported => 3,
            Self::InvalidText => 4,
            Self::Idle => 5,
            Self::TooBig(_) => 6,
            Self::Internal => 7,
            Self::Unauthorized => 8,
            Self::Capacity(_) => 9,
            Self::Forbidden => 10,
            Self::Replaced => 11,
            Self::SlowConsumer => 12,
            Self::Stale => 13,
            Self::RateLimited => 14,
            Self::Application { .. } => 15,
        }
    }
}

/// Cuts at a character boundary, so that the frame's text stays UTF-8.
fn cut(text: Cow<'_, str>) -> Cow<'_, str> {
    const MAX: usize = 123;
    let end = text.floor_char_boundary(MAX);
    if end == text.len() {
        return text;
    }
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }
}

/// How a driver saw a connection end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Disconnect {
    /// The peer sent a close frame, with this code if it had one.
    ByPeer(Option<u16>),
    /// The socket ended or failed without a close frame.
    Lost,
    /// The upgrade could not be completed.
    HandshakeFailed,
}

/// How a connection ended. Each accepted connection ends exactly once.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Ending {
    /// This side closed it.
    Closed(CloseReason),
    /// The peer closed it with a close frame.
    ByPeer(Option<u16>),
    /// The socket ended or failed without a close frame.
    Lost,
    /// The upgrade was not completed, or not in time.
    HandshakeFailed,
}

impl Ending {
    /// The name in statistics and logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Closed(reason) => reason.as_str(),
            Self::ByPeer(_) => "closed_by_peer",
            Self::Lost => "lost",
            Self::HandshakeFailed => "handshake_failed",
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(reason) => write!(f, "{} ({})", reason.as_str(), reason.code()),
            Self::ByPeer(Some(code)) => write!(f, "closed by the peer ({code})"),
            Self::ByPeer(None) => write!(f, "closed by the peer"),
            Self::Lost => write!(f, "lost"),
            Self::HandshakeFailed => write!(f, "the handshake failed"),
        }
    }
}

/// One of [`Rejection::NAMES`].
#[cfg(feature = "recording")]
mod capacity {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::*;

    pub(crate) fn serialize<S: Serializer>(name: &&'static str, s: S) -> Result<S::Ok, S::Error> {
        name.serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<&'static str, D::Error> {
        let name = String::deserialize(d)?;
        let known = Rejection::NAMES.into_iter().find(|known| *known == name);
        known.ok_or_else(|| D::Error::custom("no name of a rejection"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_close_text_fits_its_frame_and_stays_utf8() {
        let reason = CloseReason::Application { code: 4500, reason: "é".repeat(100) };
        assert_eq!(reason.text().len(), 122);
        assert_eq!(reason.code(), 4500);
        let odd = CloseReason::Application { code: 1005, reason: "x".to_string() };
        assert_eq!(odd.code(), 1000);
    }

    #[test]
    fn names_and_indexes_agree() {
        assert_eq!(CloseReason::Stale.as_str(), "stale");
        assert_eq!(
            CloseReason::Application { code: 1, reason: String::new() }.as_str(),
            "application"
        );
        assert_eq!(Rejection::NAMES[Rejection::UserLimit.index()], Rejection::UserLimit.as_str());
    }
}
