//! A whole server but for its sockets, its clock and its application.

mod door;
mod held;
mod peers;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use std::vec::Vec;

use super::accept::AcceptFailure;
use super::auth::{Credentials, Verdict, anonymous};
use super::framing::{Framing, Stop};
use super::head::Head;
use super::settings::{BuildError, Settings};
use super::{FAREWELL, FAREWELL_BYTES, LAST_FAREWELL, SHORTAGE};
use std::io;
use switchboard_core::http::{Refusal, Request, Response};
use switchboard_core::{ConnectionId, Driver, Kind, Outlet, Output, Stall, Timestamp};

use held::Ended;
use peers::{Peers, Stage};

pub use door::{Question, Visit};
pub use held::Held;

/// A [`Driver`] with everything that lies between its connections and sockets: request heads, refusals, time-outs, the
/// parser, and the farewell that lets the last bytes arrive.
///
/// `O` is a handle of a socket: its clones are the same socket, and when the last of them is dropped, the socket is closed.
/// Nothing else closes it.
///
/// A loop calls [`accepted`](Self::accepted), [`received`](Self::received), [`writable`](Self::writable) and
/// [`ended`](Self::ended) for what its sockets do, [`tick`](Self::tick) when [`idle_for`](Self::idle_for) is over, and
/// [`end_turn`](Self::end_turn) once after each round of these. One whose application may not be called in the middle of
/// this, because it has to wait, or asks for the engine itself, takes [questions](Self::next_question),
/// [outputs](Self::next_output) and [stops](Self::next_stop) instead, and then [flushes](Self::flush).
pub struct Engine<O> {
    driver: Driver<Held<O>>,
    settings: Arc<Settings>,
    peers: Peers<O>,
    /// No socket can be accepted before.
    shortage_until: Option<Timestamp>,
    questions: VecDeque<Question>,
    next_serial: u64,
    /// Peers of whom nothing more is parsed. What they sent before is answered first.
    stops: VecDeque<(ConnectionId, Stop)>,
    ended: Ended,
    is_drained: bool,
    /// When the drain is over: the end of all that is left.
    last_call: Option<Timestamp>,
}

/// What an application says and does in the middle of a turn, without waiting.
pub trait Application<O> {
    /// Whose upgrade is it? Believes `?user=` unless it is written otherwise.
    ///
    /// # Errors
    /// When it is not let in.
    fn identify(&mut self, credentials: Credentials) -> Verdict {
        anonymous(&credentials)
    }

    /// Answers a request that is no upgrade: with 404 unless it is written otherwise.
    fn page(&mut self, _request: Request) -> Response {
        Refusal::not_found().to_response()
    }

    /// Messages for handlers, ended connections, lines for the log.
    fn output(&mut self, _driver: &mut Driver<Held<O>>, _output: Output) {}
}

/// Rooms, presence and messages between clients, without an application behind them.
impl<O> Application<O> for () {}

impl<O: Outlet + Clone> Engine<O> {
    /// A server without connections, at the time [`Timestamp::ZERO`], whose application handles these types of messages. The
    /// seed is to be kept secret; `unix_ms` is the wall clock.
    ///
    /// # Errors
    /// When the settings contradict each other.
    pub fn new(
        mut settings: Settings,
        handled: Vec<Kind>,
        seed: u64,
        unix_ms: u64,
    ) -> Result<Self, BuildError> {
        Ok(Self {
            driver: settings.driver(handled, seed, unix_ms)?,
            settings: Arc::new(settings),
            peers: Peers::new(),
            shortage_until: None,
            questions: VecDeque::new(),
            next_serial: 0,
            stops: VecDeque::new(),
            ended: Ended::default(),
            is_drained: false,
            last_call: None,
        })
    }

    /// The driver, for what the application does.
    pub fn driver(&mut self) -> &mut Driver<Held<O>> {
        &mut self.driver
    }

    /// The driver, to look at.
    pub fn as_driver(&self) -> &Driver<Held<O>> {
        &self.driver
    }

    /// The settings that it was made with.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Whether another socket is to be accepted: not while there are none to be had, or too many have still to say what
    /// they want.
    pub fn has_room(&self) -> bool {
        self.shortage_until.is_none() && self.peers.handshakes() < self.settings.max_handshakes
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

    /// A socket was accepted. Answers its key, by which the loop speaks of it from here on: a small number, which belongs to
    /// another socket only in a turn after the one in which this one was over. `None`: it has been let go of, because the
    /// drain is over.
    pub fn accepted(&mut self, now: Timestamp, outlet: O) -> Option<usize> {
        let deadline = now + self.settings.handshake_timeout;
        (!self.is_drained)
            .then(|| self.peers.insert(outlet, Stage::Head(Head::default(), deadline)))
    }

    /// A socket whose upgrade has been answered elsewhere, for a seat that [`Driver::connect`] gave. Answers its key, `None`
    /// when the seat's time was over.
    pub fn adopted(&mut self, now: Timestamp, id: ConnectionId, outlet: O) -> Option<usize> {
        let framing = Framing::new(&self.settings.config.limits);
        let key = self.peers.insert(outlet.clone(), Stage::Open(id, framing));
        let held = self.ended.hold(key, outlet);
        if !self.driver.open(now, id, self.settings.entrance.codec, held) {
            self.peers.end(key);
            return None;
        }
        Some(key)
    }

    /// The socket of a key, to read from.
    pub fn socket(&mut self, key: usize) -> Option<&mut O> {
        self.peers.outlet(key)
    }

    /// The connection of a key, if it has come so far and is not being closed.
    pub fn connection(&mut self, key: usize) -> Option<ConnectionId> {
        match self.peers.stage(key)? {
            Stage::Open(id, _) => Some(*id),
            Stage::Head(..)
            | Stage::Asked(..)
            | Stage::Saying(..)
            | Stage::Deaf(_)
            | Stage::Leaving(..)
            | Stage::Gone
            | Stage::Farewell(..)
            | Stage::Over => None,
        }
    }

    /// A socket brought these bytes: not more of them at once than others may wait for. They are unmasked in their place.
    pub fn received(&mut self, now: Timestamp, key: usize, bytes: &mut [u8]) {
        match self.peers.stage(key) {
            Some(Stage::Head(head, _)) => match head.read(bytes) {
                Ok(None) => {}
                Ok(Some((request, rest))) => self.ask(now, key, request, rest),
                Err(refusal) => self.dismiss(now, key, refusal.to_bytes()),
            },
            Some(Stage::Asked(..)) => self.read_ahead(now, key, bytes),
            Some(Stage::Open(id, framing)) => {
                let id = *id;
                if let Some(stop) = framing.feed(&mut self.driver, now, id, bytes) {
                    self.peers.set(
                        key,
                        match stop {
                            Stop::Goodbye(_) => Stage::Leaving(id, false),
                            Stop::Violation(_) => Stage::Deaf(id),
                        },
                    );
                    self.stops.push_back((id, stop));
                }
            }
            Some(Stage::Farewell(left, _)) => {
                *left = left.saturating_sub(bytes.len());
                if *left == 0 {
                    self.peers.end(key);
                }
            }
            Some(
                Stage::Saying(..) | Stage::Deaf(_) | Stage::Leaving(..) | Stage::Gone | Stage::Over,
            )
            | None => {}
        }
    }

    /// A socket takes bytes again. (That it was not full before harms nothing.)
    pub fn writable(&mut self, now: Timestamp, key: usize) {
        match self.peers.stage(key) {
            Some(Stage::Open(id, _) | Stage::Deaf(id) | Stage::Leaving(id, _)) => {
                let id = *id;
                self.driver.writable(now, id);
            }
            Some(Stage::Saying(..)) => self.say(now, key),
            Some(
                Stage::Head(..)
                | Stage::Asked(..)
                | Stage::Gone
                | Stage::Farewell(..)
                | Stage::Over,
            )
            | None => {}
        }
    }

    /// A socket has ended or failed.
    pub fn ended(&mut self, now: Timestamp, key: usize) {
        match self.peers.stage(key) {
            Some(Stage::Open(id, _) | Stage::Deaf(id)) => {
                let id = *id;
                // The key stays taken until the driver has let go of the socket too.
                self.peers.set(key, Stage::Gone);
                self.driver.lost(now, id);
            }
            Some(Stage::Leaving(_, is_over)) => *is_over = true,
            Some(Stage::Head(..) | Stage::Asked(..) | Stage::Saying(..) | Stage::Farewell(..)) => {
                self.peers.end(key);
            }
            Some(Stage::Gone | Stage::Over) | None => {}
        }
    }

    /// How long there will be nothing to do unless a socket has news; `None` is for ever.
    pub fn idle_for(&self, now: Timestamp) -> Option<Duration> {
        if self.driver.unflushed() > 0
            || self.driver.has_output()
            || !self.questions.is_empty()
            || !self.stops.is_empty()
        {
            return Some(Duration::ZERO);
        }
        let deadlines = self.driver.next_deadline().into_iter().chain(self.peers.first_deadline());
        let others = self.shortage_until.into_iter().chain(self.last_call);
        deadlines.chain(others).min().map(|at| at - now)
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Timestamp) {
        self.shortage_until = self.shortage_until.filter(|at| *at > now);
        self.driver.tick_if_due(now);
        if self.last_call.take_if(|at| *at <= now).is_some() {
            self.end_peers(|_| true);
        }
        while let Some(key) = self.peers.due(now) {
            if let Some(Stage::Head(..) | Stage::Asked(..)) = self.peers.stage(key) {
                tracing::debug!("a handshake took too long");
                self.dismiss(now, key, Refusal::request_timeout().to_bytes());
            } else {
                self.peers.end(key);
            }
        }
    }

    /// Ends a round: asks and tells the application, writes to at most so many sockets what waits for them, and lets go of
    /// those that are over. Frames of a raw server go to [`Settings::raw`].
    pub fn end_turn(
        &mut self,
        now: Timestamp,
        max_writes: usize,
        application: &mut impl Application<O>,
    ) {
        while let Some(question) = self.next_question() {
            match question {
                Question::Identity(visit, credentials) => {
                    self.identified(now, visit, application.identify(credentials));
                }
                Question::Page(visit, request) => {
                    self.answered(now, visit, application.page(request));
                }
            }
        }
        self.tell(now, application);
        while let Some((id, stop)) = self.next_stop() {
            stop.tell(&mut self.driver, now, id);
        }
        self.flush(now, max_writes);
        self.tell(now, application);
    }

    fn tell(&mut self, now: Timestamp, application: &mut impl Application<O>) {
        while let Some(output) = self.next_output() {
            self.settings.observe(&output);
            if let Output::Raw { connection, frame } = output {
                if let Some(command) = self.settings.answer_raw(connection, frame) {
                    // If it has ended meanwhile, nobody waits for the answer.
                    let _ = self.driver.command(now, command);
                }
            } else {
                application.output(&mut self.driver, output);
            }
        }
    }

    /// What is the application's, oldest first.
    pub fn next_output(&mut self) -> Option<Output> {
        let output = self.driver.take_output();
        self.is_drained |= output == Some(Output::Drained);
        output
    }

    /// A connection of which nothing more is parsed. When what it sent before has been handled, the driver is to be
    /// [told](Stop::tell).
    pub fn next_stop(&mut self) -> Option<(ConnectionId, Stop)> {
        self.stops.pop_front()
    }

    /// Writes to at most so many sockets what waits for them, and lets go of those that are over.
    pub fn flush(&mut self, now: Timestamp, max_writes: usize) {
        self.driver.flush(now, max_writes);
        for key in self.ended.take() {
            self.farewell(now, key);
        }
        if self.is_drained && self.peers.len() > 0 {
            self.end_peers(Stage::is_handshaking);
            self.last_call.get_or_insert(now + LAST_FAREWELL);
        }
        self.peers.reclaim();
    }

    fn end_peers(&mut self, holds: impl Fn(&Stage) -> bool) {
        for key in self.peers.keys(holds) {
            self.peers.end(key);
        }
    }

    /// Begins to go away. See [`Driver::drain`].
    pub fn drain(&mut self, now: Timestamp, timeout: Duration, spread: Duration) {
        self.driver.drain(now, timeout, spread);
    }

    /// Ends everything at once; nothing is said but what sockets take now.
    pub fn cut_off(&mut self, now: Timestamp) {
        self.driver.cut_off(now);
        while self.next_output().is_some() {}
        self.end_peers(|_| true);
        self.flush(now, 0);
    }

    /// Whether the drain is over and the last socket has been let go of.
    pub fn is_over(&self) -> bool {
        self.is_drained && self.peers.len() == 0
    }

    /// Answers one who does not get in.
    fn dismiss(&mut self, now: Timestamp, key: usize, answer: Vec<u8>) {
        let deadline = now + self.settings.handshake_timeout;
        self.peers.set(key, Stage::Saying(answer, 0, deadline));
        self.say(now, key);
    }

    fn say(&mut self, now: Timestamp, key: usize) {
        let Some((Stage::Saying(answer, said, _), outlet)) = self.peers.stage_and_outlet(key)
        else {
            return;
        };
        while *said < answer.len() {
            match outlet.write(&[&answer[*said..]]) {
                Ok(taken @ 1..) => *said += taken,
                Err(Stall::Full) => return outlet.watch(),
                Ok(0) | Err(Stall::Broken) => {
                    self.peers.end(key);
                    return;
                }
            }
        }
        self.farewell(now, key);
    }

    fn farewell(&mut self, now: Timestamp, key: usize) {
        let Some((stage, outlet)) = self.peers.stage_and_outlet(key) else { return };
        if let Stage::Gone | Stage::Leaving(_, true) = stage {
            self.peers.end(key);
        } else {
            outlet.finish();
            self.peers.set(key, Stage::Farewell(FAREWELL_BYTES, now + FAREWELL));
        }
    }

    /// The upgrade is granted: the answer goes out together with what the connection is told first.
    fn open(&mut self, now: Timestamp, key: usize, id: ConnectionId, answer: Vec<u8>) {
        let Some(outlet) = self.peers.outlet(key).cloned() else {
            return self.driver.abandon(now, id);
        };
        let framing = Framing::new(&self.settings.config.limits);
        self.peers.set(key, Stage::Open(id, framing));
        let held = self.ended.hold(key, outlet);
        let codec = self.settings.entrance.codec;
        self.driver.answer_and_open(now, id, codec, held, answer);
    }
}

impl<O> fmt::Debug for Engine<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("sockets", &self.peers.len()).finish_non_exhaustive()
    }
}
