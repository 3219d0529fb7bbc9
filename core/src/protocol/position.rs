//! Positions in the streams of rooms, and the sessions of clients.

use core::fmt;
use core::num::NonZeroU64;
use core::str::FromStr;

/// The identity of a room's numbering. A room that was emptied and recreated has another one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Epoch(pub u64);

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A position in a room's stream of publications: an epoch and an offset, always together, because
/// an offset means nothing in another epoch. On the wire `00c9f1b2a4d07e35:42`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Position {
    /// The numbering that `offset` belongs to.
    pub epoch: Epoch,
    /// The publication's number, from 1. 0 is the position before the first.
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

/// The text is not a position: 16 hexadecimal digits, a colon and a decimal number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoPosition;

impl fmt::Display for NoPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be a position: 16 hexadecimal digits, a colon and a number")
    }
}

impl core::error::Error for NoPosition {}

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let (epoch, offset) = text.split_once(':').ok_or(NoPosition)?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let offset = Some(offset).filter(|text| digits(text)).and_then(|text| text.parse().ok());
        let (epoch, offset) = sixteen_hex(epoch).zip(offset).ok_or(NoPosition)?;
        Ok(Self { epoch: Epoch(epoch), offset })
    }
}

/// One client, over all its successive connections. A connection that presents it resumes the same
/// client, if it is also the same user. It has 64 random bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Session(NonZeroU64);

impl Session {
    pub(crate) fn new(bits: u64) -> Self {
        Self(NonZeroU64::new(bits).unwrap_or(NonZeroU64::MIN))
    }

    pub(crate) const BYTES: usize = 8;

    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        self.0.get().to_be_bytes()
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a session: 16 hexadecimal digits, as in `connected`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoSession;

impl fmt::Display for NoSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be a session: 16 hexadecimal digits")
    }
}

impl core::error::Error for NoSession {}

impl FromStr for Session {
    type Err = NoSession;

    fn from_str(text: &str) -> Result<Self, NoSession> {
        sixteen_hex(text).and_then(NonZeroU64::new).map(Self).ok_or(NoSession)
    }
}

fn sixteen_hex(text: &str) -> Option<u64> {
    let is_one = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

/// Where a member's stream begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Beginning {
    /// The stream continues after this position.
    pub position: Position,
    /// Whether the member missed nothing; `None` if it presented no position.
    pub recovered: Option<bool>,
}

/// Why a stream cannot continue where the member left off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Broken {
    /// Another numbering: the room was removed, or the server restarted.
    UnknownEpoch,
    /// The room no longer keeps everything that was missed.
    TooOld,
    /// The offset has not been assigned yet.
    UnknownPosition,
}

impl Broken {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownEpoch => "unknown_epoch",
            Self::TooOld => "too_old",
            Self::UnknownPosition => "unknown_position",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_position_is_read_as_it_is_written() {
        let position = Position { epoch: Epoch(0x00c9_f1b2_a4d0_7e35), offset: 42 };
        assert_eq!(position.to_string().parse(), Ok(position));
        for text in [
            "",
            ":",
            "42",
            "00c9f1b2a4d07e35",
            "00c9f1b2a4d07e35:",
            "00c9f1b2a4d07e35:-1",
            "00c9f1b2a4d07e35:+1",
            "00c9f1b2a4d07e35: 1",
            "+0c9f1b2a4d07e35:1",
            "0c9f1b2a4d07e35:1",
            "00c9f1b2a4d07e35:18446744073709551616",
        ] {
            assert_eq!(text.parse::<Position>(), Err(NoPosition), "{text}");
        }
    }

    #[test]
    fn a_session_is_read_as_it_is_written() {
        let session = Session::new(0x5be0_cd19_137e_2179);
        assert_eq!(session.to_string().parse(), Ok(session));
        for text in
            ["", "0000000000000000", "5be0cd19137e217", "5be0cd19137e21790", "5be0cd19137e217x"]
        {
            assert_eq!(text.parse::<Session>(), Err(NoSession), "{text}");
        }
    }
}
