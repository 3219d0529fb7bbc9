//! Slow connections: when messages start to queue for a connection, and how the queue drains.
//!
//! Changes: connections, rooms, stats.

use alloc::boxed::Box;
use core::time::Duration;

use crate::hub::action::Notice;
use crate::protocol::id::ConnectionId;
use crate::protocol::to_client::Message;

use super::Hub;
use super::tables::outbox::{Outbox, Popped, Replay, Until};

/// The pause between two batches of a replay, so that a long replay does not delay other
/// connections.
const PAUSE: Duration = Duration::from_millis(1);

impl Hub {
    /// Blocks a connection whose outlet is full: from now on, its messages queue.
    pub(super) fn blocked(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id).filter(|c| c.is_open()) else {
            return self.stale(id);
        };
        match &mut connection.outbox {
            Some(outbox) if outbox.is_blocked() => return,
            Some(outbox) => outbox.until = Until::Writable,
            none => {
                *none = Some(Box::new(Outbox::new(Until::Writable)));
                self.count_blocked(id);
            }
        }
        self.stats.blocked += 1;
        self.notice(Notice::Blocked { connection: id });
    }

    /// Queues messages until [`release_paced`](Self::release_paced) has sent the last of them: the
    /// replay goes first, and may be long.
    pub(super) fn pace(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.outbox.is_none() {
            connection.outbox = Some(Box::new(Outbox::new(Until::NextPiece(now))));
            self.count_blocked(id);
        }
    }

    /// Marks its rooms, so that broadcasts there check for connections with an outbox.
    fn count_blocked(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else { return };
        for membership in &connection.memberships {
            if membership.seat.at().is_some() {
                self.rooms.get_mut(membership.room).blocked += 1;
            }
        }
    }

    /// Unblocks a connection whose outlet has room, and sends what fits below its high-water mark.
    pub(super) fn writable(&mut self, id: ConnectionId) {
        if self.connections.get(id).is_none() {
            return self.stale(id);
        }
        if !self.postpones_replay(id) {
            self.release(id);
        }
    }

    /// If a replay is next, and its receiver has had more than its rate, lets the replay wait although
    /// the outlet has room. Returns whether it does.
    fn postpones_replay(&mut self, id: ConnectionId) -> bool {
        let outbox = self.connections.get(id).and_then(|c| c.outbox.as_ref());
        if !outbox.is_some_and(|outbox| outbox.replays()) {
            return false;
        }
        let at = self.may_get_more_at(id);
        if at <= self.now {
            return false;
        }
        if let Some(outbox) = self.connections.get_mut(id).and_then(|c| c.outbox.as_mut()) {
            self.stats.blocked -= usize::from(outbox.is_blocked());
            outbox.until = Until::NextPiece(at);
        }
        self.rearm(id);
        true
    }

    /// Sends a batch of the queue, unless the outlet is blocked; the next one follows after
    /// [`PAUSE`].
    pub(super) fn release_paced(&mut self, id: ConnectionId) {
        let outbox = self.connections.get(id).and_then(|c| c.outbox.as_deref());
        if outbox.is_none_or(Outbox::is_blocked) {
            return;
        }
        self.release(id);
        let next = self.may_get_more_at(id).max(self.now + PAUSE);
        let outbox = self.connections.get_mut(id).and_then(|c| c.outbox.as_mut());
        if let Some(outbox) = outbox {
            outbox.until = Until::NextPiece(next);
        }
        self.rearm(id);
    }

    fn release(&mut self, id: ConnectionId) {
        let quantum = self.config.limits.outlet_high_water;
        let mut released = 0;
        while released < quantum {
            let Some(connection) = self.connections.get_mut(id) else { return };
            let is_closing = connection.is_closing();
            let (user, session) = (&self.users.get(connection.user).name, connection.session);
            let rooms = &self.rooms;
            let Some(outbox) = &mut connection.outbox else { return };
            if outbox.given_up {
                return;
            }
            let find = |replay: &Replay| rooms.find_past(replay, user, session);
            let message = match outbox.pop(is_closing, find) {
                Popped::Message(message) => message,
                Popped::Past(publication) => {
                    self.stats.replayed += 1;
                    let message = Message::Publication(publication);
                    self.charge_bytes(id, message.cost_bytes());
                    message
                }
                Popped::Lost => return self.overflow(id),
                Popped::Nothing => break,
            };
            released += message.cost_bytes();
            self.send_now(id, message);
        }
        // That may have been the last message. Then the queue is empty and the connection is no
        // longer blocked.
        if self.connections.get(id).and_then(|c| c.outbox.as_ref()).is_some_and(|o| o.is_empty()) {
            self.unblock(id);
            self.close_when_flushed(id);
        }
    }

    fn unblock(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(outbox) = connection.outbox.take() else { return };
        for membership in &connection.memberships {
            if membership.seat.at().is_some() {
                self.rooms.get_mut(membership.room).blocked -= 1;
            }
        }
        self.stats.blocked -= usize::from(outbox.is_blocked());
    }

    /// Drops the queued messages and counts them.
    pub(super) fn discard_outbox(&mut self, id: ConnectionId) {
        if let Some(outbox) = self.connections.get(id).and_then(|c| c.outbox.as_ref()) {
            self.stats.dropped += outbox.len() as u64;
            self.unblock(id);
        }
    }
}
