//! Joining, leaving, publishing, and who is there.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::hub::action::Outcome;
use crate::hub::class::Overflow;
use crate::protocol::id::ConnectionId;
use crate::protocol::name::{ConflationKey, Kind, MessageId, RoomName, UserName};
use crate::protocol::payload::Payload;
use crate::protocol::position::{Beginning, Epoch, Position};
use crate::protocol::refusal::{ErrorCode, Refusal};
use crate::protocol::to_client::{Direct, Message, Publication};

use super::Hub;
use super::keys::RoomKey;
use super::presence::Exit;
use super::tables::connection::{Membership, Seat};

/// A publication before it has a number.
pub(super) struct Draft {
    pub(super) kind: Kind,
    pub(super) from: Option<UserName>,
    pub(super) id: Option<MessageId>,
    pub(super) key: Option<ConflationKey>,
    pub(super) payload: Payload,
}

impl Hub {
    pub(super) fn find_or_make_room(&mut self, name: &RoomName) -> RoomKey {
        self.rooms.find(name).unwrap_or_else(|| self.make_room(name))
    }

    /// Makes a room that is not there.
    fn make_room(&mut self, name: &RoomName) -> RoomKey {
        let class = self.class_of(name);
        let number = self.random.next();
        let epoch = Epoch(self.random.disguise(number));
        self.rooms.insert(name, class, epoch)
    }

    /// Enters a room, and tells the connection where its stream begins and what it missed. That may take until the
    /// application has given the room's state.
    pub(super) fn join(
        &mut self,
        id: ConnectionId,
        request: Option<MessageId>,
        name: &RoomName,
        since: Option<Position>,
    ) -> Result<Outcome, Refusal> {
        let Some(connection) = self.connections.get(id).filter(|c| c.is_open()) else {
            return Err(self.no_such_connection(id));
        };
        let key = self.rooms.find(name);
        let seat = key.and_then(|key| Some((key, connection.slot_of(key)?)));
        let (key, slot) = match seat {
            Some((key, slot)) if connection.memberships[slot].seat != Seat::HELD => {
                if connection.memberships[slot].seat.at().is_none() {
                    let position = self.rooms.get(key).position();
                    self.await_state_too(id, key, request)?;
                    return Ok(Outcome::Joined(position));
                }
                // Only who says where it has been changes anything: its stream begins there once more.
                let start = self.start(key, since);
                let beginning = self.beginning(key, start);
                self.tell_joined(id, request, key, beginning);
                self.follow(id, key, start);
                return Ok(Outcome::Joined(beginning.position));
            }
            Some(held) => held,
            None => self.take_seat(id, name, key)?,
        };
        let start = self.start(key, since);
        let beginning = self.beginning(key, start);
        if let Some(reason) = self.waits_for_state(key, start) {
            if let Some(connection) = self.connections.get_mut(id) {
                let seat = &mut connection.memberships[slot].seat;
                *seat = Seat::reserved(seat.is_present());
            }
            self.await_state(id, key, request, reason);
        } else {
            self.enter(id, slot, key);
            self.tell_joined(id, request, key, beginning);
            self.follow(id, key, start);
        }
        Ok(Outcome::Joined(beginning.position))
    }

    /// Takes a seat for an open connection, if there is one.
    fn take_seat(
        &mut self,
        id: ConnectionId,
        name: &RoomName,
        key: Option<RoomKey>,
    ) -> Result<(RoomKey, usize), Refusal> {
        let slot = self.connections.get(id).map_or(0, |connection| connection.memberships.len());
        let limit = self.config.limits.max_rooms_per_connection;
        if limit.is_exceeded_by(slot + 1) {
            return Err(Refusal::new(
                ErrorCode::TooManyRooms,
                alloc::format!("the connection is in {slot} rooms, which is as many as it may be"),
            ));
        }
        let seats = key.map_or(0, |key| self.rooms.get(key).seats());
        if self.rules_of(name, key).max_members.is_exceeded_by(seats + 1) {
            return Err(Refusal::new(
                ErrorCode::LobbyFull,
                alloc::format!("the room is full: {seats} of {seats} seats are taken"),
            ));
        }
        let key = key.unwrap_or_else(|| self.make_room(name));
        self.rooms.take_seat(key);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.memberships.push(Membership { room: key, seat: Seat::RESERVED });
        }
        Ok((key, slot))
    }

    pub(super) fn leave(&mut self, id: ConnectionId, name: &RoomName) -> Result<Outcome, Refusal> {
        let Some(connection) = self.connections.get(id).filter(|c| c.is_open()) else {
            return Err(self.no_such_connection(id));
        };
        let key = self.rooms.find(name);
        let seat = key.and_then(|key| Some((key, connection.slot_of(key)?)));
        let (key, slot) = seat.ok_or_else(|| not_a_member(name))?;
        let unanswered = self.await_no_more(id, key);
        self.exit(id, slot, Exit::Left);
        // What a `resume` asked has no id, but its room.
        if unanswered.as_ref().is_some_and(Vec::is_empty) {
            self.refuse_room(id, None, Some(name.clone()), not_a_member(name));
        }
        for request in unanswered.unwrap_or_default() {
            self.refuse(id, Some(request), not_a_member(name));
        }
        Ok(Outcome::Left)
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

    /// Gives a publication its number, keeps it and sends it to the members: the one place where numbers are given.
    pub(super) fn publish(
        &mut self,
        name: &RoomName,
        found: Option<RoomKey>,
        draft: Draft,
        except: Option<ConnectionId>,
    ) -> Outcome {
        if found.is_none() && !self.keeps_without_anybody(name) {
            return Outcome::Published { position: None, recipients: 0 };
        }
        let key = found.unwrap_or_else(|| self.make_room(name));
        let unix_ms = self.unix_ms();
        let room = self.rooms.get_mut(key);
        room.offset += 1;
        let position = room.position();
        let Draft { kind, from, id, key: conflation, payload } = draft;
        let publication = Arc::new(Publication {
            room: room.name.clone(),
            position,
            kind,
            from,
            id,
            key: conflation,
            unix_ms,
            payload,
        });
        self.stats.published += 1;
        let excluded = except.and_then(|id| self.connections.get(id));
        let excluded = excluded.map(|c| (self.users.name(c.user), c.session));
        // The client may have come back by now: then it is the new connection that does not get it.
        let except = excluded.as_ref().and_then(|(user, session)| self.predecessor(user, *session));
        self.keep(key, &publication, excluded);
        let recipients = self.fan_out(key, except, Message::Publication(publication));
        if found.is_none() {
            self.make_idle(key);
        }
        Outcome::Published { position: Some(position), recipients }
    }

    /// Whether a publication into a room that nobody is in is for those who will come.
    fn keeps_without_anybody(&self, name: &str) -> bool {
        self.rules_of(name, None).history.is_kept() && self.config.recovery.max_kept_rooms > 0
    }

    /// Sends to all members of a room but one. Answers how many get it, at once or once they read again.
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

    pub(super) fn direct(
        &mut self,
        to: &UserName,
        from: Option<UserName>,
        kind: Option<Kind>,
        id: Option<MessageId>,
        payload: Payload,
    ) -> Result<Outcome, Refusal> {
        let direct = Arc::new(Direct { kind, from, id, unix_ms: self.unix_ms(), payload });
        let mut sent = 0;
        for connection in self.connections_of(to) {
            sent += usize::from(self.send(connection, Message::Direct(direct.clone())));
        }
        if sent == 0 {
            return Err(user_offline(to));
        }
        Ok(Outcome::Sent(sent))
    }

    /// The user's reserved and open connections.
    pub(super) fn connections_of(&self, user: &str) -> Vec<ConnectionId> {
        let key = self.users.find(user);
        key.map_or_else(Vec::new, |key| self.users.get(key).connections.to_vec())
    }

    /// Names of the users in a room, sorted; users that are away for a moment are still there.
    pub(super) fn users_in(&self, key: RoomKey) -> Vec<UserName> {
        let room = self.rooms.get(key);
        let members = room.members.iter().filter_map(|&id| self.connections.get(id));
        let mut keys: Vec<_> = members.map(|connection| connection.user).collect();
        // With presence, those are there too whose seats are held, or who are away for a moment.
        keys.extend(room.presence.sorted());
        keys.sort_unstable();
        keys.dedup();
        let mut names: Vec<_> = keys.into_iter().map(|key| self.users.name(key)).collect();
        names.sort_unstable();
        names
    }
}

pub(super) fn not_a_member(room: &str) -> Refusal {
    Refusal::new(
        ErrorCode::NotAMember,
        alloc::format!("the connection is not in the room {room:?}"),
    )
}

pub(super) fn user_offline(user: &str) -> Refusal {
    Refusal::new(ErrorCode::UserOffline, alloc::format!("the user {user:?} has no connection"))
}
