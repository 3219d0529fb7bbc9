//! Handles the server's messages.

use crate::protocol::codec::Outbound;
use crate::protocol::name::MessageId;
use crate::protocol::refusal::ErrorCode;
use crate::protocol::server_message::{Delivery, Refused, ServerMessage};

use super::Machine;
use super::action::{Accepted, Failure, Joined, MachineAction, Members, RoomHistory, Settled};
use super::connection::Phase;
use super::outgoing::{Awaits, Entry};

impl Machine {
    pub(super) fn received(&mut self, message: ServerMessage) {
        if message == ServerMessage::Unreadable {
            self.stats.unreadable += 1;
        }
        self.alive();
        match (self.phase, message) {
            (Phase::Dialling { .. }, ServerMessage::Connected(greeting)) => {
                self.connected(greeting);
            }
            (Phase::Open { .. }, message) => self.heard(message),
            (
                Phase::Idle
                | Phase::Token { .. }
                | Phase::Dialling { .. }
                | Phase::Waiting { .. }
                | Phase::Closed,
                _,
            ) => self.stats.strangers += 1,
        }
    }

    fn heard(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::Joined { id, room, position, recovered } => {
                let joined = Joined { position, recovered };
                match self.own(id.as_ref()) {
                    Ok(number) => self.joined(number, room, joined),
                    Err(Stranger) => self.stats.strangers += 1,
                }
            }
            ServerMessage::Left { id, room } => match self.own(id.as_ref()) {
                Ok(number) => self.left(number, room),
                Err(Stranger) => self.stats.strangers += 1,
            },
            ServerMessage::Members { id, members, total } => {
                self.answered(id.as_ref(), &[Awaits::Members], |_, _| {
                    Ok(Settled::Members(Members { users: members, total }))
                });
            }
            ServerMessage::History { id, events, position, more } => {
                self.answered(id.as_ref(), &[Awaits::History], |_, _| {
                    Ok(Settled::History(RoomHistory { events, position, more }))
                });
            }
            ServerMessage::Ack { id, event_id, payload } => {
                let by = [Awaits::Ack, Awaits::Reply];
                self.answered(Some(&id), &by, |client, entry| {
                    if let (Some(room), Some(position), false) =
                        (&entry.room, event_id, entry.repeated)
                    {
                        client.rooms.acknowledged(room, position);
                    }
                    Ok(Settled::Accepted(Accepted { event_id, payload }))
                });
            }
            ServerMessage::Error { id, room, refused } => match self.own(id.as_ref()) {
                Ok(number) => {
                    if !self.not_joined(number, room.as_ref(), &refused) {
                        self.failed(id.as_ref(), number, refused);
                    }
                }
                Err(Stranger) => self.stats.strangers += 1,
            },
            ServerMessage::HealthPing { timestamp } => {
                self.queue.push(MachineAction::Transmit(Outbound::health_pong(&timestamp)));
            }
            ServerMessage::Request { id, method, payload } => {
                self.queue.push(MachineAction::Requested { id, method, payload });
            }
            ServerMessage::Draining { retry_after } => self.backoff.say(Some(retry_after)),
            ServerMessage::Delivery(delivery) => self.delivered(delivery),
            ServerMessage::Connected(_) => self.stats.strangers += 1,
            ServerMessage::HealthPong | ServerMessage::Unreadable => {}
        }
    }

    /// The number of an id, if it has one.
    fn own(&self, id: Option<&MessageId>) -> Result<Option<u64>, Stranger> {
        id.map(|id| self.ids.number(id).ok_or(Stranger)).transpose()
    }

    fn answered(
        &mut self,
        id: Option<&MessageId>,
        by: &[Awaits],
        result: impl FnOnce(&mut Self, &Entry) -> Result<Settled, Failure>,
    ) {
        let number = id.and_then(|id| self.ids.number(id));
        let Some(entry) = number.and_then(|number| self.outgoing.answered(number, by)) else {
            self.stats.strangers += 1;
            return;
        };
        let result = result(self, &entry);
        self.queue.settle(entry.ticket, result);
        self.transmit_waiting();
    }

    /// Handles an `error` that does not answer a `join`.
    fn failed(&mut self, id: Option<&MessageId>, number: Option<u64>, refused: Refused) {
        let Some(number) = number else {
            self.stats.strangers += 1;
            return;
        };
        if &*refused.code == ErrorCode::RateLimited.as_str() && self.limited(number) {
            return;
        }
        let failure = Failure::Refused(refused);
        if self.leave_answered(number, &Err(failure.clone())) {
            return;
        }
        let all = [Awaits::Ack, Awaits::Reply, Awaits::Members, Awaits::History];
        self.answered(id, &all, |_, _| Err(failure));
    }

    fn delivered(&mut self, delivery: Delivery) {
        let is_wanted = match &delivery {
            Delivery::Publication(publication) => {
                match self.rooms.published(&publication.room, publication.position) {
                    Some(false) => {
                        self.stats.repeated += 1;
                        return;
                    }
                    Some(true) => true,
                    None => false,
                }
            }
            Delivery::Gap { room, position, .. } => self.rooms.published(room, *position).is_some(),
            Delivery::Refresh { room, position, .. } if self.rooms.is_in(room) => {
                self.rooms.refreshed(room, *position);
                true
            }
            Delivery::MemberJoined { room, .. }
            | Delivery::MemberLeft { room, .. }
            | Delivery::Refresh { room, .. } => self.rooms.is_in(room),
            Delivery::Direct(_) => true,
        };
        if is_wanted {
            self.queue.push(MachineAction::Deliver(delivery));
        } else {
            self.stats.strangers += 1;
        }
    }
}

/// An id that this client did not give out.
struct Stranger;
