//! The checks of a run: each observer inspects the hub, its input and its output, and reports what
//! is wrong. A run has a list of them, from [`of`].

mod after_close;
mod answers;
mod blips;
mod capacity;
mod drain;
mod emptiness;
mod endings;
mod gauges;
mod lockstep;
mod queues;
mod stale_ids;
mod streams;
mod twin;

use std::fmt::Debug;

use switchboard_core::{Action, ConnectionId, ConnectionView, Event, Hub, Timestamp};

use crate::check::{Invariant, Scenario};
use crate::facts::Facts;

/// `Ok`, or what is wrong.
pub type Verdict = Result<(), String>;

/// An event that the hub handles.
#[derive(Clone, Copy, Debug)]
pub struct Fed<'a> {
    /// The time passed to the hub.
    pub now: Timestamp,
    /// The event passed to the hub.
    pub event: &'a Event,
    /// The connection that it is about, if that was admitted.
    pub target: Option<usize>,
    /// Whether that connection has already ended.
    pub is_stale: bool,
    /// The number of messages in this step before the event.
    pub heard_before: usize,
}

/// What an observer may inspect between events.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The hub under test.
    pub hub: &'a Hub,
    /// What its driver knows.
    pub facts: &'a Facts,
}

impl<'a> Scene<'a> {
    /// Returns a connection that has not ended, as the hub shows it.
    pub fn view(&self, c: usize) -> Option<ConnectionView<'a>> {
        self.facts.made.get(c).and_then(|id| self.hub.connection(*id))
    }

    /// Returns every connection that has not ended.
    pub fn views(&self) -> impl Iterator<Item = (ConnectionId, ConnectionView<'a>)> + use<'a> {
        let hub = self.hub;
        self.facts.made.iter().filter_map(move |id| Some((*id, hub.connection(*id)?)))
    }
}

/// One observer. It overrides the methods that it needs.
pub trait Observer: Debug {
    /// Called before the hub handles an event.
    fn before(&mut self, _scene: Scene<'_>, _fed: &Fed<'_>) {}

    /// Called with the actions of an event, which `facts` already includes.
    ///
    /// # Errors
    /// Returns what is wrong with them.
    fn actions(&mut self, _facts: &Facts, _fed: &Fed<'_>, _actions: &[Action<'_>]) -> Verdict {
        Ok(())
    }

    /// Called after the hub has handled an event.
    ///
    /// # Errors
    /// Returns what is wrong with the hub, or with what the clients have received.
    fn after(&mut self, _scene: Scene<'_>, _fed: &Fed<'_>) -> Verdict {
        Ok(())
    }

    /// Called after an operation and all ticks that were due. `is_idle` says that there was no
    /// operation: only time passed.
    ///
    /// # Errors
    /// Returns what is wrong after this step.
    fn settled(&mut self, _scene: Scene<'_>, _is_idle: bool) -> Verdict {
        Ok(())
    }

    /// Called at the end of the run, or of a part of it, when nothing is pending.
    ///
    /// # Errors
    /// Returns what is missing.
    fn finished(&mut self, _scene: Scene<'_>) -> Verdict {
        Ok(())
    }
}

/// Returns the observers that check a scenario for an invariant: two that check every run, and
/// those for the invariant. Progress is checked by the driver itself.
///
/// # Errors
/// When the hub refuses the configuration.
pub fn of(scenario: &Scenario, invariant: Invariant) -> Result<Vec<Box<dyn Observer>>, String> {
    let is_about_drains = invariant == Invariant::DrainEndsByItsDeadline;
    let mut all: Vec<Box<dyn Observer>> =
        vec![Box::new(endings::Endings), Box::new(drain::Drain::new(is_about_drains))];
    match invariant {
        Invariant::CapacityIsNeverExceeded => {
            all.push(Box::new(capacity::Capacity::default()));
            all.push(Box::new(gauges::Gauges));
        }
        Invariant::EveryAcceptGetsExactlyOneClosed => {
            all.push(Box::new(gauges::Gauges));
            all.push(Box::new(emptiness::Emptiness));
        }
        Invariant::EmptyHubHasEmptyTables => all.push(Box::new(emptiness::Emptiness)),
        Invariant::StaleIdsChangeNothing => {
            all.push(Box::new(stale_ids::StaleIds::default()));
            all.push(Box::new(twin::Twin::without_stale_events(scenario.hub()?)));
        }
        Invariant::NothingFollowsAClose => all.push(Box::new(after_close::AfterClose::default())),
        Invariant::DeliveryIsInOffsetOrder | Invariant::AClientsStreamIsTheLog => {
            all.push(Box::new(streams::Streams));
        }
        Invariant::EveryMessageHasOneAnswer => all.push(Box::new(answers::Answers::default())),
        Invariant::NobodyHearsOfABlip => all.push(Box::new(blips::Blips::default())),
        Invariant::EveryQueueIsBounded => all.push(Box::new(queues::Queues::default())),
        Invariant::SameLogSameActions => all.push(Box::new(twin::Twin::new(scenario.hub()?))),
        Invariant::TheHubAgreesWithTheModel => {
            all.push(Box::new(lockstep::Lockstep::new(scenario.setup.clone())));
        }
        Invariant::ProgressIsMade | Invariant::DrainEndsByItsDeadline => {}
    }
    Ok(all)
}
