//! Is the peer alive? And what else a connection waits for.

use core::num::{NonZeroU32, NonZeroU64};

use crate::hub::action::Queued;
use crate::hub::config::HeartbeatMode;
use crate::protocol::close::{CloseReason, Ending};
use crate::protocol::id::ConnectionId;
use crate::protocol::to_client::Message;
use crate::time::Timestamp;

use super::Hub;
use super::tables::connection::{Connection, Phase, Ping};
use super::tables::deadlines::Timer;

/// In so many moments of an interval there may be pings: at 30 seconds, every 117 milliseconds.
const MOMENTS: u32 = 256;

impl Hub {
    /// The first ping comes after a random part of the interval, so that connections that were opened together
    /// are not pinged together; but at one of a few hundred moments of an interval, so that a server with many
    /// connections does not wake up for each of them.
    pub(super) fn first_ping_at(&mut self) -> Timestamp {
        let interval = self.config.heartbeat.interval;
        if interval.is_zero() {
            return Timestamp::MAX;
        }
        let moment = interval / MOMENTS;
        let wait = self.random.up_to((interval / 2).saturating_sub(moment));
        (self.now + interval / 2 + wait).at_next(moment)
    }

    /// A peer's own ping. It is life, and it counts against the rate: answering a flood of them is work too.
    pub(super) fn alive(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(id).filter(|c| c.is_open()) else {
            return self.stale(id);
        };
        connection.last_seen = now;
        if !self.within_rate(id, 0) {
            self.strike(id);
        }
    }

    /// An answer to a ping. One that answers none of ours is no sign of life: a peer can send those unasked.
    pub(super) fn pong(&mut self, id: ConnectionId, nonce: Option<u64>) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(id) else { return self.stale(id) };
        let Some(nonce) = nonce else { return };
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
    }

    /// Pings a connection, past its outbox: a heartbeat that waits behind data would measure the data. Answers what only
    /// the answer to this ping repeats.
    pub(super) fn ping(&mut self, id: ConnectionId) -> Option<NonZeroU64> {
        let unix_ms = self.unix_ms();
        let connection = self.connections.get_mut(id)?;
        let least = NonZeroU64::MIN.saturating_add(connection.last_nonce);
        let unique = NonZeroU64::new(unix_ms).map_or(least, |clock| clock.max(least));
        let nonce = unique.get();
        connection.last_nonce = nonce;
        let mode = self.config.heartbeat.mode;
        if mode != HeartbeatMode::Application {
            self.queue.push(Queued::Ping { connection: id, nonce });
        }
        if mode != HeartbeatMode::Protocol {
            self.send_now(id, Message::HealthPing { timestamp: nonce });
        }
        Some(unique)
    }

    /// What this connection waits for first.
    fn due(&self, connection: &Connection) -> Timestamp {
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

    /// Only who was asked, and given the usual time to answer, can be stale: a driver that slept past the time of the
    /// ping (a suspended machine) must not take everybody for dead when it wakes up.
    fn stale_at(&self, connection: &Connection) -> Timestamp {
        let heartbeat = &self.config.heartbeat;
        match connection.ping.filter(|ping| ping.asking_since >= connection.last_seen) {
            Some(ping) => {
                let answer_in = heartbeat.stale_after.saturating_sub(heartbeat.interval);
                (connection.last_seen + heartbeat.stale_after).max(ping.asking_since + answer_in)
            }
            None => Timestamp::MAX,
        }
    }

    fn idle_at(&self, connection: &Connection) -> Timestamp {
        let idle_timeout = self.config.heartbeat.idle_timeout;
        if idle_timeout.is_zero() {
            return Timestamp::MAX;
        }
        connection.last_message + idle_timeout
    }

    /// Moves the connection's entry among the deadlines to where it belongs. A message does not do this; it
    /// only moves the real deadline away, and the entry follows when it comes up.
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

    /// The connection's entry came up.
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
