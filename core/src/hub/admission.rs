//! Admission: checks the limits and takes the seats in one step, so that nothing can happen in
//! between.
//!
//! Changes: connections, queue, random, rooms, stats, users.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::hub::action::{Notice, Operation};
use crate::hub::config::UserLimitPolicy;
use crate::hub::event::{Attempt, Ticket};
use crate::protocol::close::{CloseReason, Ending, Rejection};
use crate::protocol::id::ConnectionId;
use crate::protocol::name::RoomName;
use crate::protocol::position::Session;
use crate::protocol::refusal::{ErrorCode, Refusal};
use crate::protocol::to_client::{Message, Welcome};

use super::Hub;
use super::keys::RoomKey;
use super::lookup::not_open;
use super::presence::Exit;
use super::tables::connection::{AtOpening, Connection, Membership, Memberships, Phase, Seat};

/// Rooms of a handshake, without an allocation for the usual number of rooms.
type Few<T> = SmallVec<[T; 2]>;

/// What a connection that is about to be admitted finds at a room.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    Open,
    Full,
    Forbidden,
}

impl Hub {
    pub(super) fn connect(&mut self, ticket: Ticket, mut attempt: Attempt) {
        if attempt.rooms.len() > 1 {
            attempt.rooms.sort_by(|(a, _), (b, _)| a.cmp(b));
            attempt.rooms.dedup_by(|(later, _), (first, _)| later == first);
        }
        if !attempt.wished.is_empty() {
            attempt.wished.retain(|wished| attempt.rooms.iter().all(|(room, _)| room != wished));
            attempt.wished.sort();
            attempt.wished.dedup();
        }
        match self.admit(attempt) {
            Ok(connection) => {
                self.stats.accepted += 1;
                self.queue.push(Operation::Accept { ticket, connection });
            }
            Err(rejection) => {
                self.stats.rejected[rejection.index()] += 1;
                self.queue.push(Operation::Reject { ticket, rejection });
            }
        }
    }

    /// Takes a seat on the server, in each room and for the user: all of them or none, except for
    /// the rooms that are only wished. The seats of a connection that this one ends, because it has
    /// the same session or is replaced, count as free.
    fn admit(&mut self, mut attempt: Attempt) -> Result<ConnectionId, Rejection> {
        let Attempt { user, rooms, wished, session, .. } = &attempt;
        if let Some(drain) = &self.drain {
            let spread = drain.spread;
            return Err(Rejection::Draining { retry_after: self.random.up_to(spread) });
        }
        let limits = &self.config.limits;
        if limits.max_rooms_per_connection.is_exceeded_by(rooms.len() + wished.len()) {
            return Err(Rejection::TooManyRooms);
        }
        let predecessor = session.and_then(|session| self.predecessor(user, session));
        let key = self.users.find(user);
        let connections = key.map_or(&[][..], |key| &self.users.get(key).connections[..]);
        let user_is_full =
            predecessor.is_none() && limits.max_per_user.is_exceeded_by(connections.len() + 1);
        let evictee = match limits.user_limit_policy {
            UserLimitPolicy::ReplaceOldest if user_is_full => self.oldest(connections),
            UserLimitPolicy::ReplaceOldest | UserLimitPolicy::Reject => None,
        };
        let ends = predecessor.or(evictee);
        let seats = self.connections.len() + 1;
        if limits.max_connections.is_exceeded_by(seats - usize::from(ends.is_some())) {
            return Err(Rejection::ServerFull);
        }
        let mut full = None;
        for (room, _) in rooms {
            match self.entry(room, attempt.is_operator, ends) {
                Entry::Open => {}
                Entry::Full => full = full.or(Some(room)),
                Entry::Forbidden => return Err(Rejection::Forbidden(room.clone())),
            }
        }
        if let Some(room) = full {
            return Err(Rejection::LobbyFull(room.clone()));
        }
        if user_is_full && evictee.is_none() {
            return Err(Rejection::UserLimit);
        }
        let is_full = limits.max_connections.is_exceeded_by(seats);
        let refused = self.grant_wishes(&mut attempt, ends);
        let mut present = Vec::new();
        if let Some(predecessor) = predecessor {
            present = self.hand_over(predecessor);
        } else if let Some(evictee) = evictee {
            self.close(evictee, CloseReason::Replaced);
        }
        // A closing connection still holds its seat on the server. If that was the last free one,
        // this connection cannot wait for it.
        if let Some(ends) = ends.filter(|id| is_full && self.connections.get(*id).is_some()) {
            self.end(ends, Ending::Closed(CloseReason::Replaced));
        }
        Ok(self.reserve(attempt, refused, present))
    }

    /// Moves the wished rooms that have a seat to the others, and returns the rest.
    fn grant_wishes(&self, attempt: &mut Attempt, ends: Option<ConnectionId>) -> Vec<RoomName> {
        if attempt.wished.is_empty() {
            return Vec::new();
        }
        let wished = core::mem::take(&mut attempt.wished).into_iter();
        let (granted, refused): (Vec<_>, Vec<_>) =
            wished.partition(|room| self.entry(room, attempt.is_operator, ends) == Entry::Open);
        attempt.rooms.extend(granted.into_iter().map(|room| (room, None)));
        attempt.rooms.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        refused
    }

    /// Returns whether a connection may enter a room, and whether that has a seat for it. It ends
    /// another one.
    fn entry(&self, room: &RoomName, is_operator: bool, ends: Option<ConnectionId>) -> Entry {
        let key = self.rooms.find(room);
        let rules = self.rules_of(room, key);
        if !rules.is_open_to(is_operator) {
            return Entry::Forbidden;
        }
        let taken = key.map_or(0, |key| self.rooms.get(key).seats());
        let leaves = ends
            .and_then(|id| self.connections.get(id))
            .zip(key)
            .is_some_and(|(connection, key)| connection.slot_of(key).is_some());
        if rules.max_members.is_exceeded_by(taken + 1 - usize::from(leaves)) {
            Entry::Full
        } else {
            Entry::Open
        }
    }

    /// Returns the connection to replace when a user has too many: the oldest, but closing and held
    /// ones first.
    fn oldest(&self, connections: &[ConnectionId]) -> Option<ConnectionId> {
        let is_there = |id: ConnectionId| {
            self.connections.get(id).is_some_and(|c| c.is_open() || c.is_reserved())
        };
        connections.iter().copied().min_by_key(|&id| (is_there(id), id.generation()))
    }

    /// Frees every seat of a connection except the one on the server, and closes it. Returns the
    /// rooms in which its user still counts as present; its seats there are freed, and the caller
    /// has to drop the rooms that are empty.
    fn hand_over(&mut self, id: ConnectionId) -> Vec<RoomKey> {
        let (mut present, mut absent) = (Vec::new(), Vec::new());
        while let Some((key, _, seat)) = self.vacate_last(id) {
            if seat.is_present() { &mut present } else { &mut absent }.push(key);
        }
        for key in absent {
            self.drop_room_if_empty(key);
        }
        if self.connections.get(id).is_some_and(Connection::is_held) {
            self.end(id, Ending::Closed(CloseReason::Replaced));
        } else {
            self.close(id, CloseReason::Replaced);
        }
        present
    }

    fn reserve(
        &mut self,
        attempt: Attempt,
        refused: Vec<RoomName>,
        mut present: Vec<RoomKey>,
    ) -> ConnectionId {
        let (user, payer) = self.refer(&attempt);
        let Attempt { rooms, session, address, is_operator, .. } = attempt;
        let mut memberships = Memberships::with_capacity(rooms.len() + present.len());
        let mut since = Vec::new();
        for (name, position) in &rooms {
            let position = *position;
            let room = self.find_or_make_room(name);
            self.rooms.take_seat(room);
            let at = present.iter().position(|&key| key == room);
            let present = at.map(|at| present.swap_remove(at)).is_some();
            memberships.push(Membership { room, seat: Seat::reserved(present) });
            since.extend(position.map(|position| (room, position)));
        }
        // Seats in its other rooms are held until it joins them, unless it is in too many rooms.
        for room in present {
            if self.config.limits.max_rooms_per_connection.is_exceeded_by(memberships.len() + 1) {
                self.user_exits(room, user, Exit::Lost);
                self.drop_room_if_empty(room);
            } else {
                self.rooms.take_seat(room);
                memberships.push(Membership { room, seat: Seat::HELD });
            }
        }
        let session =
            session.unwrap_or_else(|| Session::new(self.random.disguise(self.stats.accepted)));
        let is_plain = since.is_empty() && refused.is_empty();
        let at_opening = (!is_plain).then(|| Box::new(AtOpening { since, refused }));
        let id = self.connections.insert(user, session, Phase::Reserved(at_opening), self.now);
        let connections = &mut self.users.get_mut(user).connections;
        let user_at = connections.len() as u32;
        connections.push(id);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.user_at = user_at;
            connection.address = address;
            connection.is_operator = is_operator;
            connection.payer = payer;
            connection.memberships = memberships;
        }
        self.stats.reserved += 1;
        self.rearm(id);
        id
    }

    /// Completes the upgrade: reserved seats become memberships, and the client is told its rooms.
    pub(super) fn opened(&mut self, id: ConnectionId) {
        if self.connections.get(id).is_none_or(|connection| !connection.is_reserved()) {
            return self.stale(id);
        }
        let first_ping = self.first_ping_at();
        let (now, unix_ms) = (self.now, self.unix_ms());
        let Some(connection) = self.connections.get_mut(id) else { return };
        let phase = core::mem::replace(&mut connection.phase, Phase::Open);
        let at_opening = if let Phase::Reserved(at_opening) = phase { at_opening } else { None };
        connection.since = now;
        connection.last_seen = now;
        connection.last_message = now;
        connection.next_ping = first_ping;
        let (key, session, address) = (connection.user, connection.session, connection.address);
        let is_operator = connection.is_operator;
        let seats = connection.memberships.iter().map(|membership| membership.room);
        let (held, entered): (Few<_>, Few<_>) = seats
            .enumerate()
            .partition(|&(slot, _)| connection.memberships[slot].seat == Seat::HELD);
        self.stats.reserved -= 1;
        self.stats.connections += 1;
        self.rearm(id);

        let AtOpening { since, refused } = at_opening.map_or_else(AtOpening::default, |it| *it);
        let since =
            |room| since.iter().find(|(key, _)| *key == room).map(|(_, position)| *position);
        let starts =
            entered.into_iter().map(|(slot, room)| (slot, room, self.start(room, since(room))));
        let (waiting, entered): (Few<_>, Few<_>) =
            starts.partition(|&(_, room, start)| self.waits_for_state(room, start).is_some());
        let name = |room: RoomKey| self.rooms.get(room).name.clone();
        let user = self.users.name(key);
        let welcome = Welcome {
            client: id,
            user: user.clone(),
            session,
            held: held.iter().map(|&(_, room)| name(room)).collect(),
            rooms: entered
                .iter()
                .map(|&(_, room, start)| (name(room), self.beginning(room, start)))
                .collect(),
            terms: self.config.terms(),
            unix_ms,
        };
        self.send_now(id, Message::Connected(Arc::new(welcome)));
        self.notice(Notice::Opened { connection: id, user, address });
        for (slot, room, start) in entered {
            self.enter(id, slot, room);
            self.follow(id, room, start);
        }
        for (_, room, start) in waiting {
            if let Some(reason) = self.waits_for_state(room, start) {
                self.await_state(id, room, None, reason);
            }
        }
        if !held.is_empty() {
            self.await_claims(id);
        }
        for room in refused {
            let refusal = if self.is_open_to(is_operator, &room) {
                Refusal::new(ErrorCode::LobbyFull, "the room is full")
            } else {
                not_open()
            };
            self.refuse_room(id, None, Some(room), refusal);
        }
        self.release_paced(id);
        if self.drain.is_some() {
            self.send_away(id);
        }
    }
}
