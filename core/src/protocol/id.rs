//! Ids that go stale safely.

use core::fmt;
use core::num::NonZeroU32;

/// One connection, for as long as it lives and not a moment longer.
///
/// The index is that of a table slot, which is used again; the generation tells its tenants apart.
/// An id of a connection that is gone therefore finds nothing: an event that carries one is counted
/// ([`Stats::stale_events`](crate::Stats::stale_events)) and otherwise ignored. Generations grow with every
/// connection, so of two ids the older connection has the smaller generation, until the counter wraps after
/// 4.29 billion connections; to be mistaken for another, an id would have to be kept over such a wrap and
/// meet the same slot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct ConnectionId {
    index: u32,
    generation: NonZeroU32,
}

impl ConnectionId {
    /// An id from its two parts, for drivers that keep ids in places where only numbers fit.
    pub const fn from_parts(index: u32, generation: NonZeroU32) -> Self {
        Self { index, generation }
    }

    /// The slot. At most one live connection has it, so a driver can keep its own things in a vector.
    pub const fn index(self) -> usize {
        self.index as usize
    }

    pub(crate) const fn slot(self) -> u32 {
        self.index
    }

    /// Tells the tenants of a slot apart.
    pub const fn generation(self) -> NonZeroU32 {
        self.generation
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.index, self.generation)
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{self}")
    }
}
