//! The two threads that serve all connections: one goes on writing to sockets that were full, one keeps time.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use polling::{Event, Events, Poller};
use switchboard_core::Timestamp;

use crate::outlet::Link;
use crate::shared::{Shared, lock};

/// Something that happens once, and that any number of threads can wait for.
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

    /// Wakes this one, too.
    pub(crate) fn wakes(&self, poller: &Arc<Poller>) {
        let mut state = lock(&self.state);
        if state.is_open {
            wake(poller);
        } else {
            state.pollers.push(poller.clone());
        }
    }
}

fn wake(poller: &Poller) {
    if let Err(error) = poller.notify() {
        tracing::error!(%error, "a thread that waits for sockets cannot be woken");
    }
}

/// Waits for sockets that were full.
#[derive(Default, Debug)]
pub(crate) struct Writer {
    poller: OnceLock<Poller>,
    /// Those that are registered with the poller, by their socket's address. They live at least as long.
    watched: Mutex<HashMap<usize, Arc<Link>>>,
}

fn key(link: &Arc<Link>) -> usize {
    Arc::as_ptr(link).addr()
}

impl Writer {
    /// Opens what it waits with.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        if self.poller.get().is_none() {
            // Two at once would make two, of which one is dropped.
            let _ = self.poller.set(Poller::new()?);
        }
        Ok(())
    }

    /// Sees to it that the driver hears when the socket takes bytes again.
    pub(crate) fn watch(&self, link: &Arc<Link>) -> io::Result<()> {
        let poller = self.poller.get().ok_or(io::ErrorKind::NotConnected)?;
        let mut watched = lock(&self.watched);
        let key = key(link);
        if watched.contains_key(&key) {
            return poller.modify(&*link.socket, Event::writable(key));
        }
        // SAFETY: the socket is open as long as its link is in `watched`, and whoever takes it out there takes it out of
        // the poller first.
        #[expect(unsafe_code, reason = "the poller cannot know how long the socket lives")]
        unsafe {
            poller.add(&*link.socket, Event::writable(key))?;
        }
        watched.insert(key, link.clone());
        Ok(())
    }

    /// Does not wait for this socket any more. Answers whether it did.
    pub(crate) fn forget(&self, link: &Arc<Link>) -> bool {
        let mut watched = lock(&self.watched);
        self.unregister(&mut watched, key(link)).is_some()
    }

    fn unregister(&self, watched: &mut HashMap<usize, Arc<Link>>, key: usize) -> Option<Arc<Link>> {
        if let (Some(poller), Some(link)) = (self.poller.get(), watched.get(&key))
            && let Err(error) = poller.delete(&*link.socket)
        {
            tracing::error!(%error, "a socket cannot be taken out of those that are watched");
        }
        watched.remove(&key)
    }

    /// Waits until sockets take bytes again, or somebody calls [`wake`](Self::wake).
    fn ready(&self, events: &mut Events) -> io::Result<Vec<Arc<Link>>> {
        let Some(poller) = self.poller.get() else { return Ok(Vec::new()) };
        events.clear();
        poller.wait(events, None)?;
        let mut watched = lock(&self.watched);
        Ok(events.iter().filter_map(|event| self.unregister(&mut watched, event.key)).collect())
    }

    pub(crate) fn wake(&self) {
        if let Some(poller) = self.poller.get() {
            wake(poller);
        }
    }
}

/// Goes on writing to sockets that were full, until the server has been drained.
pub(crate) fn writer(shared: &Shared) {
    let mut events = Events::new();
    while !shared.drained.is_open() {
        match shared.writer.ready(&mut events) {
            Ok(links) => {
                for link in links {
                    shared.drive(|driver, now| driver.writable(now, link.id));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                tracing::error!(%error, "sockets that are full cannot be waited for any more");
                shared.drive(|driver, now| driver.cut_off(now));
                return;
            }
        }
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
    /// There is something to do at `deadline`. Wakes the time-keeper only if it would sleep past it.
    pub(crate) fn set(&self, deadline: Timestamp) {
        if deadline.as_micros() < self.at.load(Ordering::Acquire) {
            self.ring();
        }
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

    /// Waits until then, or until it rings.
    fn wait(&self, until: Option<Instant>) {
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

/// Does what is due, until the server has been drained.
pub(crate) fn time_keeper(shared: &Shared) {
    while !shared.alarm.stopped.load(Ordering::Acquire) {
        let deadline = shared.drive(|driver, now| {
            let deadline = driver.tick_if_due(now);
            let at = deadline.map_or(u64::MAX, Timestamp::as_micros);
            shared.alarm.at.store(at, Ordering::Release);
            deadline
        });
        shared.alarm.wait(deadline.map(|deadline| shared.clock.instant_of(deadline)));
    }
}
