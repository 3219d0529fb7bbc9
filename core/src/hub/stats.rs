//! Counters and gauges of a hub.

use crate::protocol::close::{CloseReason, Rejection};

/// How the end of a connection is counted in addition to the reasons of [`CloseReason`].
pub(crate) const ENDINGS: usize = CloseReason::NAMES.len() + 3;

/// Counters of a hub that was read from bytes are below this. No server counts this far, and
/// anything below can be added to without overflow.
#[cfg(feature = "recording")]
pub(crate) const MOST: u64 = 1 << 62;

/// Counters and gauges of a hub. Gauges are exact at any moment; counters only grow.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Stats {
    /// Open connections, without held ones.
    pub connections: usize,
    /// Seats of handshakes in flight.
    pub reserved: usize,
    /// Connections that are being closed; they still hold their seat on the server.
    pub closing: usize,
    /// Lost connections whose seats are held for their sessions.
    pub held: usize,
    /// Rooms with a member or a reserved seat, and empty ones that are kept for returning clients.
    pub rooms: usize,
    /// Rooms of these that are empty.
    pub kept_rooms: usize,
    /// Bytes of publications that rooms keep.
    pub history_bytes: usize,
    /// Message ids that are remembered.
    pub remembered: usize,
    /// Users with a connection or in their grace period.
    pub users: usize,
    /// Connections whose outlet is full.
    pub blocked: usize,
    /// Seats on the server, if they are limited.
    pub max_connections: Option<u32>,
    /// Connections admitted so far.
    pub accepted: u64,
    /// Attempts refused, in the order of [`Rejection::NAMES`].
    pub rejected: [u64; Rejection::NAMES.len()],
    /// Connections ended, in the order of [`CloseReason::NAMES`], then closed by the peer, lost,
    /// handshake failed.
    pub ended: [u64; ENDINGS],
    /// Messages received from clients.
    pub messages_in: u64,
    /// Bytes of the messages received.
    pub bytes_in: u64,
    /// Messages delivered, counted once per recipient.
    pub messages_out: u64,
    /// Bytes of frames handed to outlets. Counted by the [`Driver`](crate::Driver), 0 without one.
    pub bytes_out: u64,
    /// Publications accepted into rooms.
    pub published: u64,
    /// Messages refused with an error.
    pub refused: u64,
    /// Messages dropped for slow connections.
    pub dropped: u64,
    /// Publications replayed to members that had missed them.
    pub replayed: u64,
    /// Members that could not get everything they had missed.
    pub refreshed: u64,
    /// Repeated messages that were not handled again.
    pub repeated: u64,
    /// Events for connections that no longer existed.
    pub stale_events: u64,
    /// Events with a time before that of an earlier one.
    pub clock_clamped: u64,
}

impl Stats {
    /// Returns the percentage of seats that are taken, from 0 to 100; 0 if they are not limited.
    pub fn capacity_percent(&self) -> f64 {
        let seats = self.connections + self.reserved + self.closing + self.held;
        match self.max_connections {
            Some(max) if max > 0 => (seats as f64 * 1000.0 / f64::from(max)) as u64 as f64 / 10.0,
            Some(_) | None => 0.0,
        }
    }

    /// Returns all counters.
    #[cfg(feature = "recording")]
    pub(crate) fn counters(&self) -> impl Iterator<Item = u64> {
        let counters = [
            self.accepted,
            self.messages_in,
            self.bytes_in,
            self.messages_out,
            self.bytes_out,
            self.published,
            self.refused,
            self.dropped,
            self.replayed,
            self.refreshed,
            self.repeated,
            self.stale_events,
            self.clock_clamped,
        ];
        counters.into_iter().chain(self.rejected).chain(self.ended)
    }

    /// Returns the number of connections that ended, by name of the reason.
    pub fn endings(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let others = ["closed_by_peer", "lost", "handshake_failed"];
        CloseReason::NAMES.into_iter().chain(others).zip(self.ended)
    }

    /// Returns the number of attempts refused, by name of the reason.
    pub fn rejections(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Rejection::NAMES.into_iter().zip(self.rejected)
    }
}
