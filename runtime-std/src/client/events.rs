//! The events of a client, as they come.

use std::time::{Duration, Instant};

use switchboard_engine::client::{self, Event};

use super::wait::wait_until;

/// The events of a client, in order; an iterator that waits. There is one of it for each client.
///
/// An application that does not take them harms nobody else: the connection is still read, and heartbeats
/// answered. As many as [`events_kept`](crate::ClientBuilder::events_kept) says are kept; what comes then is left out until the
/// application has taken all that is kept, and it hears what it has missed ([`Event::Lagged`]). A server's request that
/// finds no room is answered with the error `busy`. Who needs no events drops this.
#[derive(Debug)]
pub struct Events(pub(super) client::Events);

impl Events {
    /// Waits for the next event; `None` when the client has ended.
    pub fn next_event(&mut self) -> Option<Event> {
        wait_until(None, |cx| self.0.poll_next(cx)).flatten()
    }

    /// The same for so long. `Err` when the time was over first.
    ///
    /// # Errors
    /// When there was no event in time.
    pub fn next_event_within(&mut self, timeout: Duration) -> Result<Option<Event>, NoEvent> {
        wait_until(Some(Instant::now() + timeout), |cx| self.0.poll_next(cx)).ok_or(NoEvent)
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.next_event()
    }
}

/// There was no event in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoEvent;

impl std::fmt::Display for NoEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("there was no event in time")
    }
}

impl std::error::Error for NoEvent {}
