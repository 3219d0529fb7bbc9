//! Rooms and who is in them.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use hashbrown::HashMap;
use slab::Slab;

use crate::id::ConnectionId;
use crate::name::{RoomName, UserName};
use crate::position::{Epoch, Position, Session};
use crate::random::Keyed;
use crate::time::Timestamp;

use super::history::Kept;
use super::outbox::{Found, Replay};
use super::recovery::Question;
use super::user::UserKey;

/// A room's place in the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct RoomKey(u32);

/// A room. It exists while somebody is in it or has a seat in it, and longer if its class keeps history.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) name: RoomName,
    /// Index of its class.
    pub(crate) class: u16,
    /// The members, densely, so that a broadcast copies them in one go.
    pub(crate) members: Vec<ConnectionId>,
    /// For each member, which of its memberships this one is: the way back, for constant-time leaving.
    pub(crate) slots: Vec<u16>,
    /// Seats of those who are no members (yet).
    pub(crate) reserved: usize,
    /// Members whose socket takes no more. While it is 0, a broadcast looks at nobody.
    pub(crate) blocked: usize,
    /// Users, where the class keeps presence.
    pub(crate) presence: Presence,
    pub(crate) epoch: Epoch,
    /// The number of the last publication.
    pub(crate) offset: u64,
    /// The last publications.
    pub(crate) kept: Kept,
    /// Since when nobody has been in it.
    pub(crate) idle_since: Option<Timestamp>,
    /// What the application has been asked about it.
    pub(crate) question: Option<Box<Question>>,
    /// The entry in [`Deadlines`](super::deadlines::Deadlines); [`Timestamp::MAX`] is none.
    pub(crate) armed: Timestamp,
}

/// Which users are in a room, by how many connections, and which are away for a moment.
#[derive(Debug)]
pub(crate) struct Presence {
    pub(crate) users: HashMap<UserKey, u32, Keyed>,
    /// Users whose last connection was lost, until when they may come back unnoticed.
    pub(crate) absent: BTreeMap<UserKey, Timestamp>,
}

impl Presence {
    /// All users, those included that are away for a moment, in the order of their keys.
    pub(crate) fn sorted(&self) -> Vec<UserKey> {
        let mut users: Vec<_> = self.users.keys().chain(self.absent.keys()).copied().collect();
        users.sort_unstable();
        users
    }
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
    /// Those that nobody is in, by when that began.
    pub(crate) idle: BTreeSet<(Timestamp, RoomKey)>,
    keyed: Keyed,
}

impl Rooms {
    pub(crate) fn new(keyed: Keyed) -> Self {
        let names = HashMap::with_hasher(keyed.clone());
        Self { table: Slab::new(), names, idle: BTreeSet::new(), keyed }
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
            kept: Kept::default(),
            idle_since: None,
            question: None,
            armed: Timestamp::MAX,
        };
        let key = RoomKey(self.table.insert(room) as u32);
        self.names.insert(name.clone(), key);
        key
    }

    /// Looks for the next publication of a replay.
    pub(crate) fn find_past(&self, replay: &Replay, user: &UserName, session: Session) -> Found {
        let Replay { next, last, .. } = *replay;
        let room = self.find(&replay.room).map(|key| self.get(key));
        let Some(room) = room.filter(|room| room.epoch == last.epoch) else {
            return Found::Lost(last.offset);
        };
        match room.kept.get(next) {
            Some(past) if past.is_not_for(user, session) => Found::Excluded,
            Some(past) => Found::Publication(past.publication.clone()),
            None => {
                let before = room.kept.first().map_or(last.offset, |first| first.max(next + 1) - 1);
                Found::Lost(before.min(last.offset))
            }
        }
    }

    /// A seat in this room is taken: whoever was thought to be gone, the room is in use again.
    pub(crate) fn take_seat(&mut self, key: RoomKey) {
        let room = &mut self.table[key.0 as usize];
        room.reserved += 1;
        if let Some(since) = room.idle_since.take() {
            self.idle.remove(&(since, key));
        }
    }

    pub(crate) fn remove(&mut self, key: RoomKey) {
        let room = self.table.remove(key.0 as usize);
        self.names.remove(&room.name);
        if let Some(since) = room.idle_since {
            self.idle.remove(&(since, key));
        }
    }
}
