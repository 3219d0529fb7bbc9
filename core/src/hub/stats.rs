//! Numbers about a hub.

use crate::protocol::close::{CloseReason, Rejection};

/// How a connection's end is counted beside the reasons of [`CloseReason`].
pub(crate) const ENDINGS: usize = CloseReason::NAMES.len() + 3;

/// Numbers of a hub that was read from bytes are below this. No server counts this far, and anything below can be added
/// to without an overflow.
#[cfg(feature = "recording")]
pub(crate) const MOST: u64 = 1 << 62;

/// What a hub counts. Gauges are exact at any moment; counters only grow.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Stats {
    /// Open connections.
    pub connections: usize,
    /// Seats of handshakes in flight.
    pub reserved: usize,
    /// Connections that are being closed; they still hold their seat on the server.
    pub closing: usize,
    /// Lost connections whose seats are held for them to come back.
    pub held: usize,
    /// Rooms that somebody is in, or that are kept for those who may come back.
    pub rooms: usize,
    /// Rooms of those that nobody is in.
    pub kept_rooms: usize,
    /// Bytes of publications that rooms keep.
    pub history_bytes: usize,
    /// Ids of messages that are remembered.
    pub remembered: usize,
    /// Users that have a connection, or were here a moment ago.
    pub users: usize,
    /// Connections whose socket takes no more for now.
    pub blocked: usize,
    /// Seats in all, if they are limited.
    pub max_connections: Option<u32>,
    /// Connections admitted so far.
    pub accepted: u64,
    /// Attempts refused, in the order of [`Rejection::NAMES`].
    pub rejected: [u64; Rejection::NAMES.len()],
    /// Connections ended, in the order of [`CloseReason::NAMES`], then closed by the peer, lost, handshake failed.
    pub ended: [u64; ENDINGS],
    /// Messages received.
    pub messages_in: u64,
    /// Bytes of those messages.
    pub bytes_in: u64,
    /// Messages handed out, once for each connection.
    pub messages_out: u64,
    /// Bytes of frames handed to outlets. Counted by the [`Driver`](crate::Driver), 0 without one.
    pub bytes_out: u64,
    /// Publications accepted into rooms.
    pub published: u64,
    /// Messages refused with an error.
    pub refused: u64,
    /// Messages that were dropped for slow connections.
    pub dropped: u64,
    /// Publications sent to those who had missed them.
    pub replayed: u64,
    /// Members who could not get all that they had missed.
    pub refreshed: u64,
    /// Messages that came again and were not handled again.
    pub repeated: u64,
    /// Events about connections that were gone.
    pub stale_events: u64,
    /// Times that the clock ran backwards.
    pub clock_clamped: u64,
}

impl Stats {
    /// Taken seats of all seats, from 0 to 100; 0 when they are not limited.
    pub fn capacity_percent(&self) -> f64 {
        let seats = self.connections + self.reserved + self.closing + self.held;
        match self.max_connections {
            Some(max) if max > 0 => (seats as f64 * 1000.0 / f64::from(max)) as u64 as f64 / 10.0,
            Some(_) | None => 0.0,
        }
    }

    /// All that only grows.
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

    /// How often connections ended, by name.
    pub fn endings(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let others = ["closed_by_peer", "lost", "handshake_failed"];
        CloseReason::NAMES.into_iter().chain(others).zip(self.ended)
    }

    /// How often attempts were refused, by name.
    pub fn rejections(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Rejection::NAMES.into_iter().zip(self.rejected)
    }
}
