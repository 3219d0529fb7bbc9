//! The same events give the same actions, byte for byte.

use switchboard_core::{Action, Hub};

use super::{Fed, Observer, Verdict};
use crate::facts::Facts;

/// A second hub with the same configuration and seed.
#[derive(Debug)]
pub(super) struct Twin {
    hub: Hub,
    hears_stale_events: bool,
}

impl Twin {
    /// A twin that receives everything.
    pub(super) fn new(hub: Hub) -> Self {
        Self { hub, hears_stale_events: true }
    }

    /// A twin that receives no events about ended connections, and must not differ.
    pub(super) fn without_stale_events(hub: Hub) -> Self {
        Self { hub, hears_stale_events: false }
    }
}

impl Observer for Twin {
    fn actions(&mut self, _facts: &Facts, fed: &Fed<'_>, actions: &[Action<'_>]) -> Verdict {
        if fed.is_stale && !self.hears_stale_events {
            return Ok(());
        }
        let mut others = self.hub.handle(fed.now, fed.event.clone());
        for action in actions {
            let other = others.next();
            // Values that compare as equal must also print as equal.
            if other.as_ref() != Some(action)
                || format!("{other:?}") != format!("{:?}", Some(action))
            {
                return Err(format!("{action:?} here, {other:?} there"));
            }
        }
        match others.next() {
            Some(other) => Err(format!("nothing here, {other:?} there")),
            None => Ok(()),
        }
    }
}
