//! Gives up when there was no connection for too long.

use std::fmt;
use std::time::{Duration, Instant};

use smol::Timer;
use switchboard_core::client::State;
use switchboard_smol::ClientEvent;

use crate::config::duration;

/// How long to try to connect, and since when there has been no connection.
pub(super) struct Patience {
    limit: Option<Duration>,
    /// `None` while connected.
    since: Option<Instant>,
    /// Why the last attempt failed.
    why: Option<String>,
}

impl Patience {
    /// Without a limit, there is no end to it.
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self { limit, since: Some(Instant::now()), why: None }
    }

    pub(super) fn observe(&mut self, event: &ClientEvent) {
        let ClientEvent::State { state, cause, detail } = event else { return };
        if *state == State::Open {
            (self.since, self.why) = (None, None);
            return;
        }
        self.since.get_or_insert_with(Instant::now);
        let why = detail.as_ref().map(ToString::to_string);
        let why = why.or_else(|| cause.as_ref().map(ToString::to_string));
        self.why = why.or_else(|| self.why.take());
    }

    /// Waits until there was no connection for the whole time.
    pub(super) async fn exhausted(&self) {
        match self.limit.zip(self.since).and_then(|(limit, since)| since.checked_add(limit)) {
            Some(at) => drop(Timer::at(at).await),
            None => std::future::pending().await,
        }
    }
}

impl fmt::Display for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = duration::format(self.limit.unwrap_or_default());
        write!(f, "no connection for {limit}")?;
        self.why.as_ref().map_or(Ok(()), |why| write!(f, ": {why}"))
    }
}
