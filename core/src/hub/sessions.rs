//! One client over several connections: the next one takes over from the last, and for a while its seats are held.

use crate::protocol::close::{CloseReason, Ending};
use crate::protocol::id::ConnectionId;

use super::Hub;
use super::presence::Exit;
use super::tables::connection::{Connection, Phase, Seat};
use super::tables::deadlines::Timer;

impl Hub {
    /// Whether a connection that ends so may come back to its seats.
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

    /// The connection gets nothing from its rooms any more, and nobody gets its seats.
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

    /// What is left of a lost connection, until its session comes back. It has another id, so that whatever is still said
    /// about the old one means nothing.
    pub(super) fn hold(&mut self, lost: Connection) {
        let until = self.now + self.config.recovery.session_window;
        let id = self.connections.insert(lost.user, lost.session, Phase::Held(until), self.now);
        self.users.get_mut(lost.user).connections[lost.user_at as usize] = id;
        if let Some(held) = self.connections.get_mut(id) {
            held.user_at = lost.user_at;
            held.memberships = lost.memberships;
        }
        self.stats.held += 1;
        self.rearm(id);
    }

    /// An open connection has seats that were held for it. It has some time to join those rooms.
    pub(super) fn await_claims(&mut self, id: ConnectionId) {
        let until = self.now + self.config.limits.handshake_timeout;
        self.deadlines.arm(until, Timer::Claim(id));
    }

    /// Seats that it did not claim are free.
    pub(super) fn claims_over(&mut self, id: ConnectionId) {
        let is_held = |c: &Connection| c.memberships.iter().position(|m| m.seat == Seat::HELD);
        let is_open = |c: &&Connection| c.is_open();
        while let Some(slot) = self.connections.get(id).filter(is_open).and_then(is_held) {
            self.exit(id, slot, Exit::Lost);
        }
    }
}
