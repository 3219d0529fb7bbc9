//! When a run breaks a rule: the smallest world in which the same rule is broken, and its story.

use std::fmt;

use switchboard_core::Timestamp;

use crate::checks::Violation;
use crate::plan::{Act, Plan};
use crate::story::Story;
use crate::world::{Figures, World};

/// The total number of events that the search for a smaller world may take.
const EFFORT: u64 = 20_000_000;

/// A broken rule, and how to reproduce it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed of the run that found it.
    pub seed: u64,
    /// The violation in that run.
    pub violation: Violation,
    /// The number of events up to it.
    pub events: u64,
    /// The smallest world found that breaks the same rule.
    pub least: Plan,
    /// The violation in that world.
    pub least_violation: Violation,
    /// What happens in that world.
    pub story: Story,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { rule, what } = &self.violation;
        writeln!(
            f,
            "seed {} breaks the rule \"{rule}\" after {} events: {what}",
            self.seed, self.events
        )?;
        let (people, faults) = (self.least.people.len(), self.least.faults.len());
        let acts: usize = self.least.people.iter().map(|person| person.acts.len()).sum();
        writeln!(f, "\nIt takes {people} people, {acts} acts and {faults} faults:\n")?;
        for (room, (name, class)) in self.least.rooms.iter().zip(&self.least.config.rooms) {
            writeln!(f, "{:>12} {} {:?}", "the room", room.as_str(), class)?;
            debug_assert_eq!(room.as_str(), name);
        }
        writeln!(f, "{}", self.story)?;
        writeln!(
            f,
            "the rule \"{}\" is broken: {}",
            self.least_violation.rule, self.least_violation.what
        )?;
        write!(f, "\nOnce more: SWITCHBOARD_SEED={} cargo test -p switchboard-simulator", self.seed)
    }
}

impl std::error::Error for Failure {}

/// Runs the world of a seed.
///
/// # Errors
/// When a rule is broken; the error has the smallest world found that breaks it.
pub fn simulate(seed: u64) -> Result<Figures, Box<Failure>> {
    let plan = Plan::new(seed);
    let mut world = World::new(plan.clone(), Story::default());
    let Err(violation) = world.run() else { return Ok(world.figures) };
    let least = minimise(plan, violation.rule, world.now());
    let mut told = World::new(least.clone(), Story::written());
    let least_violation = told.run().err().unwrap_or_else(|| violation.clone());
    let (events, story) = (world.figures.events, told.story);
    Err(Box::new(Failure { seed, violation, events, least, least_violation, story }))
}

/// Leaves out what is not needed to break the rule.
fn minimise(mut plan: Plan, rule: &'static str, broken_at: Timestamp) -> Plan {
    let mut spent = 0;
    let mut breaks = |plan: &Plan| {
        if spent > EFFORT {
            return false;
        }
        let mut world = World::new(plan.clone(), Story::default());
        let broken = world.run().is_err_and(|violation| violation.rule == rule);
        spent += world.figures.events;
        broken
    };
    let mut sooner = plan.clone();
    sooner.faults.retain(|(at, _)| *at <= broken_at);
    sooner.people.iter_mut().for_each(|person| person.acts.retain(|(at, _)| *at <= broken_at));
    if breaks(&sooner) {
        plan = sooner;
    }
    let before = plan.clone();
    plan.people =
        reduce(plan.people, |people| breaks(&Plan { people: people.to_vec(), ..before.clone() }));
    let before = plan.clone();
    plan.faults =
        reduce(plan.faults, |faults| breaks(&Plan { faults: faults.to_vec(), ..before.clone() }));
    let before = plan.clone();
    let acts = before.people.iter().enumerate();
    let acts = acts.flat_map(|(who, person)| person.acts.iter().map(move |act| (who, act.clone())));
    let acts = reduce(acts.collect(), |acts| breaks(&with_acts(&before, acts)));
    with_acts(&before, &acts)
}

fn with_acts(plan: &Plan, acts: &[(usize, (Timestamp, Act))]) -> Plan {
    let mut plan = plan.clone();
    for (index, person) in plan.people.iter_mut().enumerate() {
        let own = acts.iter().filter(|(who, _)| *who == index);
        person.acts = own.map(|(_, act)| act.clone()).collect();
    }
    plan
}

/// Returns the list without the parts that are not needed, trying large ones first, then single
/// ones.
fn reduce<T: Clone>(mut items: Vec<T>, mut is_enough: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut size = items.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < items.len() {
            let end = (at + size).min(items.len());
            let rest: Vec<T> = [&items[..at], &items[end..]].concat();
            if is_enough(&rest) {
                items = rest;
            } else {
                at = end;
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    items
}
