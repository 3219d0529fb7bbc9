//! What threads wait for, and what they do in turn.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::time::Instant;

use polling::Poller;
use switchboard_core::Timestamp;
use switchboard_engine::server::{Door, Place};

use super::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use super::sync::{Arc, Condvar, Mutex, PoisonError, lock, thread};

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

/// The door of a server, where threads wait for room.
pub(crate) struct Doorway<S> {
    state: Mutex<(Door<S>, Phase)>,
    changed: Condvar,
    /// Sockets had to make room, or the server has ended.
    evicted: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Ended,
}

/// A socket that was let in.
pub(crate) struct Entered<S, T> {
    pub(crate) place: Place,
    /// Has to be closed for it.
    pub(crate) evicted: Option<S>,
    pub(crate) accepted: T,
}

impl<S: Clone> Doorway<S> {
    pub(crate) fn new(door: Door<S>) -> Self {
        let state = Mutex::new((door, Phase::Open));
        Self { state, changed: Condvar::new(), evicted: Condvar::new() }
    }

    /// Waits until there is room for one more, and lets in what `accept` returns: its address, what
    /// names it, and anything else. Returns `None` if the server has ended.
    ///
    /// # Errors
    /// As `accept`, which must not wait.
    pub(crate) fn accept<T>(
        &self,
        now: impl Fn() -> Timestamp,
        accept: impl FnOnce() -> io::Result<(IpAddr, S, T)>,
    ) -> Option<io::Result<Entered<S, T>>> {
        let entered = self.when_there_is_room(&now, |door| {
            let (address, name, accepted) = accept()?;
            // The time at which it was found that there is room, or later.
            let entered = door.enter(now(), Some(address), name);
            let (place, evicted) = entered.ok_or(io::ErrorKind::ConnectionAborted)?;
            Ok(Entered { place, evicted, accepted })
        })?;
        if matches!(&entered, Ok(Entered { evicted: Some(_), .. })) {
            self.evicted.notify_all();
        }
        Some(entered)
    }

    /// Waits until there is room for one more, and uses it under the lock, so that it is still
    /// there. Returns `None` if the server has ended.
    pub(crate) fn when_there_is_room<T>(
        &self,
        now: impl Fn() -> Timestamp,
        enter: impl FnOnce(&mut Door<S>) -> T,
    ) -> Option<T> {
        let mut state = lock(&self.state);
        while state.1 == Phase::Open {
            if state.0.has_room(now()) {
                return Some(enter(&mut state.0));
            }
            state = if state.0.room_at().is_some() {
                // In the next microsecond.
                drop(state);
                thread::yield_now();
                lock(&self.state)
            } else {
                self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
            };
        }
        None
    }

    /// Has the door do something that may make room.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Door<S>) -> T) -> T {
        let changed = change(&mut lock(&self.state).0);
        self.changed.notify_one();
        changed
    }

    /// As [`Door::farewell`].
    pub(crate) fn farewell(&self, now: Timestamp, place: &mut Place, name: S) -> Option<S> {
        let evicted = self.change(|door| door.farewell(now, place, name));
        if evicted.is_some() {
            self.evicted.notify_all();
        }
        evicted
    }

    /// Waits until the socket has to make room or the server has ended, but no longer than until
    /// then.
    pub(crate) fn wait_in(&self, place: &Place, until: Instant) {
        let state = lock(&self.state);
        let left = until.saturating_duration_since(Instant::now());
        let stays =
            |state: &mut (Door<S>, Phase)| state.1 == Phase::Open && !state.0.is_evicted(place);
        drop(self.evicted.wait_timeout_while(state, left, stays));
    }

    /// Nothing more is let in, and no one waits.
    pub(crate) fn end(&self) {
        lock(&self.state).1 = Phase::Ended;
        self.changed.notify_all();
        self.evicted.notify_all();
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
