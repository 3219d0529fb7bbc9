//! Outgoing messages: those that wait, and those without an answer.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::hub::event::Ticket;
use crate::protocol::codec::Outbound;
use crate::protocol::name::{ConflationKey, Kind, MessageId, RoomName, UserName};
use crate::protocol::payload::{Json, Payload};
use crate::time::Timestamp;

use super::Machine;
use super::action::{Failure, MachineAction, Queue};
use super::event::{Question, ReplyError};

/// How long to hold back a message that exceeded the rate.
const LIMITED_FOR: Duration = Duration::from_secs(1);

/// The kind of answer that a message waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Awaits {
    /// An `ack`; the message is transmitted again until it comes.
    Ack,
    /// An `ack`; the message is transmitted only once.
    Reply,
    /// `members`
    Members,
    /// `history`
    History,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Waiting,
    Transmitted,
    /// The server refused it for exceeding the rate.
    Limited,
}

#[derive(Debug)]
pub(super) struct Entry {
    number: u64,
    pub(super) ticket: Ticket,
    pub(super) awaits: Awaits,
    /// The room to publish to, if the message names one.
    pub(super) room: Option<RoomName>,
    /// Whether it may have been published on an earlier connection.
    pub(super) repeated: bool,
    stage: Stage,
    expires: Option<Timestamp>,
    message: Outbound,
}

/// A message that the application wants transmitted, under the next id.
struct Call {
    ticket: Ticket,
    awaits: Awaits,
    /// Its type is reserved by the protocol.
    reserved: bool,
    room: Option<RoomName>,
    message: Outbound,
    expires: Option<Timestamp>,
}

/// In the order of their numbers; those that wait come last.
#[derive(Default, Debug)]
pub(super) struct Outgoing {
    entries: VecDeque<Entry>,
    limited_until: Option<Timestamp>,
}

impl Outgoing {
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let expires = self.entries.iter().filter_map(|entry| entry.expires).min();
        [expires, self.limited_until].into_iter().flatten().min()
    }

    fn in_flight(&self) -> usize {
        self.entries.partition_point(|entry| entry.stage != Stage::Waiting)
    }

    /// The numbers of waiting messages and of those in flight.
    pub(super) fn counts(&self) -> (usize, usize) {
        let in_flight = self.in_flight();
        (self.entries.len() - in_flight, in_flight)
    }

    /// Removes and returns the message that was transmitted under this number, if it waits for one
    /// of these answers.
    pub(super) fn answered(&mut self, number: u64, by: &[Awaits]) -> Option<Entry> {
        let at = self.find(number)?;
        if by.contains(&self.entries[at].awaits) { self.entries.remove(at) } else { None }
    }

    fn find(&self, number: u64) -> Option<usize> {
        let at = self.entries.binary_search_by_key(&number, |entry| entry.number).ok()?;
        (self.entries[at].stage != Stage::Waiting).then_some(at)
    }

    /// Settles with `failure` and removes every message for which `fails` holds.
    fn settle_where(
        &mut self,
        queue: &mut Queue,
        failure: &Failure,
        fails: impl Fn(&Entry) -> bool,
    ) {
        self.entries.retain(|entry| {
            let fails = fails(entry);
            if fails {
                queue.settle(entry.ticket, Err(failure.clone()));
            }
            !fails
        });
    }

    pub(super) fn settle_all(&mut self, queue: &mut Queue, failure: &Failure) {
        self.settle_where(queue, failure, |_| true);
        self.limited_until = None;
    }

    /// Fails the requests, whose outcome is unknown; other messages are safe to transmit again.
    pub(super) fn disconnected(&mut self, queue: &mut Queue) {
        self.settle_where(queue, &Failure::Disconnected, |entry| {
            entry.awaits != Awaits::Ack && entry.stage != Stage::Waiting
        });
        self.limited_until = None;
    }
}

impl Machine {
    pub(super) fn send(
        &mut self,
        ticket: Ticket,
        room: Option<RoomName>,
        kind: &Kind,
        key: Option<&ConflationKey>,
        payload: &Payload,
    ) {
        let message = Outbound::publish(&self.ids.peek(), room.as_ref(), kind, key, payload);
        let reserved = kind.is_reserved();
        self.call(Call { ticket, awaits: Awaits::Ack, reserved, room, message, expires: None });
    }

    pub(super) fn direct(&mut self, ticket: Ticket, to: &UserName, payload: &Payload) {
        let message = Outbound::direct(&self.ids.peek(), to, payload);
        let (awaits, reserved, room, expires) = (Awaits::Ack, false, None, None);
        self.call(Call { ticket, awaits, reserved, room, message, expires });
    }

    pub(super) fn request(
        &mut self,
        ticket: Ticket,
        room: Option<RoomName>,
        kind: &Kind,
        payload: &Payload,
        timeout: Option<Duration>,
    ) {
        let message = Outbound::publish(&self.ids.peek(), room.as_ref(), kind, None, payload);
        let (reserved, expires) = (kind.is_reserved(), self.expiry(timeout));
        self.call(Call { ticket, awaits: Awaits::Reply, reserved, room, message, expires });
    }

    pub(super) fn ask(&mut self, ticket: Ticket, question: &Question, timeout: Option<Duration>) {
        let id = self.ids.peek();
        let (awaits, message) = match question {
            Question::Members { room } => (Awaits::Members, Outbound::members(&id, room)),
            Question::History { room, since, limit } => {
                (Awaits::History, Outbound::history(&id, room, *since, *limit))
            }
        };
        let (reserved, room, expires) = (false, None, self.expiry(timeout));
        self.call(Call { ticket, awaits, reserved, room, message, expires });
    }

    fn expiry(&self, timeout: Option<Duration>) -> Option<Timestamp> {
        Some(self.now + timeout.unwrap_or(self.config.request_timeout))
    }

    /// Queues a message under the next id, or returns why not.
    fn call(&mut self, call: Call) {
        let Call { ticket, awaits, reserved, room, message, expires } = call;
        let (waiting, _) = self.outgoing.counts();
        let failure = if self.is_closed() {
            Failure::Closed
        } else if reserved {
            Failure::ReservedType
        } else if self.is_too_big(message.len()) {
            Failure::TooBig
        } else if waiting >= self.config.buffer && !self.may_transmit() {
            Failure::BufferFull
        } else {
            let (number, stage, repeated) = (self.ids.take(), Stage::Waiting, false);
            let entry = Entry { number, ticket, awaits, room, repeated, stage, expires, message };
            self.outgoing.entries.push_back(entry);
            return self.transmit_waiting();
        };
        self.queue.settle(ticket, Err(failure));
    }

    fn is_too_big(&self, bytes: usize) -> bool {
        self.max_message_bytes.is_some_and(|limit| bytes > limit)
    }

    fn may_transmit(&self) -> bool {
        self.is_open()
            && self.outgoing.limited_until.is_none()
            && self.outgoing.in_flight() < self.config.max_in_flight
    }

    /// Transmits the queue, as far as the limits allow.
    pub(super) fn transmit_waiting(&mut self) {
        while self.may_transmit() {
            let at = self.outgoing.in_flight();
            let Some(entry) = self.outgoing.entries.get_mut(at) else { return };
            entry.stage = Stage::Transmitted;
            self.queue.push(MachineAction::Transmit(entry.message.clone()));
        }
    }

    /// On a new connection: first the messages that the last one left unanswered.
    pub(super) fn transmit_again(&mut self) {
        for entry in &mut self.outgoing.entries {
            if entry.stage != Stage::Waiting {
                entry.stage = Stage::Transmitted;
                entry.repeated = true;
                self.queue.push(MachineAction::Transmit(entry.message.clone()));
            }
        }
        self.transmit_waiting();
    }

    /// Retries messages that exceeded the rate, once their second is over.
    pub(super) fn transmit_limited(&mut self) {
        if self.outgoing.limited_until.is_none_or(|until| until > self.now) {
            return;
        }
        self.outgoing.limited_until = None;
        for entry in &mut self.outgoing.entries {
            if entry.stage == Stage::Limited {
                entry.stage = Stage::Transmitted;
                self.queue.push(MachineAction::Transmit(entry.message.clone()));
            }
        }
    }

    /// Handles an `error` for exceeding the rate. Returns whether the message is kept.
    pub(super) fn limited(&mut self, number: u64) -> bool {
        let Some(at) = self.outgoing.find(number) else { return false };
        let entry = &mut self.outgoing.entries[at];
        if entry.awaits != Awaits::Ack {
            return false;
        }
        entry.stage = Stage::Limited;
        self.outgoing.limited_until.get_or_insert(self.now + LIMITED_FOR);
        true
    }

    /// Sets the limit, which has become known or has changed.
    pub(super) fn refuse_too_big(&mut self) {
        if let Some(limit) = self.max_message_bytes {
            let too_big = |entry: &Entry| entry.message.len() > limit;
            self.outgoing.settle_where(&mut self.queue, &Failure::TooBig, too_big);
        }
    }

    pub(super) fn expire_requests(&mut self) {
        let now = self.now;
        let is_over = |entry: &Entry| entry.expires.is_some_and(|expires| expires <= now);
        self.outgoing.settle_where(&mut self.queue, &Failure::Timeout, is_over);
    }

    pub(super) fn cancel(&mut self, ticket: Ticket) {
        let found = self.outgoing.entries.iter().position(|entry| entry.ticket == ticket);
        if let Some(at) = found {
            self.outgoing.entries.remove(at);
            self.transmit_waiting();
        } else {
            self.cancel_in_rooms(ticket);
        }
    }

    pub(super) fn reply(&mut self, id: &MessageId, result: Result<&Json, &ReplyError>) {
        if !self.is_open() {
            return;
        }
        let mut reply = Outbound::reply(id, result.map_err(|it| (&*it.code, &*it.message)));
        if self.is_too_big(reply.len()) {
            reply = Outbound::reply(id, Err(("too_big", "the answer is too big")));
        }
        self.queue.push(MachineAction::Transmit(reply));
    }
}
