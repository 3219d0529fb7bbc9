//! The two threads that serve all connections: one goes on writing to sockets that were full, one
//! keeps time.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use polling::{Event, Events, Poller};

use switchboard_engine::server::Host;

use crate::outlet::Link;
use crate::shared::Shared;
use crate::sync::lock;
use crate::waiting::wake;

/// Waits until full sockets take bytes again.
#[derive(Default, Debug)]
pub(crate) struct Writer {
    poller: OnceLock<Poller>,
    /// The links that are registered with the poller, by their address. They live at least as long.
    watched: Mutex<HashMap<usize, Arc<Link>>>,
}

fn key(link: &Arc<Link>) -> usize {
    Arc::as_ptr(link).addr()
}

impl Writer {
    /// Opens the poller.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        if self.poller.get().is_none() {
            // Two calls at once make two, of which one is dropped.
            let _ = self.poller.set(Poller::new()?);
        }
        Ok(())
    }

    /// Has the driver told when the socket takes bytes again.
    pub(crate) fn watch(&self, link: &Arc<Link>) -> io::Result<()> {
        let poller = self.poller.get().ok_or(io::ErrorKind::NotConnected)?;
        let mut watched = lock(&self.watched);
        let key = key(link);
        if watched.contains_key(&key) {
            return poller.modify(&*link.socket, Event::writable(key));
        }
        // SAFETY: the socket is open as long as its link is in `watched`, and it is removed from
        // the poller before it is removed from there.
        #[expect(unsafe_code, reason = "the poller cannot know how long the socket lives")]
        unsafe {
            poller.add(&*link.socket, Event::writable(key))?;
        }
        watched.insert(key, link.clone());
        Ok(())
    }

    /// Stops waiting for this socket. Returns whether it was waited for.
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

    /// Waits until sockets take bytes again, or until [`wake`](Self::wake) is called.
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

/// Something that is due and has waited this long shows that the process was stopped, or the
/// machine suspended.
const STOPPED: Duration = Duration::from_millis(100);

/// Does what is due, until the server has been drained. After the process was stopped, the threads
/// of connections first read what has arrived meanwhile: clients whose pongs wait in their sockets
/// are not dead.
pub(crate) fn time_keeper(shared: &Shared) {
    while !shared.alarm.is_stopped() {
        // What has arrived by now is read before it is judged as of now.
        let now = shared.clock.now();
        let due = shared.look(|driver| driver.next_deadline());
        if due.is_some_and(|due| due + STOPPED <= now) {
            shared.readers.go_first();
        }
        let deadline = shared.drive(|driver, _| {
            shared.entrance.log_sums(now);
            let deadlines = driver.tick_if_due(now).into_iter();
            let deadline = deadlines.chain(shared.entrance.next_deadline()).min();
            shared.alarm.looks_at(deadline);
            deadline
        });
        shared.alarm.wait(deadline.map(|deadline| shared.clock.instant_of(deadline)));
    }
}
