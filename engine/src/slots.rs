//! Answers that callers wait for, by ticket.

use std::collections::BTreeMap;
use std::task::{Context, Poll, Waker};

use switchboard_core::Ticket;

/// A place for each answer that somebody waits for. Every answer is taken once.
#[derive(Debug)]
pub(crate) struct Slots<T>(BTreeMap<Ticket, Slot<T>>);

#[derive(Debug)]
enum Slot<T> {
    Waiting(Option<Waker>),
    Answered(T),
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Slots<T> {
    /// Makes a place for an answer.
    pub(crate) fn open(&mut self, ticket: Ticket) {
        self.0.insert(ticket, Slot::Waiting(None));
    }

    /// Keeps an answer for the caller that waits for it, if there still is one. Returns the waker
    /// of that caller.
    pub(crate) fn answer(&mut self, ticket: Ticket, answer: T) -> Option<Waker> {
        let slot = self.0.get_mut(&ticket)?;
        match std::mem::replace(slot, Slot::Answered(answer)) {
            Slot::Waiting(waker) => waker,
            Slot::Answered(_) => None,
        }
    }

    /// Takes the answer; `None` if there is no place for it.
    pub(crate) fn poll(&mut self, ticket: Ticket, cx: &Context<'_>) -> Poll<Option<T>> {
        match self.0.remove(&ticket) {
            Some(Slot::Waiting(_)) => {
                self.0.insert(ticket, Slot::Waiting(Some(cx.waker().clone())));
                Poll::Pending
            }
            Some(Slot::Answered(answer)) => Poll::Ready(Some(answer)),
            None => Poll::Ready(None),
        }
    }

    /// Gives up all places. Returns the wakers of the callers.
    pub(crate) fn clear(&mut self) -> Vec<Waker> {
        let slots = std::mem::take(&mut self.0).into_values();
        slots
            .filter_map(|slot| if let Slot::Waiting(waker) = slot { waker } else { None })
            .collect()
    }

    /// Gives a place up. Returns whether its answer had not come yet.
    pub(crate) fn close(&mut self, ticket: Ticket) -> bool {
        matches!(self.0.remove(&ticket), Some(Slot::Waiting(_)))
    }
}
