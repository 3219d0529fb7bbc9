//! Rooms and their members.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::hub::event::Ticket;
use crate::hub::keys::{RoomKey, UserKey};
use crate::protocol::id::ConnectionId;
use crate::protocol::name::{MessageId, RoomName, UserName};
use crate::protocol::position::{Broken, Epoch, Position, Session};
use crate::random::Keyed;
use crate::time::Timestamp;

use super::history::Kept;
use super::names::Names;
use super::outbox::{Found, Replay};
use super::rate::Bucket;
use super::table::Table;
use super::user_counts::UserCounts;

/// A room. It exists while it has a member or a taken seat, and longer if its class keeps history.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Room {
    pub(crate) name: RoomName,
    /// The index of its class.
    pub(crate) class: u16,
    /// The members, densely, so that a broadcast copies them in one go.
    pub(crate) members: SmallVec<[ConnectionId; 2]>,
    /// For each member, the index of this room among its memberships, so that leaving takes
    /// constant time.
    pub(crate) slots: SmallVec<[u16; 8]>,
    /// Seats of connections that are not members, or not yet.
    pub(crate) reserved: u32,
    /// Members with an outbox. While it is 0, a broadcast does not look at any connection.
    pub(crate) blocked: u32,
    /// Users, where the class keeps presence.
    pub(crate) presence: Presence,
    pub(crate) epoch: Epoch,
    /// The number of the last publication.
    pub(crate) offset: u64,
    /// The publications that it keeps.
    pub(crate) kept: Kept,
    /// What clients may publish into it.
    pub(crate) messages: Bucket,
    /// When it became empty.
    pub(crate) idle_since: Option<Timestamp>,
    /// The request for its state that the application has not answered yet.
    pub(crate) question: Option<Box<Question>>,
    /// The entry in [`Deadlines`](super::deadlines::Deadlines); [`Timestamp::MAX`] means none.
    pub(crate) armed: Timestamp,
}

/// The users in a room, each with its number of connections, and those in their grace period.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Presence {
    pub(crate) users: UserCounts,
    /// Users whose last connection was lost, and until when they may return unnoticed.
    pub(crate) absent: BTreeMap<UserKey, Timestamp>,
}

/// A request to the application for a room's state.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Question {
    pub(crate) ticket: Ticket,
    pub(crate) deadline: Timestamp,
    /// The room's position at the time of the request: the answer covers at least everything up to
    /// it.
    pub(crate) position: Position,
    pub(crate) waiting: Vec<Waiting>,
}

/// A member that waits for the room's state.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Waiting {
    pub(crate) connection: ConnectionId,
    /// The ids of its requests that are still unanswered.
    pub(crate) requests: Vec<MessageId>,
    pub(crate) reason: Broken,
}

impl Presence {
    /// Iterates over all users, including those in their grace period, in the order of their keys.
    pub(crate) fn sorted(&self) -> Vec<UserKey> {
        let mut users: Vec<_> = self.absent.keys().copied().collect();
        self.users.add_to(&mut users);
        users.sort_unstable();
        users
    }
}

impl Room {
    pub(crate) fn position(&self) -> Position {
        Position { epoch: self.epoch, offset: self.offset }
    }

    /// Returns the number of seats taken.
    pub(crate) fn seats(&self) -> usize {
        self.members.len() + self.reserved as usize
    }
}

/// Rooms by key and by name.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Rooms {
    pub(crate) table: Table<Room>,
    names: Names,
    /// Empty rooms, by when they became empty.
    pub(crate) idle: BTreeSet<(Timestamp, RoomKey)>,
    keyed: Keyed,
}

impl Rooms {
    pub(crate) fn new(keyed: Keyed) -> Self {
        let names = Names::new(keyed.clone());
        Self { table: Table::new(), names, idle: BTreeSet::new(), keyed }
    }

    pub(crate) fn find(&self, name: &str) -> Option<RoomKey> {
        let has_name = |at| self.table.get(at).is_some_and(|room| &*room.name == name);
        self.names.find(name, has_name).map(RoomKey)
    }

    pub(crate) fn get(&self, key: RoomKey) -> &Room {
        &self.table[key.0]
    }

    pub(crate) fn get_mut(&mut self, key: RoomKey) -> &mut Room {
        &mut self.table[key.0]
    }

    /// Iterates over all rooms, in the order of their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (RoomKey, &Room)> {
        self.table.iter_from(0).map(|(at, room)| (RoomKey(at), room))
    }

    #[cfg(feature = "recording")]
    pub(crate) fn revive(&mut self) {
        for (at, room) in self.table.iter_from(0) {
            self.names.insert(&room.name, at);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn insert(&mut self, name: &RoomName, class: u16, epoch: Epoch) -> RoomKey {
        let room = Room {
            name: name.clone(),
            class,
            members: SmallVec::new(),
            slots: SmallVec::new(),
            reserved: 0,
            blocked: 0,
            presence: Presence { users: UserCounts::default(), absent: BTreeMap::new() },
            epoch,
            offset: 0,
            kept: Kept::default(),
            messages: Bucket::default(),
            idle_since: None,
            question: None,
            armed: Timestamp::MAX,
        };
        let at = self.table.insert(room);
        self.names.insert(name, at);
        RoomKey(at)
    }

    /// Looks up the next publication of a replay.
    pub(crate) fn find_past(&self, replay: &Replay, user: &UserName, session: Session) -> Found {
        let Replay { next, last, .. } = *replay;
        let room = self.find(&replay.room).map(|key| self.get(key));
        let Some(room) = room.filter(|room| room.epoch == last.epoch) else {
            return Found::Lost(last.offset);
        };
        match room.kept.get(next) {
            Some(past) if past.is_not_for(user, session) => Found::Excluded,
            Some(past) => Found::Publication(past.publication(&room.name, last)),
            None => {
                let before = room.kept.first().map_or(last.offset, |first| first.max(next + 1) - 1);
                Found::Lost(before.min(last.offset))
            }
        }
    }

    /// Counts a connection of this user in the room. Returns whether it is the user's first.
    pub(crate) fn count_user(&mut self, key: RoomKey, user: UserKey) -> bool {
        self.table[key.0].presence.users.add(user, &self.keyed)
    }

    /// Takes a seat in this room, which is no longer idle.
    pub(crate) fn take_seat(&mut self, key: RoomKey) {
        let room = &mut self.table[key.0];
        room.reserved += 1;
        if let Some(since) = room.idle_since.take() {
            self.idle.remove(&(since, key));
        }
    }

    pub(crate) fn remove(&mut self, key: RoomKey) {
        let Some(room) = self.table.remove(key.0) else { return };
        self.names.remove(&room.name, key.0);
        if let Some(since) = room.idle_since {
            self.idle.remove(&(since, key));
        }
    }
}
