//! A drain ends once, when every connection is closed, and by its deadline.

use switchboard_core::{Action, Event, Output, Timestamp};

use super::{Fed, Observer, Scene, Verdict};
use crate::facts::Facts;

/// The drain of a run, if there is one.
#[derive(Debug)]
pub(super) struct Drain {
    /// The latest time that the hub was told.
    clock: Timestamp,
    deadline: Option<Timestamp>,
    /// How often the hub has reported that it is drained.
    drained: u32,
    /// Whether the deadline is checked, too.
    is_timed: bool,
}

impl Drain {
    /// No drain has begun.
    pub(super) fn new(is_timed: bool) -> Self {
        Self { clock: Timestamp::ZERO, deadline: None, drained: 0, is_timed }
    }

    fn check_drained(&self, facts: &Facts) -> Verdict {
        let left = facts.ended.iter().filter(|ended| **ended != 1).count();
        if left == 0 && self.drained == 1 {
            return Ok(());
        }
        Err(format!("after the deadline {left} are left; drained {} times", self.drained))
    }
}

impl Observer for Drain {
    fn before(&mut self, _scene: Scene<'_>, fed: &Fed<'_>) {
        self.clock = self.clock.max(fed.now);
        if let Event::Drain { timeout, .. } = fed.event {
            self.deadline.get_or_insert(self.clock + *timeout);
        }
    }

    fn actions(&mut self, facts: &Facts, _fed: &Fed<'_>, actions: &[Action<'_>]) -> Verdict {
        for at in
            (0..actions.len()).filter(|at| matches!(actions[*at], Action::Tell(Output::Drained)))
        {
            self.drained += 1;
            let ends_later =
                actions[at..].iter().any(|it| matches!(it, Action::Tell(Output::Closed { .. })));
            let all_gone = !ends_later && facts.ended.iter().all(|ended| *ended == 1);
            if self.drained > 1 || !all_gone || self.deadline.is_none() {
                return Err(format!(
                    "drained at {:?}, {} times, all gone: {all_gone}",
                    facts.now, self.drained
                ));
            }
        }
        Ok(())
    }

    fn settled(&mut self, scene: Scene<'_>, _is_idle: bool) -> Verdict {
        match self.deadline {
            Some(deadline) if self.is_timed && scene.facts.now >= deadline => {
                self.check_drained(scene.facts)
            }
            Some(_) | None => Ok(()),
        }
    }

    fn finished(&mut self, scene: Scene<'_>) -> Verdict {
        if self.is_timed { self.check_drained(scene.facts) } else { Ok(()) }
    }
}
