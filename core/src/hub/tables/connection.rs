//! Connections and their phases.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::{NonZeroU32, NonZeroU64};

use smallvec::SmallVec;

use crate::hub::keys::{RoomKey, UserKey};
use crate::protocol::close::CloseReason;
use crate::protocol::id::ConnectionId;
use crate::protocol::position::{Position, Session};
use crate::time::Timestamp;

use super::outbox::{Outbox, Until};
use super::rate::Bucket;

use super::table::Table;

/// Where a connection is in its life: reserved, open, closing, and then gone.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Phase {
    /// Admitted; the upgrade is not complete. It has its seats and gets nothing yet. The positions
    /// say where its client has been.
    Reserved(Option<Box<Since>>),
    /// It sends and gets messages.
    Open,
    /// It gets what was accepted for it, and then a close frame. It is in no room, and holds only
    /// its seat on the server.
    Closing(Box<Closing>),
    /// Lost; its seats are held for its session until this time, under another id.
    Held(Timestamp),
}

/// Positions that a connection came with.
pub(crate) type Since = Vec<(RoomKey, Position)>;

/// What a closing connection waits for.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Closing {
    pub(crate) reason: CloseReason,
    /// When the hub stops waiting.
    pub(crate) until: Timestamp,
    /// Its seats are held for its session, if it comes back; it still counts among its user's
    /// connections.
    pub(crate) held: bool,
}

/// A seat in a room.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Membership {
    pub(crate) room: RoomKey,
    pub(crate) seat: Seat,
}

/// What a seat in a room is worth. A member's seat is its place among the room's members; the other
/// kinds are numbers that no place can have, so that a membership is as small as two numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Seat(u32);

impl Seat {
    /// It was a member before its session was lost. For the others, its user is still there; it has
    /// to join again.
    pub(crate) const HELD: Self = Self(u32::MAX);
    /// The connection is a member as soon as it is open, or the application has given the room's
    /// state.
    pub(crate) const RESERVED: Self = Self(u32::MAX - 1);
    /// As [`RESERVED`](Self::RESERVED), and for the others, its user is in the room already.
    pub(crate) const RESERVED_PRESENT: Self = Self(u32::MAX - 2);

    /// The seat of a member.
    pub(crate) const fn member(at: usize) -> Self {
        Self(at as u32)
    }

    /// A seat that waits for its connection or for the application.
    pub(crate) const fn reserved(present: bool) -> Self {
        if present { Self::RESERVED_PRESENT } else { Self::RESERVED }
    }

    pub(crate) fn is_reserved(self) -> bool {
        self == Self::RESERVED || self == Self::RESERVED_PRESENT
    }

    /// Whether, for the others, its user is in the room.
    pub(crate) fn is_present(self) -> bool {
        self != Self::RESERVED
    }

    /// Where in the room's members.
    pub(crate) fn at(self) -> Option<usize> {
        (self.0 < Self::RESERVED_PRESENT.0).then_some(self.0 as usize)
    }
}

/// The seats of one connection. Up to two need no memory of their own.
pub(crate) type Memberships = SmallVec<[Membership; 2]>;

/// A ping that is not answered yet. It was sent one interval before the next one is due.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Ping {
    pub(crate) nonce: NonZeroU64,
    /// When the first ping was sent that has had no answer since the last sign of life.
    pub(crate) asking_since: Timestamp,
}

/// A connection.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Connection {
    generation: NonZeroU32,
    pub(crate) user: UserKey,
    /// Where in the user's connections.
    pub(crate) user_at: u32,
    /// The session, which the client keeps over all its connections.
    pub(crate) session: Session,
    pub(crate) phase: Phase,
    pub(crate) memberships: Memberships,
    /// When it was admitted; from [`Phase::Open`] on, when it was opened.
    pub(crate) since: Timestamp,
    pub(crate) last_seen: Timestamp,
    pub(crate) last_message: Timestamp,
    pub(crate) next_ping: Timestamp,
    pub(crate) ping: Option<Ping>,
    pub(crate) last_nonce: u64,
    pub(crate) latency_micros: Option<NonZeroU32>,
    /// Probes and requests to its client that wait for an answer.
    pub(crate) asked: u32,
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

    /// When the next piece of what it missed is due.
    pub(crate) fn next_piece(&self) -> Timestamp {
        match self.outbox.as_ref().map(|outbox| outbox.until) {
            Some(Until::NextPiece(at)) => at,
            Some(Until::Writable) | None => Timestamp::MAX,
        }
    }

    /// Which of its memberships is of this room.
    pub(crate) fn slot_of(&self, room: RoomKey) -> Option<usize> {
        self.memberships.iter().position(|membership| membership.room == room)
    }
}

/// Connections by id. A slot is used again; a generation is not, until 4.29 billion have passed.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Connections {
    pub(crate) table: Table<Connection>,
    pub(crate) next_generation: NonZeroU32,
}

impl Connections {
    pub(crate) fn new() -> Self {
        Self { table: Table::new(), next_generation: NonZeroU32::MIN }
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
        let at = self.table.insert(Connection {
            generation,
            user,
            user_at: 0,
            session,
            phase,
            memberships: Memberships::new(),
            since: now,
            last_seen: now,
            last_message: now,
            next_ping: Timestamp::MAX,
            ping: None,
            last_nonce: 0,
            latency_micros: None,
            asked: 0,
            messages: Bucket::default(),
            bytes: Bucket::default(),
            strikes: 0,
            outbox: None,
            armed: Timestamp::MAX,
        });
        ConnectionId::from_parts(at, generation)
    }

    /// The connection, unless it is gone.
    pub(crate) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.table.get(id.slot()).filter(|connection| connection.generation == id.generation())
    }

    /// The connection, unless it is gone.
    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.table.get_mut(id.slot()).filter(|connection| connection.generation == id.generation())
    }

    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        self.get(id)?;
        self.table.remove(id.slot())
    }

    /// How many there are, in any phase.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// The ids of the connections in the slots from `start` on.
    pub(crate) fn ids_from(&self, start: usize) -> impl Iterator<Item = ConnectionId> {
        let table = self.table.iter_from(start);
        table.map(|(at, connection)| ConnectionId::from_parts(at, connection.generation))
    }
}
