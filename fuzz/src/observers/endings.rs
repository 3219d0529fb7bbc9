//! No connection ends twice, or under another's id. Every run is checked for this.

use switchboard_core::{Action, Output};

use super::{Fed, Observer, Verdict};
use crate::facts::Facts;

/// Endings are recorded in the [`Facts`].
#[derive(Debug)]
pub(super) struct Endings;

impl Observer for Endings {
    fn actions(&mut self, facts: &Facts, _fed: &Fed<'_>, actions: &[Action<'_>]) -> Verdict {
        for action in actions {
            if let Action::Tell(Output::Closed { connection, user, .. }) = action
                && let Some(c) = facts.number(connection)
                && (facts.ended[c] > 1 || facts.users[c] != *user)
            {
                return Err(format!("c{c} has ended {} times", facts.ended[c]));
            }
        }
        Ok(())
    }
}
