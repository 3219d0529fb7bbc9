//! The data of the model.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use switchboard_core::{Network, Timestamp};

/// An expected output.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Said {
    /// To a connection: immediately, or when it accepts messages again.
    To(usize, Item),
    /// To the driver and the application.
    Now(String),
}

/// One item of a connection's stream.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Item {
    /// A message or a close, in words.
    Text(String),
    /// A publication, by the life of its room and its offset. A slow connection may miss it.
    Publication(u64, u64, String),
}

/// A connection that has not ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Seat {
    pub user: String,
    pub payer: Payer,
    pub phase: Phase,
    pub rooms: BTreeSet<String>,
    /// Whether it may enter rooms that are for operators.
    pub is_operator: bool,
    /// Until it opens, the rooms that it wished for and is not in.
    pub refused: BTreeSet<String>,
    /// When the phase began.
    pub since: Timestamp,
    pub last_seen: Timestamp,
    pub last_message: Timestamp,
    /// When the rate's token bucket will be full again.
    pub bucket_full_at: Timestamp,
    pub strikes: u32,
    /// The ping without a pong yet.
    pub ping: Option<u64>,
    /// When it was first pinged since its last sign of life.
    pub asked: Option<Timestamp>,
}

/// What a connection's messages count against, besides itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Payer {
    User(String),
    Guests(Network),
    Nobody,
}

/// Reserved, open, closing; an ended connection has no seat.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Phase {
    Reserved,
    Open,
    Closing(&'static str),
}

/// A room with at least one seat taken.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Room {
    pub life: u64,
    pub offset: u64,
    pub absent: BTreeMap<String, Timestamp>,
}

/// A user's connections that were probed, with the number and the answer of each.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Probe {
    pub serial: u64,
    pub sent: Timestamp,
    pub until: Timestamp,
    pub asked: BTreeMap<usize, (u64, Option<Duration>)>,
}
