//! The server's thread: it accepts, reads, writes, and keeps time.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as Cx, Poll, Waker};
use std::time::Duration;

use parking_lot::MutexGuard;
use rustix::net::{SocketFlags, acceptfrom_with};
use smol::channel::Sender;
use switchboard_core::Timestamp;
use switchboard_core::http::HttpRequest;
use switchboard_engine::server::{Credentials, HandshakeId, Task};

use crate::auth::{BoxFuture, guarded};
use crate::outlet::Socket;
use crate::poller::{Events, News, Source};
use crate::running::RunningHandlers;
use crate::shared::{ServerState, Shared};
use crate::writers::Writers;

/// Bytes read from one socket in one turn, so that no connection keeps the others waiting.
const TURN_BYTES: usize = 64 * 1024;

/// Sockets accepted in one turn, of each listener.
const TURN_ACCEPTS: usize = 64;

/// Sockets written to in one turn: about a millisecond's worth.
const TURN_WRITES: usize = 256;

/// A listener that is being served.
pub(crate) struct Listener {
    socket: TcpListener,
    /// A socket may be waiting to be accepted.
    is_ready: bool,
    /// Is told when it fails.
    failed: Sender<io::Error>,
}

impl Listener {
    pub(crate) fn new(socket: TcpListener, failed: Sender<io::Error>) -> Self {
        Self { socket, is_ready: true, failed }
    }
}

/// How the poller was asked.
struct Look {
    /// When, if it was not waited for: what arrived before that has been told, and is judged as of
    /// then, even if the process was stopped right after.
    at: Option<Timestamp>,
    /// It told of everything that was ready.
    is_all: bool,
}

/// Serves until it is told to stop.
pub(crate) fn run(shared: &Arc<Shared>, stop: &AtomicBool) -> io::Result<()> {
    let mut events = Events::new();
    // One for all sockets, because between two reads it holds nothing.
    let mut buffer = vec![0; TURN_BYTES];
    let mut tasks = Vec::new();
    let mut writers = Writers::start(shared)?;
    let mut look = Look { at: None, is_all: false };
    while !stop.load(Ordering::Acquire) {
        let mut state = shared.lock();
        let now = look.at.unwrap_or_else(|| shared.clock.now());
        state.engine.sync_wall_clock(now);
        state.turn(shared, now, &events, &mut buffer);
        let has_read_all = look.is_all && state.unread.is_empty();
        state.engine.tick_when_read(now, has_read_all);
        state = perform(&mut tasks, shared, state);

        let now = shared.clock.now();
        writers.flush(&mut state.engine, now, TURN_WRITES);
        state = perform(&mut tasks, shared, state);

        if state.engine.is_over() {
            shared.over.open();
        }
        // From here on others ring; what they did before is seen below.
        shared.bell.going_to_sleep();
        let now = shared.clock.now();
        writers.take_back(&mut state.engine, now);
        let is_stopped = stop.load(Ordering::Acquire);
        let idle_for = if is_stopped { Some(Duration::ZERO) } else { state.idle_for(now) };
        state.wakes_at = idle_for.map_or(Timestamp::MAX, |idle| now + idle);
        drop(state);
        look.at = (idle_for == Some(Duration::ZERO)).then_some(now);
        look.is_all = shared.poller.wait(&mut events, idle_for)?;
        shared.bell.awake();
    }
    let mut state = shared.lock();
    let now = shared.clock.now();
    state.engine.sync_wall_clock(now);
    // The poller tells everything once: the next thread that serves would not be told.
    state.turn(shared, now, &events, &mut buffer);
    writers.finish(&mut state.engine, now);
    Ok(())
}

impl ServerState {
    fn turn(&mut self, shared: &Shared, now: Timestamp, events: &Events, buffer: &mut [u8]) {
        for key in std::mem::take(&mut self.unread) {
            // Read until there is nothing more, because the event may be about bytes behind it.
            self.read(shared, now, key, true, buffer);
        }
        for news in events.iter() {
            match news.source {
                Source::Bell => {}
                Source::Listener(key) => {
                    if let Some(listener) = self.listeners.get_mut(key) {
                        listener.is_ready = true;
                    }
                }
                Source::Socket(key) => self.ready(shared, now, key, news, buffer),
            }
        }
        for key in 0..self.listeners.capacity() {
            if let Err(error) = self.accept(shared, now, key) {
                let listener = self.listeners.remove(key);
                // The caller that served it may have stopped waiting.
                let _ = listener.failed.try_send(error);
            }
        }
    }

    fn ready(
        &mut self,
        shared: &Shared,
        now: Timestamp,
        key: usize,
        news: News,
        buffer: &mut [u8],
    ) {
        if news.is_writable {
            self.engine.writable(now, key);
        }
        // A socket that has been read in this turn, and is to be read in the next, has had its
        // share.
        if news.is_readable && !self.unread.contains(&key) {
            self.read(shared, now, key, news.is_ending, buffer);
        }
    }

    /// Reads once. The rest, if any, is read in the next turn, after the other sockets.
    fn read(
        &mut self,
        shared: &Shared,
        now: Timestamp,
        key: usize,
        is_ending: bool,
        buffer: &mut [u8],
    ) {
        let connection = self.engine.connection(key);
        if connection.is_some_and(|id| shared.running.holds_back(id, key)) {
            return;
        }
        let Some(socket) = self.engine.socket(key) else { return };
        match socket.read(buffer) {
            Ok(taken @ 1..) => {
                if is_ending || taken == buffer.len() {
                    self.unread.insert(key);
                }
                self.engine.received(now, key, &mut buffer[..taken]);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.unread.insert(key);
            }
            Ok(0) | Err(_) => self.engine.ended(now, key),
        }
    }

    /// Accepts sockets that wait at a listener, as far as there is room for their handshakes.
    fn accept(&mut self, shared: &Shared, now: Timestamp, key: usize) -> io::Result<()> {
        for _ in 0..TURN_ACCEPTS {
            let Some(listener) = self.listeners.get_mut(key).filter(|one| one.is_ready) else {
                return Ok(());
            };
            if !self.engine.has_room(now) {
                return Ok(());
            }
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            match acceptfrom_with(&listener.socket, flags) {
                Ok((fd, peer)) => {
                    let socket = Socket::new(fd);
                    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
                    let address = peer.map(|peer| peer.ip());
                    if let Some(key) = self.engine.accepted(now, socket.clone(), address) {
                        self.watch(shared, now, key, socket);
                    }
                }
                Err(rustix::io::Errno::AGAIN) => listener.is_ready = false,
                Err(error) => self.engine.not_accepted(now, error.into())?,
            }
        }
        Ok(())
    }

    /// Lets the poller tell of a socket.
    pub(crate) fn watch(&mut self, shared: &Shared, now: Timestamp, key: usize, fd: impl AsFd) {
        if let Err(error) = shared.poller.add_socket(fd, key) {
            tracing::warn!(%error, "a socket cannot be watched, and is closed");
            self.engine.ended(now, key);
        }
    }

    fn idle_for(&self, now: Timestamp) -> Option<Duration> {
        let may_accept = self.engine.has_room(now)
            && self.listeners.iter().any(|(_, listener)| listener.is_ready);
        if may_accept || !self.unread.is_empty() {
            return Some(Duration::ZERO);
        }
        self.engine.idle_for(now)
    }
}

/// Lets the application do its part, without the lock. What it does may leave more tasks, for the
/// next time.
fn perform<'s>(
    tasks: &mut Vec<Task>,
    shared: &'s Arc<Shared>,
    mut state: MutexGuard<'s, ServerState>,
) -> MutexGuard<'s, ServerState> {
    tasks.extend(std::iter::from_fn(|| state.engine.next_task()));
    if tasks.is_empty() {
        return state;
    }
    drop(state);
    for task in tasks.drain(..) {
        match task {
            Task::Authenticate(handshake, credentials) => {
                authenticate(shared, handshake, credentials);
            }
            Task::Respond(handshake, request) => respond(shared, handshake, request),
            Task::Output(output) => shared.perform(output),
            // What came before the end counts: it is answered first.
            Task::Stop(id, stop) => RunningHandlers::stop(shared, id, stop),
        }
    }
    shared.lock()
}

fn authenticate(shared: &Arc<Shared>, handshake: HandshakeId, credentials: Credentials) {
    let (asking, for_answer) = (shared.clone(), shared.clone());
    let finding = guarded(move || (asking.services.authenticate)(credentials));
    answer(shared, Box::pin(finding), move |verdict| {
        let verdict = verdict.and_then(|verdict| verdict);
        for_answer.engage(|state, now| {
            let seated = state.engine.authenticated(now, handshake, verdict);
            if let Some((id, claims)) = seated {
                for_answer.keep_claims(id, claims);
            }
        });
    });
}

fn respond(shared: &Arc<Shared>, handshake: HandshakeId, request: HttpRequest) {
    let (asking, for_answer) = (shared.clone(), shared.clone());
    let finding = guarded(move || (asking.services.http)(request));
    answer(shared, Box::pin(finding), move |response| {
        let response = response.unwrap_or_else(|error| error.to_response());
        for_answer.engage(|state, now| state.engine.respond(now, handshake, response));
    });
}

/// Uses the application's answer, if it has one at once; otherwise a task waits for it.
fn answer<T: Send + 'static>(
    shared: &Shared,
    mut finding: BoxFuture<T>,
    then: impl FnOnce(T) + Send + 'static,
) {
    match finding.as_mut().poll(&mut Cx::from_waker(Waker::noop())) {
        Poll::Ready(found) => then(found),
        Poll::Pending => shared.spawn(async move { then(finding.await) }),
    }
}
