//! Recovery: where a returning member's stream continues, what it missed, and the application's
//! state for a room that does not keep enough.
//!
//! Changes: connections, deadlines, next_question, queue, rooms, stats.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::hub::action::{Outcome, Output};
use crate::hub::event::Ticket;
use crate::protocol::id::ConnectionId;
use crate::protocol::name::{MessageId, RoomName};
use crate::protocol::payload::Payload;
use crate::protocol::position::{Beginning, Broken, Position};
use crate::protocol::refusal::{ErrorCode, Refusal};
use crate::protocol::to_client::Message;

use super::Hub;
use super::keys::RoomKey;
use super::tables::deadlines::Timer;
use super::tables::room::{Question, Waiting};

/// Where a member's stream begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Start {
    /// With the next publication; the client has not been here before.
    Live,
    /// Right after its last position: everything that it missed is kept.
    After(Position),
    /// With the next publication; some of what it missed is lost.
    Broken(Broken),
}

impl Hub {
    /// Returns where the stream of a client at position `since` can continue: with everything that
    /// it missed, or with none of it.
    pub(super) fn start(&self, key: RoomKey, since: Option<Position>) -> Start {
        let room = self.rooms.get(key);
        let Some(since) = since else { return Start::Live };
        if since.epoch != room.epoch {
            Start::Broken(Broken::UnknownEpoch)
        } else if since.offset > room.offset {
            Start::Broken(Broken::UnknownPosition)
        } else if since.offset == room.offset
            || room.kept.first().is_some_and(|first| first <= since.offset + 1)
        {
            Start::After(since)
        } else {
            Start::Broken(Broken::TooOld)
        }
    }

    /// Returns what a member is told about where its stream begins.
    pub(super) fn beginning(&self, key: RoomKey, start: Start) -> Beginning {
        let position = self.rooms.get(key).position();
        match start {
            Start::Live => Beginning { position, recovered: None },
            Start::After(since) => Beginning { position: since, recovered: Some(true) },
            Start::Broken(_) => Beginning { position, recovered: Some(false) },
        }
    }

    /// Returns whether, and why, the member has to wait for the application to give the room's
    /// state.
    pub(super) fn waits_for_state(&self, key: RoomKey, start: Start) -> Option<Broken> {
        match start {
            Start::Broken(reason)
                if self.class(self.rooms.get(key).class).provides_state && self.drain.is_none() =>
            {
                Some(reason)
            }
            Start::Broken(_) | Start::Live | Start::After(_) => None,
        }
    }

    pub(super) fn tell_joined(
        &mut self,
        id: ConnectionId,
        request: Option<MessageId>,
        key: RoomKey,
        beginning: Beginning,
    ) {
        let room = self.rooms.get(key);
        let presence = &room.presence;
        let members =
            self.class(room.class).presence.then(|| presence.users.len() + presence.absent.len());
        let room = room.name.clone();
        self.send(id, Message::Joined { id: request, room, beginning, members });
    }

    /// Sends what comes after `joined`: the replay, or `refresh`.
    pub(super) fn follow(&mut self, id: ConnectionId, key: RoomKey, start: Start) {
        match start {
            Start::Live => {}
            Start::After(since) => self.replay(id, key, since.offset),
            Start::Broken(reason) => {
                let room = self.rooms.get(key);
                let (room, position) = (room.name.clone(), room.position());
                self.stats.refreshed += 1;
                self.send(id, Message::Refresh { room, reason, position, payload: None });
            }
        }
    }

    /// Queues everything that the room keeps after this number for a member. Later publications
    /// queue behind it.
    fn replay(&mut self, id: ConnectionId, key: RoomKey, after: u64) {
        let room = self.rooms.get(key);
        let (name, last) = (room.name.clone(), room.position());
        if after >= last.offset {
            return;
        }
        let overflow = self.class(room.class).overflow;
        self.pace(id);
        if let Some(outbox) = self.connections.get_mut(id).and_then(|c| c.outbox.as_mut()) {
            outbox.push_replay(name, after + 1, last, overflow);
        }
    }

    /// Makes a member wait until the application has given the room's state. Members that join
    /// meanwhile get the same answer.
    pub(super) fn await_state(
        &mut self,
        connection: ConnectionId,
        key: RoomKey,
        request: Option<MessageId>,
        reason: Broken,
    ) {
        let deadline = self.now + self.config.limits.state_timeout;
        let waiting = Waiting { connection, requests: Vec::from_iter(request), reason };
        let room = self.rooms.get_mut(key);
        if let Some(question) = &mut room.question {
            question.waiting.push(waiting);
            return;
        }
        let ticket = Ticket(self.next_question);
        self.next_question += 1;
        let position = room.position();
        let waiting = alloc::vec![waiting];
        room.question = Some(Box::new(Question { ticket, deadline, position, waiting }));
        let room = room.name.clone();
        self.deadlines.arm(deadline, Timer::State(key));
        self.queue.tell(Output::StateWanted { ticket, room });
    }

    /// Handles a join by a member that already waits for the room's state.
    pub(super) fn await_state_too(
        &mut self,
        connection: ConnectionId,
        key: RoomKey,
        request: Option<MessageId>,
    ) -> Result<(), Refusal> {
        let most = self.config.limits.outbox_messages;
        let question = self.rooms.get_mut(key).question.as_mut();
        let mut waiting = question.into_iter().flat_map(|question| &mut question.waiting);
        let Some((it, id)) = waiting.find(|it| it.connection == connection).zip(request) else {
            return Ok(());
        };
        if it.requests.len() >= most {
            let message = "the state of this room was requested too often";
            return Err(Refusal::new(ErrorCode::RateLimited, message));
        }
        it.requests.push(id);
        Ok(())
    }

    /// Stops waiting for the room's state when a member leaves. Returns the ids of its requests
    /// that are still unanswered.
    pub(super) fn await_no_more(
        &mut self,
        id: ConnectionId,
        key: RoomKey,
    ) -> Option<Vec<MessageId>> {
        let question = self.rooms.get_mut(key).question.as_mut()?;
        let at = question.waiting.iter().position(|it| it.connection == id)?;
        Some(question.waiting.remove(at).requests)
    }

    /// Handles the room's state, given by the application.
    pub(super) fn state(
        &mut self,
        ticket: Ticket,
        name: &RoomName,
        payload: Option<Payload>,
    ) -> Result<Outcome, Refusal> {
        let key = self.rooms.find(name).filter(|&key| {
            self.rooms.get(key).question.as_ref().is_some_and(|asked| asked.ticket == ticket)
        });
        let key = key.ok_or_else(|| {
            Refusal::new(ErrorCode::NoSuchRequest, "the state of this room is not wanted any more")
        })?;
        Ok(Outcome::Refreshed(self.answer_question(key, payload)))
    }

    /// Tells the members to fetch the state themselves, as the application did not answer in time.
    pub(super) fn state_overdue(&mut self, key: RoomKey) {
        self.answer_question(key, None);
    }

    fn answer_question(&mut self, key: RoomKey, payload: Option<Payload>) -> usize {
        let Some(question) = self.forget_question(key) else { return 0 };
        let room = self.rooms.get(key);
        // What was published since the question follows the answer. If that is no longer kept, the
        // answer is useless.
        let is_whole = self.start(key, Some(question.position)) == Start::After(question.position);
        let payload = payload.filter(|_| is_whole);
        let position = if payload.is_some() { question.position } else { room.position() };
        let name = room.name.clone();
        let mut refreshed = 0;
        for Waiting { connection: id, requests, reason } in question.waiting {
            let Some(connection) = self.connections.get(id).filter(|c| c.is_open()) else {
                continue;
            };
            let Some(slot) = connection.slot_of(key) else { continue };
            if !connection.memberships[slot].seat.is_reserved() {
                continue;
            }
            refreshed += 1;
            self.stats.refreshed += 1;
            self.enter(id, slot, key);
            let beginning = Beginning { position, recovered: Some(false) };
            if requests.is_empty() {
                self.tell_joined(id, None, key, beginning);
            }
            for request in requests {
                self.tell_joined(id, Some(request), key, beginning);
            }
            let (room, payload) = (name.clone(), payload.clone());
            self.send(id, Message::Refresh { room, reason, position, payload });
            self.replay(id, key, position.offset);
            self.release_paced(id);
        }
        let bounds = self.bounds(key);
        let now = self.now;
        self.change_kept(key, |kept| kept.trim(bounds, now));
        refreshed
    }

    /// Answers a `history` request.
    pub(super) fn history(
        &self,
        from: ConnectionId,
        id: Option<MessageId>,
        room: Option<RoomName>,
        since: Option<Position>,
        limit: Option<usize>,
    ) -> Result<Message, Refusal> {
        let (room, key) = self.own_room(from, room)?;
        let most = self.config.limits.history_listed;
        let limit = limit.map_or(most, |limit| limit.min(most));
        let there = self.rooms.get(key);
        let first = there.kept.first().unwrap_or(there.offset + 1);
        let from = match (since, self.start(key, since)) {
            (Some(since), Start::After(_)) => since.offset + 1,
            (_, Start::Live) => first.max((there.offset + 1).saturating_sub(limit as u64)),
            (_, Start::Broken(_) | Start::After(_)) => {
                let message = "the room does not keep everything after this position";
                let field = Some("since".into());
                return Err(Refusal { field, ..Refusal::new(ErrorCode::UnknownPosition, message) });
            }
        };
        let (mut events, mut bytes) = (Vec::new(), 0);
        let past = (from..=there.offset).take(limit).map_while(|offset| there.kept.get(offset));
        for past in past {
            bytes += past.cost_bytes();
            // At least one, so that a client that asks for the rest makes progress.
            if bytes > self.config.limits.outlet_high_water && !events.is_empty() {
                break;
            }
            events.push(past.publication(&room, there.position()));
        }
        let more = from + (events.len() as u64) <= there.offset;
        Ok(Message::History { id, room, events, position: there.position(), more })
    }
}
