//! How connections close and end, leaving nothing behind.
//!
//! Changes: connections, deadlines, drain, overflowed, queue, stats, users.

use alloc::boxed::Box;

use crate::hub::action::{Notice, Output};
use crate::hub::stats::ENDINGS;
use crate::protocol::close::{CloseReason, Disconnect, Ending};
use crate::protocol::id::ConnectionId;
use crate::time::Timestamp;

use super::Hub;
use super::presence::Exit;
use super::tables::connection::{Closing, Connection, Phase};
use super::tables::deadlines::Timer;

impl Hub {
    /// Starts to close a connection: from now on it is in no room and belongs to no user. It gets
    /// its queued messages and then a close frame, and keeps its seat on the server until its
    /// socket is closed. A reserved connection ends at once. Returns whether there was a connection
    /// to close.
    pub(super) fn close(&mut self, id: ConnectionId, mut reason: CloseReason) -> bool {
        let Some(connection) = self.connections.get(id) else { return false };
        if connection.is_reserved() {
            self.end(id, Ending::Closed(reason));
            return true;
        }
        if connection.is_held() {
            self.end(id, Ending::Closed(reason));
            return true;
        }
        if connection.is_closing() {
            self.give_up_hold(id);
            return false;
        }
        // If it lost messages in this same event, report that as the reason.
        if connection.outbox.as_ref().is_some_and(|outbox| outbox.given_up) {
            reason = CloseReason::SlowConsumer;
        }
        let held = self.is_held_after(&Ending::Closed(reason.clone()));
        if held {
            self.hold_seats(id);
        } else {
            self.retire(id);
        }
        if reason == CloseReason::SlowConsumer {
            self.discard_outbox(id);
        }
        let mut until = self.now + self.config.limits.close_timeout;
        if let Some(drain) = &self.drain {
            until = until.min(drain.deadline);
        }
        if let Some(connection) = self.connections.get_mut(id) {
            connection.phase = Phase::Closing(Box::new(Closing { reason, until, held }));
        }
        self.stats.connections -= 1;
        self.stats.closing += 1;
        self.close_when_flushed(id);
        self.rearm(id);
        true
    }

    pub(super) fn close_overflowed(&mut self) {
        while let Some(id) = self.overflowed.pop() {
            // Closing it twice would free its seats.
            if self.connections.get(id).is_some_and(Connection::is_open) {
                self.close(id, CloseReason::SlowConsumer);
            }
        }
    }

    /// Frees every seat except the one on the server.
    fn retire(&mut self, id: ConnectionId) {
        while let Some(last) =
            self.connections.get(id).and_then(|c| c.memberships.len().checked_sub(1))
        {
            self.exit(id, last, Exit::Lost);
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
        self.forget_requests(id);
    }

    /// Frees the seats of a closing connection that were to be held.
    fn give_up_hold(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if let Phase::Closing(closing) = &mut connection.phase
            && core::mem::take(&mut closing.held)
        {
            self.retire(id);
        }
    }

    /// Ends a connection. This is the only place that removes a connection from the table.
    pub(super) fn end(&mut self, id: ConnectionId, ending: Ending) {
        let Some(connection) = self.connections.get(id) else { return };
        let held = match &connection.phase {
            Phase::Reserved(_) => {
                let was_there = connection.memberships.iter().any(|m| m.seat.is_present());
                was_there && self.is_held_after(&ending)
            }
            Phase::Open => self.is_held_after(&ending),
            Phase::Closing(closing) => closing.held && self.drain.is_none(),
            Phase::Held(_) => false,
        };
        let is_retired = matches!(&connection.phase, Phase::Closing(closing) if !closing.held);
        if held {
            self.hold_seats(id);
        } else if !is_retired {
            self.retire(id);
        }
        self.discard_outbox(id);
        let Some(mut connection) = self.connections.remove(id) else { return };
        if connection.armed != Timestamp::MAX {
            self.deadlines.disarm(connection.armed, Timer::Connection(id));
        }
        let phase = core::mem::replace(&mut connection.phase, Phase::Open);
        let ending = match phase {
            Phase::Reserved(_) => {
                self.stats.reserved -= 1;
                ending
            }
            Phase::Open => {
                self.stats.connections -= 1;
                ending
            }
            // Whatever happened to the socket, this side had decided to close.
            Phase::Closing(closing) => {
                self.stats.closing -= 1;
                Ending::Closed(closing.reason)
            }
            // Its end was announced when the connection was lost.
            Phase::Held(_) => {
                self.stats.held -= 1;
                self.release_connection(&connection);
                return self.end_drain_if_empty();
            }
        };
        self.stats.ended[ending_index(&ending)] += 1;
        let user = self.users.name(connection.user);
        let open_for = self.now - connection.since;
        let address = connection.address;
        self.queue.tell(Output::Closed { connection: id, user, ending, open_for, address });
        if held {
            self.hold(connection);
        } else {
            self.release_connection(&connection);
        }
        self.end_drain_if_empty();
    }

    pub(super) fn disconnected(&mut self, id: ConnectionId, how: Disconnect) {
        if self.connections.get(id).is_none() {
            return self.stale(id);
        }
        let ending = match how {
            Disconnect::ByPeer(code) => Ending::ByPeer(code),
            Disconnect::Lost => Ending::Lost,
            Disconnect::HandshakeFailed => Ending::HandshakeFailed,
        };
        self.end(id, ending);
    }

    pub(super) fn end_drain_if_empty(&mut self) {
        if let Some(drain) = &mut self.drain
            && !drain.over
            && self.connections.len() == 0
        {
            drain.over = true;
            if let Some(at) = drain.armed.take() {
                self.deadlines.disarm(at, Timer::Drain);
            }
            self.queue.tell(Output::Drained);
        }
    }

    /// Ends a held connection whose client did not return in time.
    pub(super) fn hold_over(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else { return };
        let user = self.users.name(connection.user);
        self.end(id, Ending::Lost);
        self.notice(Notice::Expired { user });
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
