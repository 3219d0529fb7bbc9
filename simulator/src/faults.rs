//! Faults, and other events that no client in the world causes.

use std::fmt;
use std::time::Duration;

use crate::chance::Chance;

/// An event of the plan. People, rooms and nodes are indices into the plan.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum Fault {
    /// A person's connection is reset; both ends notice, each in its own time.
    Reset { person: usize },
    /// Nothing passes any more, and only the client notices.
    ServerLeftHanging { person: usize },
    /// Nothing passes any more, and only the server notices.
    ClientLeftHanging { person: usize },
    /// Nothing passes for a while, then everything does.
    Stall { person: usize, lasts: Duration },
    /// The person has no network: open connections hang, dials get nowhere.
    Offline { person: usize, lasts: Duration },
    /// The person's machine reads a few bytes at a time.
    SlowReader { person: usize, bytes_per_second: u64, lasts: Duration },
    /// The lid is shut: nothing is read or done, and the clock keeps running.
    Sleep { person: usize, lasts: Duration },
    /// The person's clock is set forward or back by this many milliseconds.
    ClockJump { person: usize, by_ms: i64 },
    /// A server's process dies. Its peers may notice or not.
    Crash { node: usize, down: Duration, noticed: bool },
    /// A server is replaced: it drains, and another one starts.
    Deploy { node: usize, timeout: Duration, spread: Duration, down: Duration },
    /// The clock of a server's machine is set forward or back by this many milliseconds.
    ServerClockJump { node: usize, by_ms: i64 },
    /// The wall clock of a server's machine is set forward or back by this many milliseconds.
    WallClockSet { node: usize, by_ms: i64 },
    /// The server's application closes a person's connections.
    Kick { person: usize },
    /// The server's application removes a person from a room.
    TakeOut { person: usize, room: usize },
    /// The server's application publishes.
    Announce { room: usize, size: usize },
    /// The server's application asks a person a question.
    AskClient { person: usize },
}

impl Fault {
    /// Draws a fault that affects a person.
    pub fn of_person(chance: &mut Chance, person: usize, rooms: usize) -> Self {
        match chance.below(20) {
            0..4 => Self::Reset { person },
            4..6 => Self::ServerLeftHanging { person },
            6 => Self::ClientLeftHanging { person },
            7 | 8 => Self::Stall { person, lasts: chance.millis(200, 20_000) },
            9 | 10 => Self::Offline { person, lasts: chance.millis(500, 70_000) },
            11..14 => Self::SlowReader {
                person,
                bytes_per_second: chance.between(100, 4_000),
                lasts: chance.millis(5_000, 40_000),
            },
            14 => Self::Sleep { person, lasts: chance.millis(500, 90_000) },
            15 => {
                let by_ms = chance.between(0, 70_000) as i64 - 5_000;
                Self::ClockJump { person, by_ms }
            }
            16 => Self::Kick { person },
            17 => Self::TakeOut { person, room: chance.below(rooms) },
            _ => Self::AskClient { person },
        }
    }

    /// Draws a fault that affects a server.
    pub fn of_server(chance: &mut Chance, node: usize) -> Self {
        let down = chance.millis(100, 8_000);
        if chance.once_in(2) {
            Self::Crash { node, down, noticed: chance.once_in(2) }
        } else {
            let (timeout, spread) = (chance.millis(200, 10_000), chance.millis(0, 5_000));
            Self::Deploy { node, timeout, spread, down }
        }
    }

    /// Returns the person affected.
    pub fn person(&self) -> Option<usize> {
        match self {
            Self::Reset { person }
            | Self::ServerLeftHanging { person }
            | Self::ClientLeftHanging { person }
            | Self::Stall { person, .. }
            | Self::Offline { person, .. }
            | Self::SlowReader { person, .. }
            | Self::Sleep { person, .. }
            | Self::ClockJump { person, .. }
            | Self::Kick { person }
            | Self::TakeOut { person, .. }
            | Self::AskClient { person } => Some(*person),
            Self::Crash { .. }
            | Self::Deploy { .. }
            | Self::ServerClockJump { .. }
            | Self::WallClockSet { .. }
            | Self::Announce { .. } => None,
        }
    }

    /// Returns the node affected.
    pub fn node(&self) -> Option<usize> {
        match self {
            Self::Crash { node, .. }
            | Self::Deploy { node, .. }
            | Self::ServerClockJump { node, .. }
            | Self::WallClockSet { node, .. } => Some(*node),
            Self::Reset { .. }
            | Self::ServerLeftHanging { .. }
            | Self::ClientLeftHanging { .. }
            | Self::Stall { .. }
            | Self::Offline { .. }
            | Self::SlowReader { .. }
            | Self::Sleep { .. }
            | Self::ClockJump { .. }
            | Self::Kick { .. }
            | Self::TakeOut { .. }
            | Self::Announce { .. }
            | Self::AskClient { .. } => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reset { .. } => write!(f, "the connection is reset"),
            Self::ServerLeftHanging { .. } => {
                write!(f, "the connection breaks, and the server does not notice")
            }
            Self::ClientLeftHanging { .. } => {
                write!(f, "the connection breaks, and the client does not notice")
            }
            Self::Stall { lasts, .. } => write!(f, "nothing passes for {lasts:.1?}"),
            Self::Offline { lasts, .. } => write!(f, "no network for {lasts:.1?}"),
            Self::SlowReader { bytes_per_second, lasts, .. } => {
                write!(f, "reads {bytes_per_second} bytes a second for {lasts:.1?}")
            }
            Self::Sleep { lasts, .. } => write!(f, "falls asleep for {lasts:.1?}"),
            Self::ClockJump { by_ms, .. } | Self::ServerClockJump { by_ms, .. } => {
                write!(f, "the clock jumps by {by_ms} ms")
            }
            Self::WallClockSet { by_ms, .. } => write!(f, "the wall clock is set by {by_ms} ms"),
            Self::Crash { down, noticed: true, .. } => write!(f, "dies, back in {down:.1?}"),
            Self::Crash { down, noticed: false, .. } => {
                write!(f, "loses its power, so that nobody hears of it; back in {down:.1?}")
            }
            Self::Deploy { timeout, spread, down, .. } => write!(
                f,
                "drains for {timeout:.1?}, sends everybody away for up to {spread:.1?}, and is replaced {down:.1?} later"
            ),
            Self::Kick { .. } => write!(f, "is closed by the application"),
            Self::TakeOut { .. } => write!(f, "is taken out of a room by the application"),
            Self::Announce { .. } => write!(f, "publishes"),
            Self::AskClient { .. } => write!(f, "is asked by the application"),
        }
    }
}
