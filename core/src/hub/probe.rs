//! Is this user there, right now? Each connection is asked with a number of its own, so that neither a late
//! answer nor that of another connection counts.

use alloc::vec::Vec;
use core::time::Duration;

use crate::hub::action::{Outcome, Queued};
use crate::hub::event::Ticket;
use crate::protocol::id::ConnectionId;
use crate::protocol::name::UserName;
use crate::protocol::refusal::{ErrorCode, Refusal};
use crate::time::Timestamp;

use super::Hub;
use super::deadlines::Timer;
use super::rooms::user_offline;
use super::table::Table;

/// A probe's place in the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct ProbeKey(u32);

#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Question {
    connection: ConnectionId,
    nonce: u64,
    answer: Answer,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
enum Answer {
    Awaited,
    After(Duration),
    Never,
}

#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Probe {
    ticket: Ticket,
    sent: Timestamp,
    deadline: Timestamp,
    questions: Vec<Question>,
}

impl Probe {
    fn is_settled(&self) -> bool {
        self.questions.iter().all(|question| question.answer != Answer::Awaited)
    }
}

/// Probes under way.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Probes(Table<Probe>);

impl Probes {
    pub(crate) const fn new() -> Self {
        Self(Table::new())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    #[cfg(feature = "recording")]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    #[cfg(feature = "recording")]
    pub(super) fn is_whole(&self) -> bool {
        self.0.is_whole()
    }

    #[cfg(feature = "recording")]
    pub(super) fn deadline(&self, key: ProbeKey) -> Option<Timestamp> {
        self.0.get(key.0).map(|probe| probe.deadline)
    }

    /// Counts what each connection is asked and has not answered.
    #[cfg(feature = "recording")]
    pub(super) fn add_to(&self, counts: &mut alloc::collections::BTreeMap<ConnectionId, u32>) {
        let questions = self.0.iter_from(0).flat_map(|(_, probe)| &probe.questions);
        for question in questions.filter(|question| question.answer == Answer::Awaited) {
            *counts.entry(question.connection).or_default() += 1;
        }
    }

    /// Settles the awaited questions to a connection that the filter picks. Answers when the first was asked,
    /// and which probes have no open question any more.
    fn settle(
        &mut self,
        connection: ConnectionId,
        picks: impl Fn(u64) -> bool,
        answer: impl Fn(Timestamp) -> Answer,
    ) -> (Option<Timestamp>, u32, Vec<ProbeKey>) {
        let (mut asked, mut count, mut settled) = (None, 0, Vec::new());
        for (key, probe) in self.0.iter_mut() {
            let before = count;
            for question in &mut probe.questions {
                if question.connection == connection
                    && question.answer == Answer::Awaited
                    && picks(question.nonce)
                {
                    question.answer = answer(probe.sent);
                    asked.get_or_insert(probe.sent);
                    count += 1;
                }
            }
            if count > before && probe.is_settled() {
                settled.push(ProbeKey(key));
            }
        }
        (asked, count, settled)
    }
}

impl Hub {
    pub(super) fn probe(
        &mut self,
        ticket: Ticket,
        user: &UserName,
        timeout: Duration,
    ) -> Result<Outcome, Refusal> {
        if self.probes.0.len() >= self.config.limits.max_probes {
            return Err(Refusal::new(ErrorCode::RateLimited, "too many probes are under way"));
        }
        let mut questions = Vec::new();
        for id in self.connections_of(user) {
            if self.connections.get(id).is_none_or(|connection| !connection.is_open()) {
                continue;
            }
            if let Some(nonce) = self.ping(id)
                && let Some(connection) = self.connections.get_mut(id)
            {
                connection.asked += 1;
                questions.push(Question {
                    connection: id,
                    nonce: nonce.get(),
                    answer: Answer::Awaited,
                });
            }
        }
        if questions.is_empty() {
            return Err(user_offline(user));
        }
        let asked = questions.len();
        let deadline = self.now + timeout;
        let probe = Probe { ticket, sent: self.now, deadline, questions };
        let key = ProbeKey(self.probes.0.insert(probe));
        self.deadlines.arm(deadline, Timer::Probe(key));
        Ok(Outcome::Probing(asked))
    }

    /// Answers when the question was asked, if this was one of ours.
    pub(super) fn answer_probe(&mut self, id: ConnectionId, nonce: u64) -> Option<Timestamp> {
        let now = self.now;
        let (asked, count, settled) =
            self.probes.settle(id, |n| n == nonce, |sent| Answer::After(now - sent));
        self.questions_settled(id, count, settled);
        asked
    }

    /// A connection that is gone, or going, answers nothing any more.
    pub(super) fn forget_probes(&mut self, id: ConnectionId) {
        if self.connections.get(id).is_some_and(|connection| connection.asked > 0) {
            let (_, count, settled) = self.probes.settle(id, |_| true, |_| Answer::Never);
            self.questions_settled(id, count, settled);
        }
    }

    fn questions_settled(&mut self, id: ConnectionId, count: u32, settled: Vec<ProbeKey>) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.asked -= count;
        }
        for key in settled {
            self.finish_probe(key);
        }
    }

    pub(super) fn finish_probe(&mut self, key: ProbeKey) {
        let Some(probe) = self.probes.0.remove(key.0) else { return };
        self.deadlines.disarm(probe.deadline, Timer::Probe(key));
        let mut answers = Vec::with_capacity(probe.questions.len());
        for question in probe.questions {
            let latency = match question.answer {
                Answer::After(latency) => Some(latency),
                Answer::Never => None,
                Answer::Awaited => {
                    if let Some(connection) = self.connections.get_mut(question.connection) {
                        connection.asked -= 1;
                    }
                    None
                }
            };
            answers.push((question.connection, latency));
        }
        self.queue.push(Queued::Probed { ticket: probe.ticket, answers });
    }
}
