//! Probes: whether a user is reachable right now. Each of their connections is pinged with a
//! different number, so that neither a late answer nor that of another connection counts.
//!
//! Changes: connections, deadlines, probes, queue.

use alloc::vec::Vec;
use core::time::Duration;

use crate::hub::action::{Outcome, Output};
use crate::hub::event::Ticket;
use crate::protocol::id::ConnectionId;
use crate::protocol::name::UserName;
use crate::protocol::refusal::{ErrorCode, Refusal};
use crate::time::Timestamp;

use super::Hub;
use super::keys::ProbeKey;
use super::lookup::user_offline;
use super::tables::deadlines::Timer;
use super::tables::probe::{Pinged, Pong, Probe};

impl Hub {
    pub(super) fn probe(
        &mut self,
        ticket: Ticket,
        user: &UserName,
        timeout: Option<Duration>,
    ) -> Result<Outcome, Refusal> {
        if self.probes.len() >= self.config.limits.max_probes {
            return Err(Refusal::new(ErrorCode::RateLimited, "too many probes are under way"));
        }
        let mut pinged = Vec::new();
        for id in self.connections_of(user) {
            if self.connections.get(id).is_none_or(|connection| !connection.is_open()) {
                continue;
            }
            if let Some(nonce) = self.ping(id)
                && let Some(connection) = self.connections.get_mut(id)
            {
                connection.asked += 1;
                pinged.push(Pinged { connection: id, nonce: nonce.get(), answer: Pong::Awaited });
            }
        }
        if pinged.is_empty() {
            return Err(user_offline(user));
        }
        let asked = pinged.len();
        let deadline = self.now + timeout.unwrap_or(self.config.heartbeat.probe_timeout);
        let probe = Probe { ticket, sent: self.now, deadline, pinged };
        let key = self.probes.insert(probe);
        self.deadlines.arm(deadline, Timer::Probe(key));
        Ok(Outcome::Probing(asked))
    }

    /// Settles the pings of probes that this answers. Returns when the first of them was sent.
    pub(super) fn answer_probe(&mut self, id: ConnectionId, nonce: u64) -> Option<Timestamp> {
        let now = self.now;
        let (asked, count, settled) =
            self.probes.settle(id, |n| n == nonce, |sent| Pong::After(now - sent));
        self.pings_settled(id, count, settled);
        asked
    }

    /// Stops waiting for the answers of a connection that ended.
    pub(super) fn forget_probes(&mut self, id: ConnectionId) {
        if self.connections.get(id).is_some_and(|connection| connection.asked > 0) {
            let (_, count, settled) = self.probes.settle(id, |_| true, |_| Pong::Never);
            self.pings_settled(id, count, settled);
        }
    }

    fn pings_settled(&mut self, id: ConnectionId, count: u32, settled: Vec<ProbeKey>) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.asked -= count;
        }
        for key in settled {
            self.finish_probe(key);
        }
    }

    pub(super) fn finish_probe(&mut self, key: ProbeKey) {
        let Some(probe) = self.probes.remove(key) else { return };
        self.deadlines.disarm(probe.deadline, Timer::Probe(key));
        let mut answers = Vec::with_capacity(probe.pinged.len());
        for pinged in probe.pinged {
            let latency = match pinged.answer {
                Pong::After(latency) => Some(latency),
                Pong::Never => None,
                Pong::Awaited => {
                    if let Some(connection) = self.connections.get_mut(pinged.connection) {
                        connection.asked -= 1;
                    }
                    None
                }
            };
            answers.push((pinged.connection, latency));
        }
        self.queue.tell(Output::Probed { ticket: probe.ticket, answers });
    }
}
