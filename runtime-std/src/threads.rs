//! The threads of a server: bounded in stack, named, and all joined in the end.

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::sync::thread::{self, JoinHandle};
use super::sync::{Arc, Condvar, Mutex, PoisonError, lock, thread_local};

thread_local! {
    /// Whether this is a thread of a server. Such a thread cannot wait until all have ended.
    static OURS: Cell<bool> = const { Cell::new(false) };
}

pub(crate) fn is_ours() -> bool {
    OURS.with(Cell::get)
}

#[derive(Default)]
pub(crate) struct Threads {
    state: Mutex<State>,
    joined: Condvar,
}

#[derive(Default)]
struct State {
    running: HashMap<u64, Running>,
    next: u64,
    /// The thread that ended last. The next one that ends joins it, so that at most one has ended
    /// and is not joined.
    leaving: Option<JoinHandle<()>>,
    /// Begun and not yet joined.
    unjoined: usize,
    closed: bool,
}

struct Running {
    handle: JoinHandle<()>,
    /// The socket that it may be waiting for.
    socket: Option<Arc<TcpStream>>,
}

impl Threads {
    /// Starts a thread, which owns its share of this while it runs.
    ///
    /// # Errors
    /// If there can be no more threads, or the server has ended.
    pub(crate) fn start(
        self: &Arc<Self>,
        name: &str,
        stack_bytes: usize,
        socket: Option<Arc<TcpStream>>,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the server has ended"));
        }
        let serial = state.next;
        let threads = self.clone();
        // It cannot look itself up before it is listed, because that takes the lock.
        let handle =
            thread::Builder::new().name(name.into()).stack_size(stack_bytes).spawn(move || {
                OURS.with(|ours| ours.set(true));
                if catch_unwind(AssertUnwindSafe(work)).is_err() {
                    tracing::error!("a thread of the server failed");
                }
                threads.leave(serial);
            })?;
        state.next += 1;
        state.unjoined += 1;
        state.running.insert(serial, Running { handle, socket });
        Ok(())
    }

    fn leave(&self, serial: u64) {
        let mut state = lock(&self.state);
        let Some(running) = state.running.remove(&serial) else { return };
        let before = state.leaving.replace(running.handle);
        drop(state);
        // This closes the socket, unless it is used elsewhere.
        drop(running.socket);
        if let Some(before) = before {
            self.join(before);
        }
    }

    fn join(&self, thread: JoinHandle<()>) {
        // A panic has been caught and logged.
        let _ = thread.join();
        lock(&self.state).unjoined -= 1;
        self.joined.notify_all();
    }

    /// Starts no more threads, and ends the reads that the running ones may be waiting in. They can
    /// still write their last bytes.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        for socket in state.running.values().filter_map(|running| running.socket.as_ref()) {
            // If it fails, the peer has disconnected.
            let _ = socket.shutdown(Shutdown::Read);
        }
    }

    /// Whether no more threads are started, and reads end.
    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    /// Waits until all have ended. Called from one of them, it does not wait.
    pub(crate) fn join_all(&self) {
        if is_ours() {
            return;
        }
        let mut state = lock(&self.state);
        while state.unjoined > 0 {
            let last = if state.running.is_empty() { state.leaving.take() } else { None };
            if let Some(last) = last {
                drop(state);
                self.join(last);
                state = lock(&self.state);
                continue;
            }
            let serial = state.running.keys().next().copied();
            if let Some(running) = serial.and_then(|serial| state.running.remove(&serial)) {
                drop(state);
                self.join(running.handle);
                state = lock(&self.state);
            } else {
                // Another thread joins the last of them.
                state = self.joined.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}
