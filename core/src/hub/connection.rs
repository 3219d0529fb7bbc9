//! Connections and their phases.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use slab::Slab;

use crate::close::CloseReason;
use crate::id::ConnectionId;
use crate::position::{Position, Session};
use crate::time::Timestamp;

use super::outbox::{Outbox, Until};
use super::rate::Bucket;
use super::room::RoomKey;
use super::user::UserKey;

/// Where a connection is in its life: reserved, open, closing, and then gone.
#[derive(Debug)]
pub(crate) enum Phase {
    /// Admitted; the upgrade is not complete. It has its seats and gets nothing yet. Here is where it has been in its rooms.
    Reserved(Option<Box<Since>>),
    /// It sends and gets messages.
    Open,
    /// It gets what was accepted for it, and then a close frame. It is in no room, and holds only its seat on the
    /// server.
    Closing(Box<Closing>),
    /// Lost, and its id with it; its seats are held for its session until this time.
    Held(Timestamp),
}

/// Positions that a connection came with.
pub(crate) type Since = Vec<(RoomKey, Position)>;

/// What a closing connection waits for.
#[derive(Debug)]
pub(crate) struct Closing {
    pub(crate) reason: CloseReason,
    /// When the hub stops waiting.
    pub(crate) until: Timestamp,
    /// Its seats are held for its session, if it comes back; it still counts among its user's connections.
    pub(crate) held: bool,
}

/// A seat in a room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Membership {
    pub(crate) room: RoomKey,
    pub(crate) seat: Seat,
}

/// What a seat in a room is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seat {
    /// The connection is a member as soon as it is open, or the application has given the room's state. `present`: for the
    /// others, its user is in the room already.
    Reserved { present: bool },
    /// It was a member before its session was lost. For the others, its user is still there; it has to join again.
    Held,
    /// It is a member.
    Member {
        /// Where in the room's members.
        at: u32,
    },
}

impl Seat {
    /// Whether, for the others, its user is in the room.
    pub(crate) fn is_present(self) -> bool {
        match self {
            Self::Reserved { present } => present,
            Self::Held | Self::Member { .. } => true,
        }
    }

    /// Where in the room's members.
    pub(crate) fn at(self) -> Option<usize> {
        if let Self::Member { at } = self { Some(at as usize) } else { None }
    }
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
    /// Which client it is, over all the connections that it has one after the other.
    pub(crate) session: Session,
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
    /// Requests to its client that wait for an answer.
    pub(crate) requests: u32,
    pub(crate) messages: Bucket,
    pub(crate) bytes: Bucket,
    pub(crate) strikes: u32,
    /// There while it is blocked, or gets what it missed piece by piece.
    pub(crate) outbox: Option<Box<Outbox>>,
    /// The entry in [`Deadlines`](super::deadlines::Deadlines); [`Timestamp::MAX`] is none.
    pub(crate) armed: Timestamp,
}

impl Connection {
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    pub(crate) fn is_reserved(&self) -> bool {
        matches!(self.phase, Phase::Reserved(_))
    }

    pub(crate) fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing(_))
    }

    pub(crate) fn is_held(&self) -> bool {
        matches!(self.phase, Phase::Held(_))
    }

    /// When the next piece of what it missed is to go out.
    pub(crate) fn next_piece(&self) -> Timestamp {
        match self.outbox.as_ref().map(|outbox| outbox.until) {
            Some(Until::NextPiece(at)) => at,
            Some(Until::Writable) | None => Timestamp::MAX,
        }
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

    pub(crate) fn insert(
        &mut self,
        user: UserKey,
        session: Session,
        phase: Phase,
        now: Timestamp,
    ) -> ConnectionId {
        let generation = self.next_generation;
        self.next_generation = generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        let entry = self.table.vacant_entry();
        let id = ConnectionId::from_parts(entry.key() as u32, generation);
        entry.insert(Connection {
            id,
            user,
            user_at: 0,
            session,
            phase,
            memberships: Vec::new(),
            since: now,
            last_seen: now,
            last_message: now,
            next_ping: Timestamp::MAX,
            ping: None,
            last_nonce: 0,
            latency_micros: None,
            probes: 0,
            requests: 0,
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
