//! An event about an ended connection is counted, and has no other effect.

use switchboard_core::{Action, Stats, Timestamp};

use super::{Fed, Observer, Scene, Verdict};
use crate::facts::Facts;
use crate::words::is_refusal;

/// The hub's state before the event, if that is stale.
#[derive(Default, Debug)]
pub(super) struct StaleIds {
    before: Option<(Stats, Option<Timestamp>)>,
}

impl Observer for StaleIds {
    fn before(&mut self, scene: Scene<'_>, fed: &Fed<'_>) {
        let shown = || (scene.hub.stats(), scene.hub.next_deadline());
        self.before = fed.is_stale.then(shown);
    }

    fn actions(&mut self, _facts: &Facts, fed: &Fed<'_>, actions: &[Action<'_>]) -> Verdict {
        match actions.iter().find(|action| fed.is_stale && !is_refusal(action)) {
            Some(action) => Err(format!("an id that is gone causes {action:?}")),
            None => Ok(()),
        }
    }

    fn after(&mut self, scene: Scene<'_>, _fed: &Fed<'_>) -> Verdict {
        let Some((stats, deadline)) = self.before.take() else { return Ok(()) };
        let same = Stats { stale_events: stats.stale_events + 1, ..stats };
        if scene.hub.stats() == same && scene.hub.next_deadline() == deadline {
            return Ok(());
        }
        Err(format!("an id that is gone changed {same:?} to {:?}", scene.hub.stats()))
    }
}
