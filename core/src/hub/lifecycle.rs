//! How connections end, and that nothing of them is left.

use crate::action::Queued;
use crate::close::{CloseReason, Ending};
use crate::id::ConnectionId;
use crate::stats::ENDINGS;
use crate::time::Timestamp;

use super::Hub;
use super::connection::{Closing, Phase};
use super::deadlines::Timer;
use super::presence::Exit;

impl Hub {
    /// Begins to close: the connection is in no room and of no user from here on, gets what had been accepted
    /// for it and then a close frame, and keeps its seat on the server until its socket is gone. A reserved one is
    /// gone at once. Answers whether there was something to close.
    pub(super) fn close(&mut self, id: ConnectionId, mut reason: CloseReason) -> bool {
        let Some(connection) = self.connections.get(id) else { return false };
        if connection.is_reserved() {
            self.end(id, Ending::Closed(reason));
            return true;
        }
        if connection.is_closing() {
            return false;
        }
        self.retire(id);
        // If it lost messages in this very event, that is what it must hear.
        if self.overflowed.contains(&id) {
            reason = CloseReason::SlowConsumer;
        }
        if reason == CloseReason::SlowConsumer {
            self.discard_outbox(id);
        }
        let mut until = self.now + self.config.limits.close_timeout;
        if let Some(drain) = &self.drain {
            until = until.min(drain.deadline);
        }
        if let Some(connection) = self.connections.get_mut(id) {
            connection.phase = Phase::Closing(alloc::boxed::Box::new(Closing { reason, until }));
        }
        self.stats.connections -= 1;
        self.stats.closing += 1;
        self.close_when_flushed(id);
        self.rearm(id);
        true
    }

    /// Once nothing waits for a closing connection, its close frame can go.
    pub(super) fn close_when_flushed(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get(id)
            && let Phase::Closing(closing) = &connection.phase
            && connection.outbox.is_none()
        {
            let reason = closing.reason.clone();
            self.queue.push(Queued::Close { connection: id, reason });
        }
    }

    /// Gives back every seat but that on the server.
    fn retire(&mut self, id: ConnectionId) {
        while let Some(connection) = self.connections.get(id)
            && let Some(last) = connection.memberships.len().checked_sub(1)
        {
            if connection.is_reserved() {
                self.give_back_reserved(id);
            } else {
                self.exit(id, last, Exit::Lost);
            }
        }
        let Some(connection) = self.connections.get(id) else { return };
        let at = connection.user_at as usize;
        let user = self.users.get_mut(connection.user);
        user.connections.swap_remove(at);
        if let Some(&moved) = user.connections.get(at)
            && let Some(moved) = self.connections.get_mut(moved)
        {
            moved.user_at = at as u32;
        }
        self.forget_probes(id);
    }

    fn give_back_reserved(&mut self, id: ConnectionId) {
        let membership = self.connections.get_mut(id).and_then(|c| c.memberships.pop());
        if let Some(membership) = membership {
            self.rooms.get_mut(membership.room).reserved -= 1;
            self.drop_room_if_empty(membership.room);
        }
    }

    /// The connection is gone. This is the one place where a connection leaves the table.
    pub(super) fn end(&mut self, id: ConnectionId, ending: Ending) {
        let Some(connection) = self.connections.get(id) else { return };
        if !connection.is_closing() {
            self.retire(id);
        }
        self.discard_outbox(id);
        let Some(connection) = self.connections.remove(id) else { return };
        if connection.armed != Timestamp::MAX {
            self.deadlines.disarm(connection.armed, Timer::Connection(id));
        }
        let ending = match connection.phase {
            Phase::Reserved => {
                self.stats.reserved -= 1;
                ending
            }
            Phase::Open => {
                self.stats.connections -= 1;
                ending
            }
            // Whatever the socket did in the end, this side had decided to close.
            Phase::Closing(closing) => {
                self.stats.closing -= 1;
                Ending::Closed(closing.reason)
            }
        };
        self.stats.ended[ending_index(&ending)] += 1;
        let user = self.users.name(connection.user);
        self.users.release(connection.user);
        let open_for = self.now - connection.since;
        self.queue.push(Queued::Closed { connection: id, user, ending, open_for });
        self.end_drain_if_empty();
    }
}

fn ending_index(ending: &Ending) -> usize {
    match ending {
        Ending::Closed(reason) => reason.index(),
        Ending::ByPeer(_) => ENDINGS - 3,
        Ending::Lost => ENDINGS - 2,
        Ending::HandshakeFailed => ENDINGS - 1,
    }
}
