//! Nothing follows a `Close`, and nothing comes before `connected`.

use std::collections::BTreeSet;

use switchboard_core::{Action, ConnectionId, Message, Operation, Output};

use super::{Fed, Observer, Verdict};
use crate::facts::Facts;

/// How far each connection has got.
#[derive(Default, Debug)]
pub(super) struct AfterClose {
    open: BTreeSet<usize>,
    closing: BTreeSet<usize>,
    gone: BTreeSet<usize>,
}

impl AfterClose {
    fn is_over(&self, c: usize) -> bool {
        self.closing.contains(&c) || self.gone.contains(&c)
    }

    fn is_open(&self, c: usize) -> bool {
        self.open.contains(&c) && !self.is_over(c)
    }

    fn see(&mut self, facts: &Facts, action: &Action<'_>) -> Verdict {
        let number = |id: &ConnectionId| facts.number(id);
        #[allow(clippy::wildcard_enum_match_arm, reason = "others are not for a connection")]
        match action {
            Action::Send { to, message } => {
                for c in to.iter().filter_map(number) {
                    let is_first = matches!(message, Message::Connected(_));
                    if self.is_over(c) || !self.is_open(c) && !is_first {
                        return Err(format!(
                            "c{c} is closed, or not yet open, and is sent {message:?}"
                        ));
                    }
                    self.open.insert(c);
                }
            }
            Action::Do(Operation::Ping { connection, .. }) => {
                if let Some(c) = number(connection).filter(|c| !self.is_open(*c)) {
                    return Err(format!("c{c} is pinged, and is not open"));
                }
            }
            Action::Do(Operation::Close { connection, .. }) => {
                if let Some(c) = number(connection) {
                    if !self.is_open(c) {
                        return Err(format!("c{c} is closed twice, or before it is open"));
                    }
                    self.closing.insert(c);
                }
            }
            Action::Tell(Output::Closed { connection, .. }) => self.gone.extend(number(connection)),
            Action::Tell(Output::Request { connection, .. })
            | Action::Tell(Output::Raw { connection, .. }) => {
                if let Some(c) = number(connection).filter(|c| self.gone.contains(c)) {
                    return Err(format!("c{c} is gone and asks for something"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Observer for AfterClose {
    fn actions(&mut self, facts: &Facts, _fed: &Fed<'_>, actions: &[Action<'_>]) -> Verdict {
        actions.iter().try_for_each(|action| self.see(facts, action))
    }
}
