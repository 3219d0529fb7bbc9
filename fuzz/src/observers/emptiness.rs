//! When every client has left and no deadline is pending, the hub is empty, and each accepted
//! connection has ended once.

use super::{Observer, Scene, Verdict, gauges};

/// It only checks at the end.
#[derive(Debug)]
pub(super) struct Emptiness;

impl Observer for Emptiness {
    fn finished(&mut self, scene: Scene<'_>) -> Verdict {
        let Scene { hub, facts } = scene;
        if !hub.is_empty() || hub.next_deadline().is_some() {
            return Err(format!("nobody is left, but something of them is: {hub:#?}"));
        }
        let ended: u64 = hub.stats().ended.iter().sum();
        if facts.ended.iter().all(|ended| *ended == 1) && ended == facts.ended.len() as u64 {
            return gauges::check(scene);
        }
        Err(format!("{} accepted, {ended} ended", facts.ended.len()))
    }
}
