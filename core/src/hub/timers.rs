//! The deadline of a connection: when it has to be looked at next.
//!
//! Changes: connections, deadlines.

use crate::protocol::id::ConnectionId;
use crate::time::Timestamp;

use super::Hub;
use super::tables::connection::{Connection, Phase};
use super::tables::deadlines::Timer;

impl Hub {
    /// Moves the connection's deadline to where it belongs. Messages do not call this: they only
    /// postpone the actual deadline, and the entry is corrected when it is due.
    pub(super) fn rearm(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else { return };
        let (old, new) = (connection.armed, self.due(connection));
        if old == new {
            return;
        }
        if old != Timestamp::MAX {
            self.deadlines.disarm(old, Timer::Connection(id));
        }
        if new != Timestamp::MAX {
            self.deadlines.arm(new, Timer::Connection(id));
        }
        if let Some(connection) = self.connections.get_mut(id) {
            connection.armed = new;
        }
    }

    /// Returns the earliest time at which something is due for this connection.
    pub(super) fn due(&self, connection: &Connection) -> Timestamp {
        let limits = &self.config.limits;
        match &connection.phase {
            Phase::Reserved(_) => connection.since + limits.handshake_timeout,
            Phase::Closing(closing) => closing.until.min(connection.next_piece()),
            Phase::Held(until) => *until,
            Phase::Open => self
                .stale_at(connection)
                .min(self.idle_at(connection))
                .min(connection.next_ping)
                .min(connection.next_piece()),
        }
    }

    /// Only a peer that was pinged and had the usual time to answer can be stale: a driver that
    /// slept past the time of the ping (a suspended machine) must not take all peers for dead when
    /// it wakes.
    pub(super) fn stale_at(&self, connection: &Connection) -> Timestamp {
        let heartbeat = &self.config.heartbeat;
        match connection.ping.filter(|ping| ping.asking_since >= connection.last_seen) {
            Some(ping) => {
                let answer_in = heartbeat.stale_after.saturating_sub(heartbeat.interval);
                (connection.last_seen + heartbeat.stale_after).max(ping.asking_since + answer_in)
            }
            None => Timestamp::MAX,
        }
    }

    pub(super) fn idle_at(&self, connection: &Connection) -> Timestamp {
        let idle_timeout = self.config.heartbeat.idle_timeout;
        if idle_timeout.is_zero() {
            return Timestamp::MAX;
        }
        connection.last_message + idle_timeout
    }
}
