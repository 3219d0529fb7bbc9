//! Messages from clients, and the rate limits on them.
//!
//! Changes: connections, queue, rooms, stats.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::hub::action::{Outcome, Output};
use crate::hub::class::Publishers;
use crate::hub::config::Rate;
use crate::protocol::close::CloseReason;
use crate::protocol::from_client::{Inbound, Request};
use crate::protocol::id::ConnectionId;
use crate::protocol::name::{Kind, MessageId, RoomName, UserName};
use crate::protocol::payload::Payload;
use crate::protocol::position::Position;
use crate::protocol::refusal::{ErrorCode, Refusal};
use crate::protocol::to_client::Message;

use super::Hub;
use super::deduplication::Known;
use super::lookup::{not_a_member, not_open, reserved};
use super::publishing::Draft;
use super::tables::connection::{Connection, Seat};

/// Bytes, and names, of an answer that count as one message more.
const BYTES_PER_MESSAGE: usize = 16 * 1024;
const NAMES_PER_MESSAGE: usize = 100;

impl Hub {
    pub(super) fn received(&mut self, id: ConnectionId, bytes: usize, inbound: Inbound) {
        let Some(connection) = self.connections.get_mut(id).filter(|c| c.is_open()) else {
            return self.stale(id);
        };
        self.stats.messages_in += 1;
        self.stats.bytes_in = self.stats.bytes_in.saturating_add(bytes as u64);
        // A pong is a sign of life only if it answers a ping; that is checked below.
        if !matches!(inbound, Inbound::HealthPong { .. }) {
            connection.last_seen = self.now;
        }
        if !matches!(inbound, Inbound::HealthPong { .. } | Inbound::HealthPing { .. }) {
            connection.last_message = self.now;
        }
        let limit = self.config.limits.max_message_bytes;
        if bytes > limit {
            self.close(id, CloseReason::TooBig(limit));
            return;
        }
        if !self.within_rate(id, bytes, messages_in(&inbound)) {
            if self.strike(id) {
                let refusal = Refusal::new(ErrorCode::RateLimited, "too many messages, slow down");
                self.refuse(id, message_id(&inbound), refusal);
            }
            return;
        }
        self.inbound(id, inbound);
    }

    /// Handles a ping from the peer. It is a sign of life, and it counts against the rate, because
    /// answering a flood of pings is work.
    pub(super) fn alive(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(id).filter(|c| c.is_open()) else {
            return self.stale(id);
        };
        connection.last_seen = now;
        self.count_frame(id);
    }

    /// Counts a frame that is answered by no message, such as a pong that answers nothing.
    pub(super) fn count_frame(&mut self, id: ConnectionId) {
        let is_open = self.connections.get(id).is_some_and(Connection::is_open);
        if is_open && !self.within_rate(id, 0, 1) {
            self.strike(id);
        }
    }

    /// Takes messages and bytes from the rates of the connection and its payer: all or nothing.
    fn within_rate(&mut self, id: ConnectionId, bytes: usize, messages: usize) -> bool {
        let (now, limits) = (self.now, &self.config.limits);
        let Some(connection) = self.connections.get_mut(id) else { return false };
        let before = (connection.messages, connection.bytes);
        if before.0.is_full(now) && before.1.is_full(now) {
            connection.strikes = 0;
        }
        let rate = limits.messages;
        let fits = connection.messages.take(now, rate.within_burst(messages), rate)
            && connection.bytes.take(now, bytes, limits.bytes)
            && self.account_takes(id, messages);
        if !fits && let Some(connection) = self.connections.get_mut(id) {
            (connection.messages, connection.bytes) = before;
        }
        fits
    }

    /// Counts a message over the rate, and closes the connection after too many. Returns whether
    /// the connection stays open.
    fn strike(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get_mut(id) else { return false };
        connection.strikes += 1;
        if connection.strikes > self.config.limits.rate_limit_strikes {
            self.close(id, CloseReason::RateLimited);
            return false;
        }
        true
    }

    fn inbound(&mut self, from: ConnectionId, inbound: Inbound) {
        match inbound {
            Inbound::Join { id, room, since } => {
                match self.join_by_wish(from, id.clone(), &room, since) {
                    Ok(_) => self.release_paced(from),
                    Err(refusal) => self.refuse(from, id, refusal),
                }
            }
            Inbound::Resume { id, rooms } => self.resume(from, id, rooms),
            Inbound::Leave { id, room } => {
                let result = self.place_of(from, room);
                match result.and_then(|(room, _)| self.leave(from, &room).map(|_| room)) {
                    Ok(room) => {
                        self.send(from, Message::Left { id, room });
                    }
                    Err(refusal) => self.refuse(from, id, refusal),
                }
            }
            Inbound::Members { id, room } => match self.members(from, room) {
                Ok((room, mut members)) => {
                    let total = members.len();
                    members.truncate(self.config.limits.members_listed);
                    let names = members.len();
                    let answer = Message::Members { id: id.clone(), room, members, total };
                    self.answer_with(from, id, answer, names / NAMES_PER_MESSAGE);
                }
                Err(refusal) => self.refuse(from, id, refusal),
            },
            Inbound::History { id, room, since, limit } => {
                match self.history(from, id.clone(), room, since, limit) {
                    Ok(history) => self.answer_with(from, id, history, 0),
                    Err(refusal) => self.refuse(from, id, refusal),
                }
            }
            Inbound::Direct { id, to, kind, payload } => {
                self.direct_from(from, id, &to, kind, payload);
            }
            Inbound::Reply { id, result } => self.replied(from, id, result),
            Inbound::HealthPing { timestamp } => {
                self.send(from, Message::HealthPong { timestamp });
            }
            Inbound::HealthPong { nonce } => {
                self.pong(from, nonce);
            }
            Inbound::Application(request) => self.request(from, request),
            Inbound::Raw(frame) => self.queue.tell(Output::Raw { connection: from, frame }),
            Inbound::Malformed { id, refusal } => self.refuse(from, id, refusal),
        }
    }

    /// Handles a message of the application's protocol: passes it to the handler, or publishes it.
    fn request(&mut self, from: ConnectionId, request: Request) {
        if request.kind.is_reserved() {
            return self.refuse(from, request.id, reserved(&request.kind));
        }
        let id = request.id.clone();
        let known = id.as_ref().map(|id| {
            self.known(id, (&request.kind, &request.room, &request.key), &request.payload)
        });
        if known.as_ref().is_some_and(|known| self.answer_again(from, known)) {
            return;
        }
        if self.config.handled.contains(&request.kind) {
            if let Some(user) = self.user_of(from) {
                self.queue.tell(Output::Request { connection: from, user, request });
            }
            if let Some(known) = known {
                self.remember_pending(from, known);
            }
            return;
        }
        match self.publish_from(from, request) {
            Ok(Outcome::Published { position, .. }) => {
                self.acknowledge(from, id, known, position);
            }
            Ok(_) => self.acknowledge(from, id, known, None),
            Err(refusal) => self.refuse(from, id, refusal),
        }
    }

    /// Sends an answer that can be large, and charges for what it is more than a message.
    fn answer_with(
        &mut self,
        to: ConnectionId,
        id: Option<MessageId>,
        answer: Message,
        messages: usize,
    ) {
        let bytes = answer.cost_bytes();
        if !self.may_get(to, bytes) {
            let refusal = Refusal::new(ErrorCode::RateLimited, "too large answers, slow down");
            return self.refuse(to, id, refusal);
        }
        self.charge(to, messages.max(bytes / BYTES_PER_MESSAGE));
        self.send(to, answer);
    }

    fn direct_from(
        &mut self,
        from: ConnectionId,
        id: Option<MessageId>,
        to: &UserName,
        kind: Option<Kind>,
        payload: Payload,
    ) {
        let known = id.as_ref().map(|id| self.known(id, (to, &kind), &payload));
        if known.as_ref().is_some_and(|known| self.answer_again(from, known)) {
            return;
        }
        let sender = self.user_of(from);
        match self.direct(to, sender, kind, id.clone(), payload) {
            Ok(_) => self.acknowledge(from, id, known, None),
            Err(refusal) => self.refuse(from, id, refusal),
        }
    }

    /// Joins a room because the client asks to, if it is open to it, or if the application has put
    /// it there.
    fn join_by_wish(
        &mut self,
        from: ConnectionId,
        id: Option<MessageId>,
        room: &RoomName,
        since: Option<Position>,
    ) -> Result<Outcome, Refusal> {
        let Some(connection) = self.connections.get(from) else {
            return Err(self.no_such_connection(from));
        };
        let seat = self.rooms.find(room).and_then(|key| connection.slot_of(key));
        let is_in = seat.is_some_and(|slot| connection.memberships[slot].seat != Seat::HELD);
        if !is_in && !self.is_open_to(connection.is_operator, room) {
            return Err(not_open());
        }
        if since.is_some() {
            self.may_get_replay(from, room, is_in)?;
        }
        self.join(from, id, room, since)
    }

    /// What a client missed is not refused, only paced. A member that asks again is refused while it
    /// gets that, and while it had more than its rate; so is a client that waits for more replays
    /// than it can be in rooms.
    fn may_get_replay(
        &mut self,
        from: ConnectionId,
        room: &RoomName,
        is_in: bool,
    ) -> Result<(), Refusal> {
        let outbox = self.connections.get(from).and_then(|c| c.outbox.as_ref());
        let (waiting, of_this) = outbox.map_or((0, false), |it| it.waiting_replays(room));
        let limit = self.config.limits.max_rooms_per_connection;
        let again = is_in && (of_this || self.may_get_more_at(from) > self.now);
        if again || limit.is_exceeded_by(waiting + 1) {
            let message = "too many replays, slow down";
            return Err(Refusal::new(ErrorCode::RateLimited, message));
        }
        Ok(())
    }

    /// Handles `join` for several rooms; each room gets its own answer.
    fn resume(
        &mut self,
        from: ConnectionId,
        id: Option<MessageId>,
        rooms: Vec<(RoomName, Option<Position>)>,
    ) {
        if self.config.limits.max_rooms_per_connection.is_exceeded_by(rooms.len()) {
            let message =
                alloc::format!("{} rooms are more than one connection may join", rooms.len());
            return self.refuse(from, id, Refusal::new(ErrorCode::TooManyRooms, message));
        }
        let names: BTreeSet<&RoomName> = rooms.iter().map(|(room, _)| room).collect();
        if names.len() < rooms.len() {
            return self.refuse(from, id, Refusal::field("rooms", "names a room twice"));
        }
        for (room, since) in rooms {
            if let Err(refusal) = self.join_by_wish(from, None, &room, since) {
                self.refuse_room(from, None, Some(room), refusal);
            }
            // The outbox is half full, so send part of it now.
            let waiting = self.connections.get(from).and_then(|c| c.outbox.as_ref());
            if waiting.is_some_and(|outbox| outbox.len() * 2 > self.config.limits.outbox_messages) {
                self.release_paced(from);
            }
        }
        if let Some(id) = id {
            self.send(from, Message::Ack { id, position: None });
        }
        self.release_paced(from);
    }

    fn publish_from(&mut self, from: ConnectionId, request: Request) -> Result<Outcome, Refusal> {
        let (room, key) = self.place_of(from, request.room)?;
        let class = self.rules_of(&room, key);
        let is_member = || {
            let connection = self.connections.get(from)?;
            let slot = connection.slot_of(key?)?;
            // A client that waits for the room's state has already joined, as far as it knows.
            Some(()).filter(|()| connection.memberships[slot].seat != Seat::HELD)
        };
        match class.publish {
            Publishers::Server => {
                let message = alloc::format!("only the server publishes in {room:?}");
                return Err(Refusal::new(ErrorCode::Forbidden, message));
            }
            Publishers::Members if is_member().is_none() => return Err(not_a_member(&room)),
            Publishers::Members | Publishers::Anyone => {}
        }
        let except = (!class.echo).then_some(from);
        let rate = Rate::per_second(class.messages_per_second);
        if let Some(key) = key.filter(|_| rate != Rate::NONE)
            && !self.rooms.get_mut(key).messages.take(self.now, 1, rate)
        {
            let message = alloc::format!("too many messages in {room:?}, slow down");
            return Err(Refusal::new(ErrorCode::RateLimited, message));
        }
        let draft = Draft {
            kind: request.kind,
            from: self.user_of(from),
            id: request.id,
            key: request.key,
            payload: request.payload,
        };
        Ok(self.publish(&room, key, draft, except))
    }

    fn members(
        &self,
        from: ConnectionId,
        room: Option<RoomName>,
    ) -> Result<(RoomName, Vec<UserName>), Refusal> {
        let (room, key) = self.own_room(from, room)?;
        Ok((room, self.users_in(key)))
    }

    fn acknowledge(
        &mut self,
        to: ConnectionId,
        id: Option<MessageId>,
        known: Option<Known>,
        position: Option<Position>,
    ) {
        let ack = id.map(|id| Message::Ack { id, position });
        if let Some((ack, known)) = ack.zip(known) {
            self.remember_answered(to, known, ack.clone());
            self.send(to, ack);
        }
    }
}

fn message_id(inbound: &Inbound) -> Option<MessageId> {
    match inbound {
        Inbound::Join { id, .. }
        | Inbound::Resume { id, .. }
        | Inbound::History { id, .. }
        | Inbound::Leave { id, .. }
        | Inbound::Members { id, .. }
        | Inbound::Direct { id, .. }
        | Inbound::Malformed { id, .. } => id.clone(),
        Inbound::Application(request) => request.id.clone(),
        Inbound::Reply { id, .. } => Some(id.clone()),
        Inbound::HealthPing { .. } | Inbound::HealthPong { .. } | Inbound::Raw(_) => None,
    }
}

/// Returns how many messages it counts as: a request for several rooms is one for each.
fn messages_in(inbound: &Inbound) -> usize {
    if let Inbound::Resume { rooms, .. } = inbound { rooms.len().max(1) } else { 1 }
}
