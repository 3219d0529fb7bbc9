//! A whole server but for its sockets and its clock, for loops that do everything on one thread.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::accept::AcceptFailure;
use super::auth::{Credentials, Verdict};
use super::entrance::Refused;
use super::framing::{Framing, Stop};
use super::head::Head;
use super::settings::{BuildError, Settings};
use super::std::io;
use super::std::sync::{Mutex, PoisonError};
use super::{FAREWELL, FAREWELL_BYTES, SHORTAGE};
use crate::http::{Refusal, Request, Upgrade};
use crate::{ConnectionId, Driver, Outlet, Output, Stall, Timestamp};

/// A [`Driver`] with everything that lies between its connections and sockets: request heads, refusals, time-outs, the
/// parser, and the farewell that lets the last bytes arrive.
///
/// A loop calls [`accepted`](Self::accepted), [`received`](Self::received), [`writable`](Self::writable) and
/// [`ended`](Self::ended) for what its sockets do, [`tick`](Self::tick) when [`idle_for`](Self::idle_for) is over, and
/// [`end_turn`](Self::end_turn) once after each round of these. A socket is over, and only then, when [`Outlet::end`] is
/// called.
///
/// Sockets have keys, of the loop's own choice. The key of one that is over must not be used for another one within the
/// same turn.
pub struct Engine<O> {
    driver: Driver<Held<O>>,
    settings: Settings,
    authenticate: Box<dyn FnMut(Credentials) -> Verdict + Send>,
    peers: BTreeMap<usize, Peer<O>>,
    /// When a peer's time is up: exactly the deadlines of `peers`.
    due: BTreeSet<(Timestamp, usize)>,
    handshakes: usize,
    /// No socket can be accepted before.
    shortage_until: Option<Timestamp>,
    /// Peers of whom nothing more is parsed. What they sent before is answered first.
    stops: Vec<(ConnectionId, Stop)>,
    ended: Ended<O>,
    is_drained: bool,
}

type Ended<O> = Arc<Mutex<Vec<(usize, O)>>>;

struct Peer<O> {
    stage: Stage<O>,
    deadline: Option<Timestamp>,
}

/// How far a peer has come.
enum Stage<O> {
    Head(Head, O),
    Open(ConnectionId, Box<Framing>),
    /// What it still sends is thrown away, until the driver ends it.
    Deaf(ConnectionId),
    /// What it still sends is thrown away, up to so many bytes, so that it can read our last ones: closing a socket
    /// with unread bytes would destroy them.
    Farewell(O, usize),
}

/// What the driver has of a socket. When it lets go of it, the farewell begins.
#[derive(Debug)]
pub struct Held<O> {
    key: usize,
    outlet: Option<O>,
    ended: Ended<O>,
}

impl<O: Outlet> Outlet for Held<O> {
    fn write(&mut self, parts: &[&[u8]]) -> Result<usize, Stall> {
        self.outlet.as_mut().map_or(Err(Stall::Broken), |outlet| outlet.write(parts))
    }

    fn watch(&mut self) {
        if let Some(outlet) = &mut self.outlet {
            outlet.watch();
        }
    }

    fn finish(&mut self) {
        if let Some(outlet) = &mut self.outlet {
            outlet.finish();
        }
    }

    fn end(&mut self) {
        if let Some(outlet) = self.outlet.take() {
            self.ended.lock().unwrap_or_else(PoisonError::into_inner).push((self.key, outlet));
        }
    }
}

impl<O: Outlet> Engine<O> {
    /// A server without connections, at the time [`Timestamp::ZERO`]. The seed is to be kept secret; `unix_ms` is the
    /// wall clock. The authenticator must not wait: one that asks elsewhere needs a loop that goes on meanwhile (see
    /// [`Entrance`](super::Entrance)).
    ///
    /// # Errors
    /// When the settings contradict each other.
    pub fn new(
        mut settings: Settings,
        authenticate: impl FnMut(Credentials) -> Verdict + Send + 'static,
        seed: u64,
        unix_ms: u64,
    ) -> Result<Self, BuildError> {
        Ok(Self {
            driver: settings.driver(Vec::new(), seed, unix_ms)?,
            settings,
            authenticate: Box::new(authenticate),
            peers: BTreeMap::new(),
            due: BTreeSet::new(),
            handshakes: 0,
            shortage_until: None,
            stops: Vec::new(),
            ended: Arc::default(),
            is_drained: false,
        })
    }

    /// The driver, for what the application does.
    pub fn driver(&mut self) -> &mut Driver<Held<O>> {
        &mut self.driver
    }

    /// The settings that it was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether another socket is to be accepted: not while there are none to be had, or too many have still to say what
    /// they want.
    pub fn has_room(&self) -> bool {
        self.shortage_until.is_none() && self.handshakes < self.settings.max_handshakes
    }

    /// Accepting failed. If that is because there are too many open files, say, there is no room for a while.
    ///
    /// # Errors
    /// When it is the listener that has failed.
    pub fn not_accepted(&mut self, now: Timestamp, error: io::Error) -> io::Result<()> {
        match AcceptFailure::of(&error) {
            AcceptFailure::OneSocket => Ok(()),
            AcceptFailure::ForNow => {
                tracing::warn!(%error, "no socket can be accepted for now");
                self.shortage_until = Some(now + SHORTAGE);
                Ok(())
            }
            AcceptFailure::Listener => Err(error),
        }
    }

    /// A socket was accepted.
    pub fn accepted(&mut self, now: Timestamp, key: usize, mut outlet: O) {
        if self.is_drained {
            return outlet.end();
        }
        self.handshakes += 1;
        self.put(key, Stage::Head(Head::default(), outlet), now + self.settings.handshake_timeout);
    }

    /// A socket brought these bytes: not more of them at once than others may wait for.
    pub fn received(&mut self, now: Timestamp, key: usize, bytes: &[u8]) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        match &mut peer.stage {
            Stage::Head(head, _) => match head.read(bytes) {
                Ok(None) => {}
                Ok(Some((request, rest))) => {
                    self.admit(now, key, request);
                    // Frames may have come right behind the request.
                    self.received(now, key, &rest);
                }
                Err(refusal) => self.dismiss(now, key, &refusal.to_bytes()),
            },
            Stage::Open(id, framing) => {
                let id = *id;
                if let Some(stop) = framing.feed(&mut self.driver, now, id, bytes) {
                    peer.stage = Stage::Deaf(id);
                    self.stops.push((id, stop));
                }
            }
            Stage::Deaf(_) => {}
            Stage::Farewell(_, left) => {
                *left = left.saturating_sub(bytes.len());
                if *left == 0 {
                    self.forget(key);
                }
            }
        }
    }

    /// A socket whose outlet was told to watch takes bytes again.
    pub fn writable(&mut self, now: Timestamp, key: usize) {
        if let Some(Stage::Open(id, _) | Stage::Deaf(id)) = self.stage(key) {
            let id = *id;
            self.driver.writable(now, id);
        }
    }

    /// A socket has ended or failed.
    pub fn ended(&mut self, now: Timestamp, key: usize) {
        if let Some(id) = self.forget(key) {
            self.driver.lost(now, id);
        }
    }

    /// How long there will be nothing to do unless a socket has news; `None` is for ever.
    pub fn idle_for(&self, now: Timestamp) -> Option<Duration> {
        if self.driver.unflushed() > 0 {
            return Some(Duration::ZERO);
        }
        let peers = self.due.first().map(|(at, _)| *at);
        let deadlines = self.driver.next_deadline().into_iter().chain(peers);
        deadlines.chain(self.shortage_until).min().map(|at| at - now)
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Timestamp) {
        self.shortage_until = self.shortage_until.filter(|at| *at > now);
        self.driver.tick_if_due(now);
        while let Some(&(_, key)) = self.due.first().filter(|(at, _)| *at <= now) {
            if let Some(Stage::Head(..)) = self.stage(key) {
                self.dismiss(now, key, &Refusal::request_timeout().to_bytes());
            } else {
                self.forget(key);
            }
        }
    }

    /// Ends a round: gives the application what is its own, writes to at most so many sockets what waits for them, and
    /// lets go of those that are over. Frames of a raw server go to [`Settings::raw`].
    pub fn end_turn(
        &mut self,
        now: Timestamp,
        max_writes: usize,
        mut application: impl FnMut(&mut Driver<Held<O>>, Output),
    ) {
        self.perform(now, &mut application);
        for (id, stop) in self.stops.split_off(0) {
            stop.tell(&mut self.driver, now, id);
        }
        self.driver.flush(now, max_writes);
        self.perform(now, &mut application);
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).split_off(0);
        for (key, mut outlet) in ended {
            if self.peers.contains_key(&key) {
                self.farewell(now, key, outlet);
            } else {
                outlet.end();
            }
        }
        if self.is_drained {
            let waiting = self.peers.iter().filter(|(_, peer)| peer.is_handshaking());
            for key in waiting.map(|(key, _)| *key).collect::<Vec<_>>() {
                self.forget(key);
            }
        }
    }

    fn perform(
        &mut self,
        now: Timestamp,
        application: &mut impl FnMut(&mut Driver<Held<O>>, Output),
    ) {
        while let Some(output) = self.driver.take_output() {
            self.settings.observe(&output);
            match (output, &self.settings.raw) {
                (Output::Raw { connection, frame }, Some(_)) => {
                    if let Some(command) = self.settings.answer_raw(connection, frame) {
                        // If it has ended meanwhile, nobody waits for the answer.
                        let _ = self.driver.command(now, command);
                    }
                }
                (output, _) => {
                    self.is_drained |= output == Output::Drained;
                    application(&mut self.driver, output);
                }
            }
        }
    }

    /// Begins to go away. See [`Driver::drain`].
    pub fn drain(&mut self, now: Timestamp, timeout: Duration, spread: Duration) {
        self.driver.drain(now, timeout, spread);
    }

    /// Whether the drain is over and the last socket has been let go of.
    pub fn is_over(&self) -> bool {
        self.is_drained && self.peers.is_empty()
    }

    fn admit(&mut self, now: Timestamp, key: usize, request: Request) {
        let head_only = request.method() == "HEAD";
        let (id, upgrade) = match self.seat(now, request) {
            Ok(seat) => seat,
            Err(refused) => {
                let answer = self.settings.entrance.farewell(*refused, head_only);
                return self.dismiss(now, key, &answer);
            }
        };
        let Some(Stage::Head(_, mut outlet)) = self.take(key) else { return };
        // A socket that was sent nothing yet takes a few hundred bytes at once, or is broken.
        let response = upgrade.accept_response();
        if outlet.write(&[&response]) != Ok(response.len()) {
            self.driver.abandon(now, id);
            return outlet.end();
        }
        let framing = Framing::new(self.settings.max_message_bytes());
        let stage = Stage::Open(id, Box::new(framing));
        self.peers.insert(key, Peer { stage, deadline: None });
        let held = Held { key, outlet: Some(outlet), ended: self.ended.clone() };
        self.driver.open(now, id, self.settings.entrance.codec, held);
    }

    fn seat(
        &mut self,
        now: Timestamp,
        request: Request,
    ) -> Result<(ConnectionId, Upgrade), Box<Refused>> {
        let entrance = &self.settings.entrance;
        if !entrance.concerns(&request) {
            return Err(Box::new(Refused::Http(Refusal::not_found())));
        }
        let (visitor, credentials) = entrance.check(request)?;
        let guest = entrance.judge(visitor, (self.authenticate)(credentials))?;
        let session = guest.upgrade.session;
        match self.driver.connect(now, guest.user, guest.rooms, session) {
            Ok(id) => Ok((id, guest.upgrade)),
            Err(rejection) => Err(Refused::full(guest.upgrade, rejection)),
        }
    }

    /// Answers one who does not get in.
    fn dismiss(&mut self, now: Timestamp, key: usize, answer: &[u8]) {
        if let Some(Stage::Head(_, mut outlet)) = self.take(key) {
            // A peer whose socket does not take it does not hear it.
            let _ = outlet.write(&[answer]);
            self.farewell(now, key, outlet);
        }
    }

    fn farewell(&mut self, now: Timestamp, key: usize, mut outlet: O) {
        self.take(key);
        outlet.finish();
        self.put(key, Stage::Farewell(outlet, FAREWELL_BYTES), now + FAREWELL);
    }

    /// Ends a socket, unless that is the driver's to do: then answers the connection.
    fn forget(&mut self, key: usize) -> Option<ConnectionId> {
        match self.take(key)? {
            Stage::Head(_, mut outlet) | Stage::Farewell(mut outlet, _) => {
                outlet.end();
                None
            }
            Stage::Open(id, _) | Stage::Deaf(id) => Some(id),
        }
    }

    fn stage(&self, key: usize) -> Option<&Stage<O>> {
        self.peers.get(&key).map(|peer| &peer.stage)
    }

    fn put(&mut self, key: usize, stage: Stage<O>, deadline: Timestamp) {
        self.due.insert((deadline, key));
        self.peers.insert(key, Peer { stage, deadline: Some(deadline) });
    }

    fn take(&mut self, key: usize) -> Option<Stage<O>> {
        let peer = self.peers.remove(&key)?;
        self.handshakes -= usize::from(peer.is_handshaking());
        if let Some(deadline) = peer.deadline {
            self.due.remove(&(deadline, key));
        }
        Some(peer.stage)
    }
}

impl<O> Peer<O> {
    fn is_handshaking(&self) -> bool {
        matches!(self.stage, Stage::Head(..))
    }
}

impl<O> fmt::Debug for Engine<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("sockets", &self.peers.len()).finish_non_exhaustive()
    }
}
