//! Connection ids that detect reuse.

use core::fmt;
use core::num::NonZeroU32;

/// Identifies one connection for as long as it lives.
///
/// The index is that of a table slot, which is reused; the generation distinguishes its successive
/// connections. An id of a closed connection therefore finds nothing: an event that carries one is
/// counted ([`Stats::stale_events`](crate::Stats::stale_events)) and otherwise ignored. Generations
/// grow with every connection, so of two ids the older connection has the smaller generation, until
/// the counter wraps after 4.29 billion connections; two connections get the same id only in the
/// same slot, one such wrap apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct ConnectionId {
    index: u32,
    generation: NonZeroU32,
}

impl ConnectionId {
    /// Creates an id from its two parts, for drivers that keep ids where only numbers fit.
    pub const fn from_parts(index: u32, generation: NonZeroU32) -> Self {
        Self { index, generation }
    }

    /// The slot. At most one live connection has it, so a driver can index a vector of its own with
    /// it.
    pub const fn index(self) -> usize {
        self.index as usize
    }

    pub(crate) const fn slot(self) -> u32 {
        self.index
    }

    /// The generation, which distinguishes the connections of a slot.
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
