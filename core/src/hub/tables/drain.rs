//! How far a drain has come.

use core::time::Duration;

use crate::time::Timestamp;

/// A drain under way. There is no way back.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Drain {
    pub(crate) deadline: Timestamp,
    /// Clients are told to come back at a random moment within this.
    pub(crate) spread: Duration,
    /// Connections in slots below this have been sent away.
    pub(crate) next_slot: usize,
    /// When the next step is due, if one is.
    pub(crate) armed: Option<Timestamp>,
    /// No connection is left.
    pub(crate) over: bool,
}
