//! Slow connections: what waits for them, and when it is too much.

use crate::action::Notice;
use crate::close::CloseReason;
use crate::config::Overflow;
use crate::id::ConnectionId;
use crate::message::Message;

use super::Hub;

impl Hub {
    /// The outlet takes no more: from here on, messages wait.
    pub(super) fn blocked(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id).filter(|c| c.is_open()) else {
            return self.stale(id);
        };
        if connection.outbox.is_some() {
            return;
        }
        connection.outbox = Some(alloc::boxed::Box::default());
        for membership in &connection.memberships {
            self.rooms.get_mut(membership.room).blocked += 1;
        }
        self.stats.blocked += 1;
        self.notice(Notice::Blocked { connection: id });
    }

    /// The outlet takes more: as much as fits below its high-water mark goes out.
    pub(super) fn writable(&mut self, id: ConnectionId) {
        let quantum = self.config.limits.outlet_high_water;
        let mut released = 0;
        while released < quantum {
            let Some(connection) = self.connections.get_mut(id) else { return self.stale(id) };
            let Some(outbox) = &mut connection.outbox else { return };
            let Some(message) = outbox.pop() else {
                self.unblock(id);
                return self.close_when_flushed(id);
            };
            released += message.cost_bytes();
            self.send_now(id, message);
        }
        // What was last may have been the last: then nothing waits, and the connection is not blocked any more.
        if self.connections.get(id).and_then(|c| c.outbox.as_ref()).is_some_and(|o| o.is_empty()) {
            self.unblock(id);
            self.close_when_flushed(id);
        }
    }

    fn unblock(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id)
            && connection.outbox.take().is_some()
        {
            for membership in &connection.memberships {
                self.rooms.get_mut(membership.room).blocked -= 1;
            }
            self.stats.blocked -= 1;
        }
    }

    /// Lets a message wait. When it does not fit, everything that waits is given up and the connection closed.
    pub(super) fn wait(&mut self, id: ConnectionId, message: Message, overflow: Overflow) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(outbox) = &mut connection.outbox else { return };
        match outbox.push(message, overflow, &self.config.limits) {
            Ok(dropped) => self.stats.dropped += dropped,
            Err(super::outbox::Full) => {
                self.stats.dropped += outbox.len() as u64;
                **outbox = super::outbox::Outbox::default();
                self.overflowed.push(id);
            }
        }
    }

    /// Lets a last message wait, whatever the bounds. Answers whether the connection is blocked at all.
    pub(super) fn wait_unbounded(&mut self, id: ConnectionId, message: Message) -> bool {
        let outbox = self.connections.get_mut(id).and_then(|connection| connection.outbox.as_mut());
        outbox.map(|outbox| outbox.push_last(message)).is_some()
    }

    pub(super) fn close_overflowed(&mut self) {
        while let Some(id) = self.overflowed.pop() {
            self.close(id, CloseReason::SlowConsumer);
        }
    }

    /// Forgets what waits, and counts it.
    pub(super) fn discard_outbox(&mut self, id: ConnectionId) {
        if let Some(outbox) = self.connections.get(id).and_then(|c| c.outbox.as_ref()) {
            self.stats.dropped += outbox.len() as u64;
            self.unblock(id);
        }
    }
}
