//! Graceful shutdown: each client is told, gets its queued messages, and is closed. The drain ends
//! by its deadline, whatever the peers do.
//!
//! Changes: deadlines, drain, random.

use alloc::vec::Vec;
use core::time::Duration;

use crate::protocol::close::{CloseReason, Ending};
use crate::protocol::id::ConnectionId;
use crate::protocol::to_client::Message;

use super::Hub;
use super::tables::connection::Connection;
use super::tables::deadlines::Timer;
use super::tables::drain::Drain;

impl Hub {
    /// Starts to drain. A second drain changes nothing.
    pub(super) fn begin_drain(&mut self, timeout: Duration, spread: Duration) {
        if self.drain.is_some() {
            return;
        }
        let deadline = self.now + timeout;
        self.drain = Some(Drain { deadline, spread, next_slot: 0, armed: None, over: false });
        self.drain_step();
        self.end_drain_if_empty();
    }

    /// Closes one batch of connections; after the deadline, cuts one batch off.
    pub(super) fn drain_step(&mut self) {
        let now = self.now;
        let batch_size = self.config.limits.work_per_tick;
        let Some(drain) = &mut self.drain else { return };
        drain.armed = None;
        let cut_off = drain.deadline <= now;
        let start = if cut_off { 0 } else { drain.next_slot };
        let batch: Vec<ConnectionId> = self.connections.ids_from(start).take(batch_size).collect();
        let more = batch.len() == batch_size;
        if let Some(last) = batch.last() {
            drain.next_slot = last.index() + 1;
        }
        let next = if more { now } else { drain.deadline };
        for id in batch {
            if cut_off {
                self.end(id, Ending::Closed(CloseReason::Draining));
            } else {
                self.send_away(id);
            }
        }
        if let Some(drain) = &mut self.drain
            && !drain.over
        {
            drain.armed = Some(next);
            self.deadlines.arm(next, Timer::Drain);
        }
    }

    /// Tells an open connection when to reconnect, and closes it. A connection that is not open yet
    /// is closed once it opens.
    pub(super) fn send_away(&mut self, id: ConnectionId) {
        let Some(drain) = &self.drain else { return };
        // Its client cannot reconnect to a server that is shutting down.
        if self.connections.get(id).is_some_and(Connection::is_held) {
            return self.end(id, Ending::Lost);
        }
        if self.connections.get(id).is_some_and(Connection::is_open) {
            let retry_after = self.random.up_to(drain.spread);
            // It is the last message; a full outbox must not turn the close into that of a slow
            // consumer.
            if !self.wait_unbounded(id, Message::Draining { retry_after }) {
                self.send_now(id, Message::Draining { retry_after });
            }
            self.close(id, CloseReason::Draining);
        }
    }
}
