//! Connections and their phases.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::num::{NonZeroU32, NonZeroU64};

use smallvec::SmallVec;

use crate::hub::keys::{RoomKey, UserKey};
use crate::protocol::close::CloseReason;
use crate::protocol::id::ConnectionId;
use crate::protocol::name::RoomName;
use crate::protocol::position::{Position, Session};
use crate::time::Timestamp;

use super::account::Payer;
use super::outbox::{Outbox, Until};
use super::rate::Bucket;

use super::table::Table;

/// The phase of a connection: reserved, open, closing, and then removed.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Phase {
    /// Admitted, with the upgrade not complete. It has its seats and gets nothing yet.
    Reserved(Option<Box<AtOpening>>),
    /// It sends and gets messages.
    Open,
    /// It gets its queued messages, and then a close frame. It is in no room, and holds only its
    /// seat on the server.
    Closing(Box<Closing>),
    /// Lost; its seats are held for its session until this time, under another id.
    Held(Timestamp),
}

/// What is kept of an attempt until the connection opens.
#[derive(Default, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct AtOpening {
    /// The positions that the client had reached.
    pub(crate) since: Vec<(RoomKey, Position)>,
    /// Rooms that it wished to be in and that it is not: full ones, and those for operators.
    pub(crate) refused: Vec<RoomName>,
}

/// What a closing connection waits for.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Closing {
    pub(crate) reason: CloseReason,
    /// When the hub stops waiting.
    pub(crate) until: Timestamp,
    /// Its seats are held for its session to return; it still counts among its user's connections.
    pub(crate) held: bool,
}

/// A seat in a room.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Membership {
    pub(crate) room: RoomKey,
    pub(crate) seat: Seat,
}

/// The kind of a seat in a room. A member's seat is its index among the room's members; the other
/// kinds are numbers that no index reaches, so that a membership takes just two numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Seat(u32);

impl Seat {
    /// It was a member before its session was lost. Other members still see its user; it has to
    /// join again.
    pub(crate) const HELD: Self = Self(u32::MAX);
    /// The connection becomes a member once it is open, or the application has given the room's
    /// state.
    pub(crate) const RESERVED: Self = Self(u32::MAX - 1);
    /// As [`RESERVED`](Self::RESERVED), but other members already see its user in the room.
    pub(crate) const RESERVED_PRESENT: Self = Self(u32::MAX - 2);

    /// Returns the seat of the member at this index.
    pub(crate) const fn member(at: usize) -> Self {
        Self(at as u32)
    }

    /// Returns a seat that waits for its connection or for the application.
    pub(crate) const fn reserved(present: bool) -> Self {
        if present { Self::RESERVED_PRESENT } else { Self::RESERVED }
    }

    pub(crate) fn is_reserved(self) -> bool {
        self == Self::RESERVED || self == Self::RESERVED_PRESENT
    }

    /// Returns whether other members see its user in the room.
    pub(crate) fn is_present(self) -> bool {
        self != Self::RESERVED
    }

    /// Returns its index among the room's members.
    pub(crate) fn at(self) -> Option<usize> {
        (self.0 < Self::RESERVED_PRESENT.0).then_some(self.0 as usize)
    }
}

/// The seats of one connection. Up to two need no allocation.
pub(crate) type Memberships = SmallVec<[Membership; 2]>;

/// A ping that is not answered yet. It was sent one interval before the next one is due.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Ping {
    pub(crate) nonce: NonZeroU64,
    /// When the first unanswered ping since the last sign of life was sent.
    pub(crate) asking_since: Timestamp,
}

/// The state of one connection.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Connection {
    generation: NonZeroU32,
    pub(crate) user: UserKey,
    /// Its index in the user's connections.
    pub(crate) user_at: u32,
    /// The session, which the client keeps across its connections.
    pub(crate) session: Session,
    /// Whether it may enter rooms that are for operators.
    pub(crate) is_operator: bool,
    /// Where its client is, if that is known.
    pub(crate) address: Option<IpAddr>,
    /// What its use counts against.
    pub(crate) payer: Payer,
    /// Bytes of answers and replays, if nobody else pays for them.
    pub(crate) answers: Bucket,
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
    /// Probes and requests to its client that are still unanswered.
    pub(crate) asked: u32,
    pub(crate) messages: Bucket,
    pub(crate) bytes: Bucket,
    pub(crate) strikes: u32,
    /// Present while it is blocked, or gets a replay in batches.
    pub(crate) outbox: Option<Box<Outbox>>,
    /// The entry in [`Deadlines`](super::deadlines::Deadlines); [`Timestamp::MAX`] means none.
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

    /// Returns when the next batch of its replay is due.
    pub(crate) fn next_piece(&self) -> Timestamp {
        match self.outbox.as_ref().map(|outbox| outbox.until) {
            Some(Until::NextPiece(at)) => at,
            Some(Until::Writable) | None => Timestamp::MAX,
        }
    }

    /// Returns the index of its membership in this room.
    pub(crate) fn slot_of(&self, room: RoomKey) -> Option<usize> {
        self.memberships.iter().position(|membership| membership.room == room)
    }
}

/// Connections by id. Slots are reused; a generation is not, until 4.29 billion have passed.
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
            is_operator: false,
            address: None,
            payer: Payer::Nobody,
            answers: Bucket::default(),
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

    /// Returns the connection, unless it was removed.
    pub(crate) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.table.get(id.slot()).filter(|connection| connection.generation == id.generation())
    }

    /// Returns the connection, unless it was removed.
    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.table.get_mut(id.slot()).filter(|connection| connection.generation == id.generation())
    }

    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        self.get(id)?;
        self.table.remove(id.slot())
    }

    /// Returns the number of connections, in any phase.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Iterates over the ids of the connections in the slots from `start` on.
    pub(crate) fn ids_from(&self, start: usize) -> impl Iterator<Item = ConnectionId> {
        let table = self.table.iter_from(start);
        table.map(|(at, connection)| ConnectionId::from_parts(at, connection.generation))
    }
}
