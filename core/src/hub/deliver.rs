//! Delivery: a message is sent to its recipients at once, or queued for those with an outbox.
//!
//! Changes: connections, overflowed, queue, stats.

use alloc::vec::Vec;
use core::num::NonZeroU64;

use crate::protocol::id::ConnectionId;
use crate::protocol::name::{MessageId, RoomName};
use crate::protocol::refusal::Refusal;
use crate::protocol::to_client::Message;

use super::Hub;
use super::action::{Notice, Operation, Output};
use super::class::Overflow;
use super::config::HeartbeatMode;
use super::keys::RoomKey;
use super::tables::connection::Phase;
use super::tables::outbox::Full;

impl Hub {
    /// Sends to an open connection, or queues the message in its outbox. Returns whether the
    /// connection is open.
    pub(super) fn send(&mut self, to: ConnectionId, message: Message) -> bool {
        let Some(connection) = self.connections.get_mut(to).filter(|c| c.is_open()) else {
            return false;
        };
        if connection.outbox.is_some() {
            self.wait(to, message, Overflow::Close);
        } else {
            self.send_now(to, message);
        }
        true
    }

    pub(super) fn send_now(&mut self, to: ConnectionId, message: Message) {
        let mark = self.queue.mark();
        self.queue.add_recipients(&[to]);
        self.stats.messages_out += self.queue.send(mark, message) as u64;
    }

    /// Sends to all members of a room except one. Returns the number of recipients, including those
    /// for which the message is queued.
    pub(super) fn fan_out(
        &mut self,
        key: RoomKey,
        except: Option<ConnectionId>,
        message: Message,
    ) -> usize {
        let room = self.rooms.get(key);
        let except = except
            .and_then(|id| self.connections.get(id))
            .and_then(|connection| connection.memberships[connection.slot_of(key)?].seat.at());
        let mark = self.queue.mark();
        if room.blocked == 0 {
            let (before, after) = match except {
                Some(at) => (&room.members[..at], &room.members[at + 1..]),
                None => (&room.members[..], &[][..]),
            };
            self.queue.add_recipients(before);
            self.queue.add_recipients(after);
            let recipients = self.queue.send(mark, message);
            self.stats.messages_out += recipients as u64;
            return recipients;
        }
        let overflow = if let Message::Publication(_) = message {
            self.class(room.class).overflow
        } else {
            Overflow::Close
        };
        let mut waiting = Vec::with_capacity(room.blocked as usize);
        for (at, &member) in room.members.iter().enumerate() {
            if Some(at) == except {
                continue;
            }
            match self.connections.get(member) {
                Some(connection) if connection.outbox.is_some() => waiting.push(member),
                Some(_) | None => self.queue.add_recipients(&[member]),
            }
        }
        let waits = waiting.len();
        for member in waiting {
            self.wait(member, message.clone(), overflow);
        }
        let recipients = self.queue.send(mark, message);
        self.stats.messages_out += recipients as u64;
        recipients + waits
    }

    /// Queues a message. If it does not fit, drops the whole queue and closes the connection. Later
    /// messages of the same event are dropped too: they would follow one that was never delivered.
    fn wait(&mut self, id: ConnectionId, message: Message, overflow: Overflow) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(outbox) = &mut connection.outbox else { return };
        if outbox.given_up {
            self.stats.dropped += 1;
            return;
        }
        match outbox.push(message, overflow, &self.config.limits) {
            Ok(dropped) => self.stats.dropped += dropped,
            Err(Full) => self.overflow(id),
        }
    }

    /// Drops the queue; the connection will be closed.
    pub(super) fn overflow(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if let Some(outbox) = &mut connection.outbox {
            self.stats.dropped += outbox.len() as u64;
            outbox.give_up();
            self.overflowed.push(id);
        }
    }

    /// Queues a last message, whatever the bounds. Returns `false` if the connection has no outbox,
    /// so the message need not be queued.
    pub(super) fn wait_unbounded(&mut self, id: ConnectionId, message: Message) -> bool {
        let outbox = self.connections.get_mut(id).and_then(|connection| connection.outbox.as_mut());
        outbox.map(|outbox| outbox.push_last(message)).is_some()
    }

    /// Sends the close frame of a closing connection, unless messages are still queued for it.
    pub(super) fn close_when_flushed(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get(id)
            && let Phase::Closing(closing) = &connection.phase
            && connection.outbox.is_none()
        {
            let reason = closing.reason.clone();
            self.queue.push(Operation::Close { connection: id, reason });
        }
    }

    /// Pings a connection, bypassing its outbox: a heartbeat queued behind data would measure the
    /// data. Returns the number that identifies the answer to this ping.
    pub(super) fn ping(&mut self, id: ConnectionId) -> Option<NonZeroU64> {
        let unix_ms = self.unix_ms();
        let connection = self.connections.get_mut(id)?;
        let least = NonZeroU64::MIN.saturating_add(connection.last_nonce);
        let unique = NonZeroU64::new(unix_ms).map_or(least, |clock| clock.max(least));
        let nonce = unique.get();
        connection.last_nonce = nonce;
        let mode = self.config.heartbeat.mode;
        if mode != HeartbeatMode::Application {
            self.queue.push(Operation::Ping { connection: id, nonce });
        }
        if mode != HeartbeatMode::Protocol {
            self.send_now(id, Message::HealthPing { timestamp: nonce });
        }
        Some(unique)
    }

    pub(super) fn refuse(&mut self, to: ConnectionId, id: Option<MessageId>, refusal: Refusal) {
        self.refuse_room(to, id, None, refusal);
    }

    pub(super) fn refuse_room(
        &mut self,
        to: ConnectionId,
        id: Option<MessageId>,
        room: Option<RoomName>,
        refusal: Refusal,
    ) {
        self.stats.refused += 1;
        if let Some(user) = self.user_of(to) {
            self.notice(Notice::Refused { connection: to, user, refusal: refusal.clone() });
        }
        self.send(to, Message::Error { id, room, refusal });
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        self.queue.tell(Output::Notice(notice));
    }
}
