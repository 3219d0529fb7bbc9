//! The data of the model.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use switchboard_core::Timestamp;

/// What the model expects to be said.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Said {
    /// To a connection: at once, or when it takes messages again.
    To(usize, Item),
    /// To the driver and the application.
    Now(String),
}

/// One item of a connection's stream.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Item {
    /// A message, or its close.
    Text(String),
    /// A publication, by the life of its room and its number in it. A slow connection may miss it.
    Publication(u64, u64, String),
}

/// A connection that is not gone.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "said by the names")]
pub struct Seat {
    pub user: String,
    pub phase: Phase,
    pub rooms: BTreeSet<String>,
    /// When the phase began.
    pub since: Timestamp,
    pub last_seen: Timestamp,
    pub last_message: Timestamp,
    /// Messages that the bucket is short of, in microseconds of its rate.
    pub bucket_full_at: Timestamp,
    pub strikes: u32,
    /// The ping that waits for its pong.
    pub ping: Option<u64>,
    /// When it was first asked without an answer since its last sign of life.
    pub asked: Option<Timestamp>,
}

/// Reserved, open, closing, and then no seat at all.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "said by the names")]
pub enum Phase {
    Reserved,
    Open,
    Closing(&'static str),
}

/// A room that has a seat taken.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "said by the names")]
pub struct Room {
    pub life: u64,
    pub offset: u64,
    pub absent: BTreeMap<String, Timestamp>,
}

/// A user's connections that were asked whether they are alive, with the number and the answer of each.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "said by the names")]
pub struct Probe {
    pub serial: u64,
    pub sent: Timestamp,
    pub until: Timestamp,
    pub asked: BTreeMap<usize, (u64, Option<Duration>)>,
}
