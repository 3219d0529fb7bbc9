//! Rooms and who is in them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use hashbrown::HashMap;
use slab::Slab;

use crate::id::ConnectionId;
use crate::message::{Epoch, Position};
use crate::name::RoomName;
use crate::random::Keyed;
use crate::time::Timestamp;

use super::user::UserKey;

/// A room's place in the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct RoomKey(u32);

/// A room. It exists while somebody is in it or has a seat in it.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) name: RoomName,
    /// Index of its class.
    pub(crate) class: u16,
    /// The members, densely, so that a broadcast copies them in one go.
    pub(crate) members: Vec<ConnectionId>,
    /// For each member, which of its memberships this one is: the way back, for constant-time leaving.
    pub(crate) slots: Vec<u16>,
    /// Seats of handshakes in flight.
    pub(crate) reserved: usize,
    /// Members whose socket takes no more. While it is 0, a broadcast looks at nobody.
    pub(crate) blocked: usize,
    /// Users, where the class keeps presence.
    pub(crate) presence: Presence,
    pub(crate) epoch: Epoch,
    /// The number of the last publication.
    pub(crate) offset: u64,
}

/// Which users are in a room, by how many connections, and which are away for a moment.
#[derive(Debug)]
pub(crate) struct Presence {
    pub(crate) users: HashMap<UserKey, u32, Keyed>,
    /// Users whose last connection was lost, until when they may come back unnoticed.
    pub(crate) absent: BTreeMap<UserKey, Timestamp>,
}

impl Room {
    pub(crate) fn position(&self) -> Position {
        Position { epoch: self.epoch, offset: self.offset }
    }

    /// Taken seats.
    pub(crate) fn seats(&self) -> usize {
        self.members.len() + self.reserved
    }
}

/// Rooms by key and by name.
#[derive(Debug)]
pub(crate) struct Rooms {
    table: Slab<Room>,
    names: HashMap<RoomName, RoomKey, Keyed>,
    keyed: Keyed,
}

impl Rooms {
    pub(crate) fn new(keyed: Keyed) -> Self {
        Self { table: Slab::new(), names: HashMap::with_hasher(keyed.clone()), keyed }
    }

    pub(crate) fn find(&self, name: &str) -> Option<RoomKey> {
        self.names.get(name).copied()
    }

    pub(crate) fn get(&self, key: RoomKey) -> &Room {
        &self.table[key.0 as usize]
    }

    pub(crate) fn get_mut(&mut self, key: RoomKey) -> &mut Room {
        &mut self.table[key.0 as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn insert(&mut self, name: &RoomName, class: u16, epoch: Epoch) -> RoomKey {
        let room = Room {
            name: name.clone(),
            class,
            members: Vec::new(),
            slots: Vec::new(),
            reserved: 0,
            blocked: 0,
            presence: Presence {
                users: HashMap::with_hasher(self.keyed.clone()),
                absent: BTreeMap::new(),
            },
            epoch,
            offset: 0,
        };
        let key = RoomKey(self.table.insert(room) as u32);
        self.names.insert(name.clone(), key);
        key
    }

    pub(crate) fn remove(&mut self, key: RoomKey) {
        let room = self.table.remove(key.0 as usize);
        self.names.remove(&room.name);
    }
}
