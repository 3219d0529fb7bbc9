//! The progress of a drain.

use core::time::Duration;

use crate::time::Timestamp;

/// A drain under way. It cannot be cancelled.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Drain {
    pub(crate) deadline: Timestamp,
    /// Clients are told to reconnect at a random moment within this.
    pub(crate) spread: Duration,
    /// Connections in slots below this have been closed.
    pub(crate) next_slot: usize,
    /// When the next step is due, if there is one.
    pub(crate) armed: Option<Timestamp>,
    /// No connection is left.
    pub(crate) over: bool,
}
