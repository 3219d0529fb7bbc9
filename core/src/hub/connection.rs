//! Connections and their phases.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use slab::Slab;

use crate::close::CloseReason;
use crate::id::ConnectionId;
use crate::time::Timestamp;

use super::outbox::Outbox;
use super::rate::Bucket;
use super::room::RoomKey;
use super::user::UserKey;

/// Where a connection is in its life: reserved, open, closing, and then gone.
#[derive(Debug)]
pub(crate) enum Phase {
    /// Admitted; the upgrade is not complete. It has its seats and gets nothing yet.
    Reserved,
    /// It sends and gets messages.
    Open,
    /// It gets what was accepted for it, and then a close frame. It is in no room, and holds only its seat on the
    /// server.
    Closing(Box<Closing>),
}

/// What a closing connection waits for.
#[derive(Debug)]
pub(crate) struct Closing {
    pub(crate) reason: CloseReason,
    /// When the hub stops waiting.
    pub(crate) until: Timestamp,
}

/// A seat in a room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Membership {
    pub(crate) room: RoomKey,
    /// Where in the room's members; meaningless while the seat is only reserved.
    pub(crate) at: u32,
}

/// A ping that is out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ping {
    pub(crate) nonce: u64,
    pub(crate) sent: Timestamp,
    /// When the first of those was sent that have had no answer since the last sign of life.
    pub(crate) asking_since: Timestamp,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) user: UserKey,
    /// Where in the user's connections.
    pub(crate) user_at: u32,
    pub(crate) phase: Phase,
    pub(crate) memberships: Vec<Membership>,
    /// When it was admitted; from [`Phase::Open`] on, when it was opened.
    pub(crate) since: Timestamp,
    pub(crate) last_seen: Timestamp,
    pub(crate) last_message: Timestamp,
    pub(crate) next_ping: Timestamp,
    pub(crate) ping: Option<Ping>,
    pub(crate) last_nonce: u64,
    pub(crate) latency_micros: Option<NonZeroU32>,
    /// Probes that wait for an answer of this connection.
    pub(crate) probes: u32,
    pub(crate) messages: Bucket,
    pub(crate) bytes: Bucket,
    pub(crate) strikes: u32,
    /// There while it is blocked.
    pub(crate) outbox: Option<Box<Outbox>>,
    /// The entry in [`Deadlines`](super::deadlines::Deadlines); [`Timestamp::MAX`] is none.
    pub(crate) armed: Timestamp,
}

impl Connection {
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    pub(crate) fn is_reserved(&self) -> bool {
        matches!(self.phase, Phase::Reserved)
    }

    pub(crate) fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing(_))
    }

    /// Which of its memberships is that of this room.
    pub(crate) fn slot_of(&self, room: RoomKey) -> Option<usize> {
        self.memberships.iter().position(|membership| membership.room == room)
    }
}

/// Connections by id. A slot is used again; a generation never is, until 4.29 billion have passed.
#[derive(Debug)]
pub(crate) struct Connections {
    table: Slab<Connection>,
    next_generation: NonZeroU32,
}

impl Connections {
    pub(crate) fn new() -> Self {
        Self { table: Slab::new(), next_generation: NonZeroU32::MIN }
    }

    pub(crate) fn insert(&mut self, user: UserKey, now: Timestamp) -> ConnectionId {
        let generation = self.next_generation;
        self.next_generation = generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        let entry = self.table.vacant_entry();
        let id = ConnectionId::from_parts(entry.key() as u32, generation);
        entry.insert(Connection {
            id,
            user,
            user_at: 0,
            phase: Phase::Reserved,
            memberships: Vec::new(),
            since: now,
            last_seen: now,
            last_message: now,
            next_ping: Timestamp::MAX,
            ping: None,
            last_nonce: 0,
            latency_micros: None,
            probes: 0,
            messages: Bucket::default(),
            bytes: Bucket::default(),
            strikes: 0,
            outbox: None,
            armed: Timestamp::MAX,
        });
        id
    }

    /// The connection, unless it is gone.
    pub(crate) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.table.get(id.index()).filter(|connection| connection.id == id)
    }

    /// The connection, unless it is gone.
    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.table.get_mut(id.index()).filter(|connection| connection.id == id)
    }

    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        self.get(id)?;
        self.table.try_remove(id.index())
    }

    /// All, reserved and closing ones too.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// The connections of the slots from `start` on.
    pub(crate) fn slots_from(&self, start: usize) -> impl Iterator<Item = &Connection> {
        (start..self.table.capacity()).filter_map(|index| self.table.get(index))
    }
}
