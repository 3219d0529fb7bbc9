//! One client over several connections: the seats of a lost connection are held for the next one.
//!
//! Changes: connections, deadlines, stats, users.

use crate::protocol::close::{CloseReason, Ending};
use crate::protocol::id::ConnectionId;

use super::Hub;
use super::presence::Exit;
use super::tables::connection::{Connection, Phase, Seat};
use super::tables::deadlines::Timer;

impl Hub {
    /// Returns whether the seats of a connection that ends this way are held for its session.
    pub(super) fn is_held_after(&self, ending: &Ending) -> bool {
        if self.config.recovery.session_window.is_zero() || self.drain.is_some() {
            return false;
        }
        match ending {
            Ending::Lost | Ending::HandshakeFailed => true,
            Ending::Closed(reason) => {
                matches!(reason, CloseReason::Stale | CloseReason::SlowConsumer)
            }
            Ending::ByPeer(code) => !matches!(code, Some(1000 | 1001)),
        }
    }

    /// Holds the seats of a connection: it gets nothing more from its rooms, and nobody else gets
    /// the seats.
    pub(super) fn hold_seats(&mut self, id: ConnectionId) {
        let seats = self.connections.get(id).map_or(0, |connection| connection.memberships.len());
        for slot in (0..seats).rev() {
            self.unseat(id, slot);
            let membership = self.connections.get_mut(id).map(|c| &mut c.memberships[slot]);
            let Some(membership) = membership else { return };
            if membership.seat.is_present() {
                membership.seat = Seat::HELD;
            } else {
                self.exit(id, slot, Exit::Lost);
            }
        }
        self.forget_probes(id);
        self.forget_requests(id);
    }

    /// Keeps the seats of a lost connection until its session returns, under another id, so that
    /// late events for the old one have no effect.
    pub(super) fn hold(&mut self, lost: Connection) {
        let until = self.now + self.config.recovery.session_window;
        let id = self.connections.insert(lost.user, lost.session, Phase::Held(until), self.now);
        self.users.get_mut(lost.user).connections[lost.user_at as usize] = id;
        if let Some(held) = self.connections.get_mut(id) {
            held.user_at = lost.user_at;
            held.address = lost.address;
            held.payer = lost.payer;
            held.memberships = lost.memberships;
        }
        self.stats.held += 1;
        self.rearm(id);
    }

    /// Gives an open connection time to join the rooms in which seats are held for it.
    pub(super) fn await_claims(&mut self, id: ConnectionId) {
        let until = self.now + self.config.limits.handshake_timeout;
        self.deadlines.arm(until, Timer::Claim(id));
    }

    /// Frees the seats that were held for a connection and that it did not claim.
    pub(super) fn claims_over(&mut self, id: ConnectionId) {
        let is_held = |c: &Connection| c.memberships.iter().position(|m| m.seat == Seat::HELD);
        let is_open = |c: &&Connection| c.is_open();
        while let Some(slot) = self.connections.get(id).filter(is_open).and_then(is_held) {
            self.exit(id, slot, Exit::Lost);
        }
    }
}
