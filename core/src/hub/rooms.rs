//! Joining, leaving, publishing, and who is there.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::action::Outcome;
use crate::config::Overflow;
use crate::id::ConnectionId;
use crate::message::{Direct, Epoch, ErrorCode, Message, Payload, Publication, Refusal};
use crate::name::{ConflationKey, Kind, MessageId, RoomName, UserName};

use super::Hub;
use super::connection::Membership;
use super::presence::Exit;
use super::room::RoomKey;

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
        match self.rooms.find(name) {
            Some(key) => key,
            None => {
                let class = self.class_of(name);
                let epoch = Epoch(self.random.next());
                self.rooms.insert(name, class, epoch)
            }
        }
    }

    pub(super) fn join(&mut self, id: ConnectionId, name: &RoomName) -> Result<Outcome, Refusal> {
        let Some(connection) = self.connections.get(id).filter(|c| c.is_open()) else {
            return Err(self.no_such_connection(id));
        };
        let key = self.rooms.find(name);
        if let Some(key) = key.filter(|&key| connection.slot_of(key).is_some()) {
            return Ok(Outcome::Joined(self.rooms.get(key).position()));
        }
        let slot = connection.memberships.len();
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
        let key = self.find_or_make_room(name);
        let position = self.rooms.get(key).position();
        if let Some(connection) = self.connections.get_mut(id) {
            connection.memberships.push(Membership { room: key, at: u32::MAX });
        }
        self.enter(id, slot, key);
        Ok(Outcome::Joined(position))
    }

    pub(super) fn leave(&mut self, id: ConnectionId, name: &RoomName) -> Result<Outcome, Refusal> {
        let Some(connection) = self.connections.get(id).filter(|c| c.is_open()) else {
            return Err(self.no_such_connection(id));
        };
        let slot = self.rooms.find(name).and_then(|key| connection.slot_of(key));
        let slot = slot.ok_or_else(|| not_a_member(name))?;
        self.exit(id, slot, Exit::Left);
        Ok(Outcome::Left)
    }

    pub(super) fn tell_joined(
        &mut self,
        id: ConnectionId,
        request: Option<MessageId>,
        name: &RoomName,
    ) {
        let Some(key) = self.rooms.find(name) else { return };
        let room = self.rooms.get(key);
        let presence = &room.presence;
        let members =
            self.class(room.class).presence.then(|| presence.users.len() + presence.absent.len());
        let joined =
            Message::Joined { id: request, room: name.clone(), position: room.position(), members };
        self.send(id, joined);
    }

    /// Gives a publication its number and sends it to the members: the one place where numbers are given.
    pub(super) fn publish(
        &mut self,
        name: &RoomName,
        draft: Draft,
        except: Option<ConnectionId>,
    ) -> Outcome {
        let Some(key) = self.rooms.find(name) else {
            return Outcome::Published { position: None, recipients: 0 };
        };
        let unix_ms = self.unix_ms();
        let room = self.rooms.get_mut(key);
        room.offset += 1;
        let position = room.position();
        let Draft { kind, from, id, key: conflation, payload } = draft;
        let publication = Publication {
            room: room.name.clone(),
            position,
            kind,
            from,
            id,
            key: conflation,
            unix_ms,
            payload,
        };
        self.stats.published += 1;
        let recipients = self.fan_out(key, except, Message::Publication(Arc::new(publication)));
        Outcome::Published { position: Some(position), recipients }
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
            .and_then(|connection| {
                Some(connection.memberships[connection.slot_of(key)?].at as usize)
            })
            .filter(|&at| at < room.members.len());
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
        let mut waiting = Vec::with_capacity(room.blocked);
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
        key.map_or_else(Vec::new, |key| self.users.get(key).connections.clone())
    }

    /// Names of the users in a room, sorted; users that are away for a moment are still there.
    pub(super) fn users_in(&self, key: RoomKey) -> Vec<UserName> {
        let room = self.rooms.get(key);
        let members = room.members.iter().filter_map(|&id| self.connections.get(id));
        let mut keys: Vec<_> = members.map(|connection| connection.user).collect();
        keys.extend(room.presence.absent.keys());
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
