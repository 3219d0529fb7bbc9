//! One ordered set of all deadlines.

use alloc::collections::BTreeSet;

use crate::protocol::id::ConnectionId;
use crate::time::Timestamp;

use crate::hub::keys::{ProbeKey, RequestKey, RoomKey, UserKey};

/// What a deadline is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Timer {
    /// The earliest deadline of this connection.
    Connection(ConnectionId),
    /// The user's grace period in this room ends.
    Absence(RoomKey, UserKey),
    /// The room's oldest publication expires, or the room has been empty for too long.
    Room(RoomKey),
    /// The application's time to give the room's state is over.
    State(RoomKey),
    /// Seats held for this connection are freed unless it has joined again.
    Claim(ConnectionId),
    /// The user's oldest message id expires.
    Remembered(UserKey),
    /// The request times out.
    Request(RequestKey),
    /// The probe times out.
    Probe(ProbeKey),
    /// The first account of an absent user or network is settled.
    Absent,
    /// The next batch of the drain, or its end.
    Drain,
}

/// An ordered set. Arming and disarming are logarithmic in its size; finding the first deadline
/// takes constant time. A connection has one entry, which is not moved when a message arrives: if
/// it is due too early, it is armed again.
#[derive(Default, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Deadlines(BTreeSet<(Timestamp, Timer)>);

impl Deadlines {
    pub(crate) fn arm(&mut self, at: Timestamp, timer: Timer) {
        self.0.insert((at, timer));
    }

    pub(crate) fn disarm(&mut self, at: Timestamp, timer: Timer) {
        self.0.remove(&(at, timer));
    }

    pub(crate) fn first(&self) -> Option<Timestamp> {
        self.0.first().map(|(at, _)| *at)
    }

    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        let first = *self.0.first()?;
        (first.0 <= now).then(|| {
            self.0.remove(&first);
            first.1
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cfg(feature = "recording")]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    #[cfg(feature = "recording")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Timestamp, Timer)> {
        self.0.iter().copied()
    }
}
