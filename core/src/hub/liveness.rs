//! Liveness: whether a peer is alive, and what happens when a connection's deadline is due.
//!
//! Changes: connections, random.

use core::num::NonZeroU32;

use crate::protocol::close::{CloseReason, Ending};
use crate::protocol::id::ConnectionId;
use crate::time::Timestamp;

use super::Hub;
use super::tables::connection::{Phase, Ping};

/// Pings are aligned to this many slots per interval (at 30 seconds, one every 117 ms), so that the
/// server wakes once per slot, not once per connection.
const MOMENTS: u32 = 256;

impl Hub {
    /// Returns when to ping a new connection: after a random part of the interval, so that
    /// connections opened together are not pinged together.
    pub(super) fn first_ping_at(&mut self) -> Timestamp {
        let interval = self.config.heartbeat.interval;
        if interval.is_zero() {
            return Timestamp::MAX;
        }
        let moment = interval / MOMENTS;
        let wait = self.random.up_to((interval / 2).saturating_sub(moment));
        (self.now + interval / 2 + wait).at_next(moment)
    }

    /// Handles the answer to a ping. A pong that answers no known ping is not a sign of life: a
    /// peer can send those unasked. Returns whether it answers one.
    pub(super) fn pong(&mut self, id: ConnectionId, nonce: Option<u64>) -> bool {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(id) else {
            self.stale(id);
            return false;
        };
        let Some(nonce) = nonce else { return false };
        let mut took = None;
        if connection.ping.take_if(|ping| ping.nonce.get() == nonce).is_some() {
            took = Some(now + self.config.heartbeat.interval - connection.next_ping);
        } else if connection.asked > 0 {
            took = self.answer_probe(id, nonce).map(|sent| now - sent);
        }
        if let Some(took) = took
            && let Some(connection) = self.connections.get_mut(id)
        {
            connection.last_seen = now;
            let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX).max(1);
            connection.latency_micros = NonZeroU32::new(micros);
        }
        took.is_some()
    }

    /// Handles the deadline of a connection.
    pub(super) fn connection_due(&mut self, id: ConnectionId) {
        let now = self.now;
        if let Some(connection) = self.connections.get_mut(id) {
            connection.armed = Timestamp::MAX;
        }
        let Some(connection) = self.connections.get(id) else { return };
        if self.due(connection) > now {
            return self.rearm(id);
        }
        match &connection.phase {
            Phase::Open | Phase::Closing(_) if connection.next_piece() <= now => {
                self.release_paced(id);
            }
            Phase::Reserved(_) => self.end(id, Ending::HandshakeFailed),
            Phase::Held(_) => self.hold_over(id),
            Phase::Closing(closing) => {
                let ending = Ending::Closed(closing.reason.clone());
                self.end(id, ending);
            }
            Phase::Open if self.stale_at(connection) <= now => {
                self.close(id, CloseReason::Stale);
            }
            Phase::Open if self.idle_at(connection) <= now => {
                self.close(id, CloseReason::Idle);
            }
            Phase::Open => {
                let nonce = self.ping(id);
                let next_ping = now + self.config.heartbeat.interval;
                if let Some(connection) = self.connections.get_mut(id) {
                    let asking = connection.ping.map(|ping| ping.asking_since);
                    let asking = asking.filter(|&since| since >= connection.last_seen);
                    let asking_since = asking.unwrap_or(now);
                    connection.ping = nonce.map(|nonce| Ping { nonce, asking_since });
                    connection.next_ping = next_ping;
                }
                self.rearm(id);
            }
        }
    }
}
