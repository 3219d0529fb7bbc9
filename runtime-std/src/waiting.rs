//! What threads wait for, and what they do in turn.

use std::collections::VecDeque;
use std::time::Instant;

use polling::Poller;
use switchboard_core::Timestamp;

use super::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use super::sync::{Arc, Condvar, Mutex, PoisonError, lock};

/// An event that happens once, and that any number of threads can wait for.
#[derive(Default, Debug)]
pub(crate) struct Gate {
    state: Mutex<Waiting>,
    opened: Condvar,
}

#[derive(Default, Debug)]
struct Waiting {
    is_open: bool,
    pollers: Vec<Arc<Poller>>,
}

impl Gate {
    pub(crate) fn open(&self) {
        let mut state = lock(&self.state);
        state.is_open = true;
        for poller in state.pollers.drain(..) {
            wake(&poller);
        }
        self.opened.notify_all();
    }

    pub(crate) fn is_open(&self) -> bool {
        lock(&self.state).is_open
    }

    pub(crate) fn wait(&self) {
        let state = lock(&self.state);
        let open = self.opened.wait_while(state, |state| !state.is_open);
        drop(open.unwrap_or_else(PoisonError::into_inner));
    }

    /// Wakes this poller, too.
    pub(crate) fn wakes(&self, poller: &Arc<Poller>) {
        let mut state = lock(&self.state);
        if state.is_open {
            wake(poller);
        } else {
            state.pollers.push(poller.clone());
        }
    }
}

pub(crate) fn wake(poller: &Poller) {
    if let Err(error) = poller.notify() {
        tracing::error!(%error, "a thread that waits for sockets cannot be woken");
    }
}

/// When the time-keeper will look at the hub's deadlines next.
#[derive(Debug)]
pub(crate) struct Alarm {
    at: AtomicU64,
    rung: Mutex<bool>,
    bell: Condvar,
    stopped: AtomicBool,
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            at: AtomicU64::new(u64::MAX),
            rung: Mutex::default(),
            bell: Condvar::new(),
            stopped: AtomicBool::new(false),
        }
    }
}

impl Alarm {
    /// There is something to do at `deadline`. Wakes the time-keeper only if it would sleep past
    /// it.
    pub(crate) fn set(&self, deadline: Timestamp) {
        if deadline.as_micros() < self.at.load(Ordering::Acquire) {
            self.ring();
        }
    }

    /// The time-keeper will look again at this deadline, the next one. Must be called while
    /// deadlines cannot change, so that a thread that makes an earlier one knows.
    pub(crate) fn looks_at(&self, deadline: Option<Timestamp>) {
        let at = deadline.map_or(u64::MAX, Timestamp::as_micros);
        self.at.store(at, Ordering::Release);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Lets the time-keeper end.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.ring();
    }

    fn ring(&self) {
        *lock(&self.rung) = true;
        self.bell.notify_one();
    }

    /// Waits until then, or until it is rung.
    pub(crate) fn wait(&self, until: Option<Instant>) {
        let rung = lock(&self.rung);
        let mut rung = if let Some(until) = until {
            let left = until.saturating_duration_since(Instant::now());
            let waited = self.bell.wait_timeout_while(rung, left, |rung| !*rung);
            waited.unwrap_or_else(PoisonError::into_inner).0
        } else {
            self.bell.wait_while(rung, |rung| !*rung).unwrap_or_else(PoisonError::into_inner)
        };
        *rung = false;
    }
}

/// The handshakes under way.
#[derive(Default)]
pub(crate) struct Handshakes {
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Handshakes {
    /// Waits until there is room for one more, and takes it. Returns `false` if the server has
    /// ended.
    pub(crate) fn begin(&self, max: usize) -> bool {
        let state = lock(&self.state);
        let room = self.changed.wait_while(state, |(count, ended)| *count >= max && !*ended);
        let mut state = room.unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        !state.1
    }

    pub(crate) fn end(&self) {
        lock(&self.state).0 -= 1;
        self.changed.notify_one();
    }

    pub(crate) fn stop(&self) {
        lock(&self.state).1 = true;
        self.changed.notify_all();
    }
}

/// Things to be done one after the other, in order. A thread that finds no other at work does them
/// all.
#[derive(Debug)]
pub(crate) struct InTurn<T>(Mutex<Line<T>>);

#[derive(Debug)]
struct Line<T> {
    waiting: VecDeque<T>,
    is_busy: bool,
}

impl<T> Default for InTurn<T> {
    fn default() -> Self {
        Self(Mutex::new(Line { waiting: VecDeque::new(), is_busy: false }))
    }
}

impl<T> InTurn<T> {
    pub(crate) fn push(&self, thing: T) {
        lock(&self.0).waiting.push_back(thing);
    }

    /// Does everything there is to do, unless another thread is at work, which then does it. `each`
    /// is called without the lock, and must not panic.
    pub(crate) fn work_off(&self, mut each: impl FnMut(T)) {
        let mut line = lock(&self.0);
        if line.is_busy {
            return;
        }
        line.is_busy = true;
        while let Some(thing) = line.waiting.pop_front() {
            drop(line);
            each(thing);
            line = lock(&self.0);
        }
        line.is_busy = false;
    }
}
