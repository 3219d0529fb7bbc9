//! The hub's gauges match what was seen from outside.

use super::{Observer, Scene, Verdict};

/// What was seen is in the facts of a run.
#[derive(Debug)]
pub(super) struct Gauges;

/// Compares the hub's statistics with the number of connections accepted and ended.
///
/// # Errors
/// When they differ.
pub(super) fn check(scene: Scene<'_>) -> Verdict {
    let (ended, stats) = (&scene.facts.ended, scene.hub.stats());
    let live = ended.iter().filter(|ended| **ended == 0).count();
    let shown = stats.connections + stats.reserved + stats.closing;
    if live == shown && stats.accepted == ended.len() as u64 {
        return Ok(());
    }
    Err(format!("{live} of {} accepted are live, and {stats:?}", ended.len()))
}

impl Observer for Gauges {
    fn settled(&mut self, scene: Scene<'_>, _is_idle: bool) -> Verdict {
        check(scene)
    }
}
