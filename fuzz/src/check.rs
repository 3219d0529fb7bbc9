//! Runs operations against a hub, and lets observers inspect its input and output.

use std::fmt::Write as _;
use std::time::Duration;

use switchboard_core::{Action, Event, Hub, Timestamp};

pub use crate::facts::Tally;
use crate::facts::{Facts, Step};
use crate::observers::{self, Fed, Observer, Scene, Verdict};
use crate::ops::Op;
use crate::setup::{SETUP_BYTES, Setup};
use crate::words::brief;

/// The invariant that a run is checked against.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the tests of these names say what they are")]
pub enum Invariant {
    CapacityIsNeverExceeded,
    EveryAcceptGetsExactlyOneClosed,
    EmptyHubHasEmptyTables,
    StaleIdsChangeNothing,
    NothingFollowsAClose,
    DeliveryIsInOffsetOrder,
    AClientsStreamIsTheLog,
    EveryMessageHasOneAnswer,
    NobodyHearsOfABlip,
    EveryQueueIsBounded,
    ProgressIsMade,
    SameLogSameActions,
    DrainEndsByItsDeadline,
    TheHubAgreesWithTheModel,
}

/// A configuration, a seed and the operations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scenario {
    /// The hub's configuration.
    pub setup: Setup,
    /// The hub's seed.
    pub seed: u64,
    /// The operations, in order.
    pub ops: Vec<Op>,
}

impl Scenario {
    /// Decodes a scenario: the configuration, the seed, and the operations. Missing bytes are
    /// zeroes.
    pub fn decode(bytes: &[u8]) -> Self {
        let mut head = [0; SETUP_BYTES + 1];
        let length = head.len().min(bytes.len());
        head[..length].copy_from_slice(&bytes[..length]);
        let [setup @ .., seed] = head;
        let ops = Op::decode_all(&bytes[length..]);
        let setup = Setup::decode(setup);
        Self { setup: if seed % 3 == 2 { setup.roomy() } else { setup }, seed: seed.into(), ops }
    }

    /// Makes a hub with this configuration and seed.
    ///
    /// # Errors
    /// When the hub refuses the configuration.
    pub fn hub(&self) -> Result<Hub, String> {
        Hub::new(self.setup.0.clone(), self.seed, Timestamp::ZERO)
            .map_err(|error| error.to_string())
    }
}

/// Runs a scenario.
///
/// # Errors
/// Returns how the invariant was broken, after the transcript of the run.
pub fn run(scenario: &Scenario, invariant: Invariant) -> Result<Tally, String> {
    Run::new(scenario, invariant, false)?.play().or_else(|_| {
        // Writing a transcript takes longer than the run, so only a failed run is repeated with
        // one.
        let mut again = Run::new(scenario, invariant, true)?;
        match again.play() {
            Ok(_) => Err("the same run failed once, and then did not".to_owned()),
            Err(why) => {
                let Run { transcript, steps, .. } = again;
                Err(format!(
                    "{:?}\n{transcript}\n{invariant:?}, in step {steps}: {why}",
                    scenario.setup
                ))
            }
        }
    })
}

/// Returns the events of a scenario, in the order in which the hub receives them.
///
/// # Errors
/// When the scenario cannot be run.
pub fn events(scenario: &Scenario) -> Result<Vec<(Timestamp, Event)>, String> {
    let mut run = Run::new(scenario, Invariant::ProgressIsMade, false)?;
    run.events = Some(Vec::new());
    run.play()?;
    Ok(run.events.unwrap_or_default())
}

/// A run in progress.
#[derive(Debug)]
pub struct Run<'a> {
    scenario: &'a Scenario,
    pub(crate) invariant: Invariant,
    /// The hub under test.
    pub hub: Hub,
    /// What its driver knows.
    pub facts: Facts,
    observers: Vec<Box<dyn Observer>>,
    /// How far the clock of the next event runs behind.
    pub(crate) behind: Duration,
    transcript: String,
    is_recorded: bool,
    /// The number of operations started.
    steps: usize,
    events: Option<Vec<(Timestamp, Event)>>,
}

impl<'a> Run<'a> {
    fn new(
        scenario: &'a Scenario,
        invariant: Invariant,
        is_recorded: bool,
    ) -> Result<Self, String> {
        Ok(Self {
            scenario,
            invariant,
            hub: scenario.hub()?,
            facts: Facts::new(scenario.setup.clone()),
            observers: observers::of(scenario, invariant)?,
            behind: Duration::ZERO,
            transcript: String::new(),
            is_recorded,
            steps: 0,
            events: None,
        })
    }

    pub(crate) fn is(&self, invariant: Invariant) -> bool {
        self.invariant == invariant
    }

    fn play(&mut self) -> Result<Tally, String> {
        for (serial, op) in self.scenario.ops.iter().enumerate() {
            self.steps += 1;
            self.perform(*op, serial as u64 + 1)?;
        }
        self.finish()?;
        let stats = self.hub.stats();
        self.facts.count("replayed", stats.replayed);
        self.facts.count("repeated", stats.repeated);
        Ok(std::mem::take(&mut self.facts.tally))
    }

    /// Lets each observer inspect the hub.
    fn each(&mut self, look: impl Fn(&mut dyn Observer, Scene<'_>) -> Verdict) -> Verdict {
        let scene = Scene { hub: &self.hub, facts: &self.facts };
        self.observers.iter_mut().try_for_each(|observer| look(observer.as_mut(), scene))
    }

    /// Feeds one event to the hub, and its actions to the observers.
    pub(crate) fn feed(&mut self, now: Timestamp, event: Event, target: Option<usize>) -> Verdict {
        if let Some(events) = &mut self.events {
            events.push((now, event.clone()));
        }
        let is_stale = target.is_some_and(|c| self.facts.ended[c] > 0);
        let heard_before = self.facts.step.heard.len();
        let fed = Fed { now, event: &event, target, is_stale, heard_before };
        self.facts.before(&self.hub, now, &event, target);
        self.each(|observer, scene| {
            observer.before(scene, &fed);
            Ok(())
        })?;
        let actions: Vec<Action<'_>> = self.hub.handle(now, event.clone()).collect();
        for action in &actions {
            if self.is_recorded {
                let tick = if matches!(event, Event::Tick) { "tick" } else { "" };
                let _ = writeln!(self.transcript, "{:>14} {tick:>4}   => {}", "", brief(action));
            }
            self.facts.take(action)?;
        }
        self.facts.count("actions", actions.len() as u64);
        for observer in &mut self.observers {
            observer.actions(&self.facts, &fed, &actions)?;
        }
        self.facts.after(&self.hub, heard_before)?;
        self.each(|observer, scene| observer.after(scene, &fed))
    }

    /// Ticks until nothing is due, and lets the observers check the result. `is_idle` says that no
    /// operation came before.
    pub(crate) fn settle(&mut self, is_idle: bool) -> Verdict {
        let (live, probes) = (self.hub.stats(), self.scenario.ops.len());
        let seats = live.connections + live.reserved + live.closing + live.held;
        let mut bound = 3 * seats + 3 * probes + 32;
        while self.hub.next_deadline().is_some_and(|next| next <= self.facts.now) {
            if bound == 0 {
                return Err(format!("ticks at {:?} do not come to an end", self.facts.now));
            }
            bound -= 1;
            self.feed(self.facts.now, Event::Tick, None)?;
        }
        self.each(|observer, scene| observer.settled(scene, is_idle))?;
        self.facts.step = Step::default();
        Ok(())
    }

    /// Checks the end, or a point at which nothing is pending.
    pub(crate) fn conclude(&mut self) -> Verdict {
        self.each(|observer, scene| observer.finished(scene))
    }

    pub(crate) fn record(&mut self, line: impl Fn() -> String) {
        if self.is_recorded {
            let _ = writeln!(self.transcript, "{:>12}ms  {}", self.facts.now.as_millis(), line());
        }
    }
}
