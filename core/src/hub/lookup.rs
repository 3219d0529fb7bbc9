//! Lookups for the rules: the class of a room, the connections of a user, the room that a message
//! means; and the refusals for what is not found.
//!
//! Changes: stats.

use alloc::vec::Vec;

use crate::protocol::id::ConnectionId;
use crate::protocol::name::{RoomName, UserName};
use crate::protocol::position::Session;
use crate::protocol::refusal::{ErrorCode, Refusal};

use super::Hub;
use super::class::RoomClass;
use super::keys::RoomKey;

impl Hub {
    pub(super) fn class_of(&self, name: &str) -> u16 {
        let found = self.classes.iter().position(|(prefix, _)| name.starts_with(prefix.as_str()));
        found.unwrap_or(self.classes.len() - 1) as u16
    }

    /// Returns the rules of a room, whether or not it exists yet.
    pub(super) fn rules_of(&self, name: &str, key: Option<RoomKey>) -> &RoomClass {
        self.class(key.map_or_else(|| self.class_of(name), |key| self.rooms.get(key).class))
    }

    /// Returns whether clients may enter a room by themselves.
    pub(super) fn is_open_to(&self, is_operator: bool, room: &RoomName) -> bool {
        self.rules_of(room, self.rooms.find(room)).is_open_to(is_operator)
    }

    pub(super) fn class(&self, index: u16) -> &RoomClass {
        &self.classes[usize::from(index)].1
    }

    /// Returns the time in milliseconds since the Unix epoch.
    pub(super) fn unix_ms(&self) -> u64 {
        self.wall_clock.unix_ms_at(self.now)
    }

    /// Iterates over the user's reserved and open connections.
    pub(super) fn connections_of(&self, user: &str) -> Vec<ConnectionId> {
        let key = self.users.find(user);
        key.map_or_else(Vec::new, |key| self.users.get(key).connections.to_vec())
    }

    pub(super) fn user_of(&self, id: ConnectionId) -> Option<UserName> {
        self.connections.get(id).map(|connection| self.users.name(connection.user))
    }

    /// Returns the user's connection of this session, if it still has seats.
    ///
    /// # Cost
    /// Linear in the user's connections.
    pub(super) fn predecessor(&self, user: &str, session: Session) -> Option<ConnectionId> {
        let connections = &self.users.get(self.users.find(user)?).connections;
        let is_it = |id: &&ConnectionId| {
            self.connections.get(**id).is_some_and(|connection| connection.session == session)
        };
        connections.iter().find(is_it).copied()
    }

    /// Returns the names of the users in a room, sorted, including users in their grace period.
    pub(super) fn users_in(&self, key: RoomKey) -> Vec<UserName> {
        let room = self.rooms.get(key);
        let members = room.members.iter().filter_map(|&id| self.connections.get(id));
        let mut keys: Vec<_> = members.map(|connection| connection.user).collect();
        // With presence, these also include users whose seats are held and users in their grace
        // period.
        keys.extend(room.presence.sorted());
        keys.sort_unstable();
        keys.dedup();
        let mut names: Vec<_> = keys.into_iter().map(|key| self.users.name(key)).collect();
        names.sort_unstable();
        names
    }

    /// Returns the named room, or the connection's only one; the connection must have a seat in it.
    pub(super) fn own_room(
        &self,
        from: ConnectionId,
        room: Option<RoomName>,
    ) -> Result<(RoomName, RoomKey), Refusal> {
        let (room, key) = self.place_of(from, room)?;
        let key = key.filter(|&key| {
            self.connections.get(from).is_some_and(|connection| connection.slot_of(key).is_some())
        });
        let key = key.ok_or_else(|| not_a_member(&room))?;
        Ok((room, key))
    }

    /// Returns the named room, or the connection's only one, and its key if the room exists.
    pub(super) fn place_of(
        &self,
        id: ConnectionId,
        room: Option<RoomName>,
    ) -> Result<(RoomName, Option<RoomKey>), Refusal> {
        let memberships = self.connections.get(id).map_or(&[][..], |c| &c.memberships);
        let name = |key: RoomKey| &self.rooms.get(key).name;
        if let Some(room) = room {
            // A client in one room probably means that one, and its name is stored next to what is
            // needed after this.
            let only = memberships.first().filter(|_| memberships.len() == 1);
            let only = only.map(|only| only.room).filter(|&only| *name(only) == room);
            let key = only.or_else(|| self.rooms.find(&room));
            return Ok((room, key));
        }
        match memberships {
            [only] => Ok((name(only.room).clone(), Some(only.room))),
            several => Err(Refusal {
                code: ErrorCode::RoomRequired,
                message: alloc::format!(
                    "`room` is needed: the connection is in {} rooms",
                    several.len()
                )
                .into(),
                field: Some("room".into()),
            }),
        }
    }

    /// Counts an event for a connection that no longer exists.
    pub(super) fn stale(&mut self, id: ConnectionId) {
        if self.connections.get(id).is_none() {
            self.stats.stale_events += 1;
        }
    }

    pub(super) fn no_such_connection(&mut self, id: ConnectionId) -> Refusal {
        self.stale(id);
        Refusal::new(ErrorCode::NoSuchConnection, "the connection is gone")
    }
}

/// The refusal of a room that is for operators.
pub(super) fn not_open() -> Refusal {
    Refusal::new(ErrorCode::Forbidden, "the room is not open to this client")
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

pub(super) fn reserved(kind: &str) -> Refusal {
    let message = alloc::format!("the type {kind:?} belongs to the protocol");
    Refusal::new(ErrorCode::ReservedType, message)
}
