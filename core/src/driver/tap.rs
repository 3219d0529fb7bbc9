//! What watches a hub at work.

use core::fmt;

use crate::hub::Hub;
use crate::hub::action::Action;
use crate::hub::event::Event;
use crate::time::Timestamp;

/// Sees everything that goes into the hub of a [`Driver`](crate::Driver) and comes out of it, in
/// order. See [`Driver::with_tap`](crate::Driver::with_tap). It is called in the middle of the
/// server's work, so it must be quick.
pub trait Tap: fmt::Debug + Send + Sync {
    /// A key for the hub to hash payloads with. Return one to keep what was said secret even from a
    /// reader who knows the hub's seed.
    fn payload_key(&self) -> Option<[u64; 2]>;

    /// Called before the hub handles this event.
    fn event(&mut self, hub: &Hub, now: Timestamp, event: &Event);

    /// Called for each action that the hub answers with.
    fn action(&mut self, action: &Action<'_>);
}
