//! A whole server except for its sockets, its clock and its application.

mod accepting;
mod closing;
mod handshake;
mod held;
mod peers;
mod sockets;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use switchboard_core::http::{HttpError, HttpRequest};
use switchboard_core::{ConnectionId, Driver, Kind, Outlet, Output, Timestamp};

use super::auth::Credentials;
use super::door::Door;
use super::entrance::Entrance;
use super::framing::Stop;
use super::settings::{BuildError, ServerSettings};

use held::Ended;
use peers::{Peers, Stage};

pub use accepting::SHORTAGE;
pub use closing::{LINGER, LINGER_BYTES};
pub use handshake::HandshakeId;
pub use held::Held;

/// A [`Driver`] with everything that lies between its connections and sockets: request heads,
/// refusals, time-outs, the parser, and the lingering close that lets the last bytes arrive.
///
/// `O` is a handle of a socket: its clones are the same socket, and when the last of them is
/// dropped, the socket is closed. Nothing else closes it.
///
/// A loop calls [`accepted`](Self::accepted), [`received`](Self::received),
/// [`writable`](Self::writable) and [`ended`](Self::ended) for what its sockets do, and
/// [`tick_when_read`](Self::tick_when_read) in each turn. Before each round of these it has the
/// wall clock read ([`sync_wall_clock`](Self::sync_wall_clock)); after it, it takes what the
/// application has to do ([`next_task`](Self::next_task)), writes ([`flush`](Self::flush)), and
/// takes what has come of that. The engine waits for no answer, so an application may take its
/// time, and may be called without the lock that the engine is under.
pub struct Engine<O> {
    driver: Driver<Held<O>>,
    settings: Arc<ServerSettings>,
    entrance: Arc<Entrance>,
    peers: Peers<O>,
    /// No socket can be accepted before.
    shortage_until: Option<Timestamp>,
    questions: VecDeque<Task>,
    next_serial: u64,
    /// Peers whose bytes are no longer parsed. What they sent before is answered first.
    stops: VecDeque<(ConnectionId, Stop)>,
    ended: Ended,
    is_drained: bool,
    /// When the drain is over: the end of all that is left.
    last_call: Option<Timestamp>,
    /// When it was noticed that something is due which waits for what has arrived to be read.
    due_since: Option<Timestamp>,
}

/// How long something that is due waits, at most, while there is more to be read.
const READ_FIRST: Duration = Duration::from_secs(1);

/// What an [`Engine`] leaves to its loop.
#[derive(Debug)]
pub enum Task {
    /// Find out whose upgrade this is, and call [`Engine::authenticated`] within the rest of the
    /// handshake time-out.
    Authenticate(HandshakeId, Credentials),
    /// Answer a request that is not an upgrade, with [`Engine::respond`], in the same time.
    Respond(HandshakeId, HttpRequest),
    /// Messages for handlers, answers to the application's questions, ended connections, and what
    /// is worth a line in the log.
    Output(Output),
    /// Nothing more of this connection is parsed. [Tell](Stop::tell) the driver when the messages
    /// that came before have been handled.
    Stop(ConnectionId, Stop),
}

impl<O: Outlet + Clone> Engine<O> {
    /// A server without connections, at the time [`Timestamp::ZERO`], whose application handles
    /// these types of messages. The seed must be kept secret.
    ///
    /// # Errors
    /// If the settings contradict each other.
    pub fn new(
        mut settings: ServerSettings,
        handled: Vec<Kind>,
        seed: u64,
    ) -> Result<Self, BuildError> {
        Ok(Self {
            driver: settings.driver(handled, seed)?,
            entrance: Arc::new(Entrance::new(&settings)),
            peers: Peers::new(Door::new(&settings)),
            settings: Arc::new(settings),
            shortage_until: None,
            questions: VecDeque::new(),
            next_serial: 0,
            stops: VecDeque::new(),
            ended: Ended::default(),
            is_drained: false,
            last_call: None,
            due_since: None,
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

    /// What counts sockets, for upgrades that are answered elsewhere.
    pub fn door(&mut self) -> &mut Door<usize> {
        self.peers.door()
    }

    /// The settings that it was made with.
    pub fn settings(&self) -> &Arc<ServerSettings> {
        &self.settings
    }

    /// What decides about upgrades, for those that are answered elsewhere.
    pub fn entrance(&self) -> &Arc<Entrance> {
        &self.entrance
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
        self.next_deadline().map(|at| at - now)
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let deadlines = self.driver.next_deadline().into_iter().chain(self.peers.first_deadline());
        let others = self.shortage_until.into_iter().chain(self.last_call);
        deadlines.chain(others).chain(self.entrance.next_deadline()).min()
    }

    /// Does what is due, once what had arrived by then has been read: a process that was stopped, or
    /// a machine that was suspended, must not take clients for dead whose pongs wait in their
    /// sockets.
    ///
    /// Call it once a turn, after reading. In the turn that finds something due, nothing is done but
    /// noticing it, and [`idle_for`](Self::idle_for) is zero; it is done in the first turn after
    /// that which `has_read_all`: the poller had room for everything that was ready, and was not
    /// interrupted, and each socket was read until it was empty. It waits for that for a second at
    /// most. In a turn that begins without sleeping, read `now` before the poller is asked.
    pub fn tick_when_read(&mut self, now: Timestamp, has_read_all: bool) {
        match self.due_since {
            _ if !self.is_due(now) => self.due_since = None,
            Some(since) if has_read_all || now - since >= READ_FIRST => {
                self.tick(now);
                // What one tick did not get done needs no second look.
                self.due_since = self.is_due(now).then_some(now);
            }
            Some(_) => {}
            None => self.due_since = Some(now),
        }
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.next_deadline().is_some_and(|at| at <= now)
    }

    /// Reads the wall clock, as [`ServerSettings::wall_clock`] says, so that what follows has the
    /// right time of day. Call it at the beginning of a turn, and before the application does
    /// something between two turns.
    pub fn sync_wall_clock(&mut self, now: Timestamp) {
        self.driver.sync_wall_clock(now, (self.settings.wall_clock)());
    }

    /// Does what is due, at once: for a loop that has read everything, or has no sockets.
    pub fn tick(&mut self, now: Timestamp) {
        self.shortage_until = self.shortage_until.filter(|at| *at > now);
        self.entrance.log_sums(now);
        self.driver.tick_if_due(now);
        if self.last_call.take_if(|at| *at <= now).is_some() {
            self.end_peers(|_| true);
        }
        while let Some(key) = self.peers.due(now) {
            match self.peers.stage(key) {
                Some(Stage::Head(_) | Stage::Deciding(..)) => {
                    self.refuse(now, key, &HttpError::request_timeout());
                }
                Some(Stage::Deaf(..)) => self.ended(now, key),
                Some(_) | None => drop(self.peers.end(key)),
            }
        }
    }

    /// What is next for the loop and its application, in an order in which it can be done.
    pub fn next_task(&mut self) -> Option<Task> {
        self.questions
            .pop_front()
            .or_else(|| self.next_output().map(Task::Output))
            .or_else(|| self.stops.pop_front().map(|(id, stop)| Task::Stop(id, stop)))
    }

    /// The next output, without the other tasks: for what follows from a call of the application
    /// while no loop runs.
    pub fn next_output(&mut self) -> Option<Output> {
        let output = self.driver.take_output();
        self.is_drained |= output == Some(Output::Drained);
        output
    }

    /// Writes what waits to at most `max_writes` sockets, and drops those that are over.
    pub fn flush(&mut self, now: Timestamp, max_writes: usize) {
        self.driver.flush(now, max_writes);
        self.close_ended(now);
        self.peers.reclaim();
    }

    /// Begins to shut down. See [`Driver::drain`].
    pub fn drain(&mut self, now: Timestamp, timeout: Duration, spread: Duration) {
        self.driver.drain(now, timeout, spread);
    }

    /// Ends everything at once; peers are sent only what their sockets take now.
    pub fn cut_off(&mut self, now: Timestamp) {
        self.driver.cut_off(now);
        while self.next_output().is_some() {}
        self.end_peers(|_| true);
        self.flush(now, 0);
    }

    /// Whether the drain is over and the last socket has been dropped.
    pub fn is_over(&self) -> bool {
        self.is_drained && self.peers.len() == 0
    }
}

impl<O> fmt::Debug for Engine<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("sockets", &self.peers.len()).finish_non_exhaustive()
    }
}
