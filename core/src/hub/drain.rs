//! Shutting down gracefully: each client is told, gets what is theirs, and is closed. It ends by
//! its deadline, whatever the peers do.
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
    /// Begins to drain. A second drain changes nothing.
    pub(super) fn begin_drain(&mut self, timeout: Duration, spread: Duration) {
        if self.drain.is_some() {
            return;
        }
        let deadline = self.now + timeout;
        self.drain = Some(Drain { deadline, spread, next_slot: 0, armed: None, over: false });
        self.drain_step();
        self.end_drain_if_empty();
    }

    /// Sends one batch of connections away; after the deadline, cuts one batch off.
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

    /// Tells one open connection when to come back, and closes it. One that is not open yet is sent
    /// away when it is.
    pub(super) fn send_away(&mut self, id: ConnectionId) {
        let Some(drain) = &self.drain else { return };
        // Its client cannot come back to a server that shuts down.
        if self.connections.get(id).is_some_and(Connection::is_held) {
            return self.end(id, Ending::Lost);
        }
        if self.connections.get(id).is_some_and(Connection::is_open) {
            let retry_after = self.random.up_to(drain.spread);
            // It is the last message, and a full outbox must not turn its end into that of a slow
            // consumer.
            if !self.wait_unbounded(id, Message::Draining { retry_after }) {
                self.send_now(id, Message::Draining { retry_after });
            }
            self.close(id, CloseReason::Draining);
        }
    }
}
