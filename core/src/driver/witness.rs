//! Who watches a hub at work.

use core::fmt;

use crate::hub::Hub;
use crate::hub::action::Action;
use crate::hub::event::Event;
use crate::time::Timestamp;

/// Hears of everything that goes into the hub of a [`Driver`](crate::Driver) and comes out of it, in order. See
/// [`Driver::witnessed`](crate::Driver::witnessed). It is called in the middle of the server's work: keep it short.
pub trait Witness: fmt::Debug + Send + Sync {
    /// There if nobody who gets to know the hub's seed is to find out what was said: then the hub hashes payloads with this.
    fn payload_key(&self) -> Option<[u64; 2]>;

    /// This event is about to go into the hub.
    fn event(&mut self, hub: &Hub, now: Timestamp, event: &Event);

    /// This came of it.
    fn action(&mut self, action: &Action<'_>);
}
