//! What all tasks of a server share.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use event_listener::Event;
use smol::Executor;
use smol::channel::Sender;
use switchboard_core::http::{Request, Response};
use switchboard_core::serving::{Hosted, Settings};
use switchboard_core::{
    Answer, Command, ConnectionId, Driver, Hub, Outcome, Output, Position, Refusal, Rejection,
    RoomName, Session, Stats, Ticket, Timestamp, UserName,
};

use crate::auth::{Authenticator, BoxFuture, guarded};
use crate::handlers::Handlers;
use crate::outlet::SocketOutlet;
use crate::turn::{Alarm, Bell, Gate};

pub(crate) type Answers = Vec<(ConnectionId, Option<Duration>)>;
pub(crate) type StateProvider = Box<dyn Fn(Ticket, RoomName) -> BoxFuture<Command> + Send + Sync>;
pub(crate) type HttpService = Arc<dyn Fn(Request) -> BoxFuture<Response> + Send + Sync>;

/// Time since the start.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.start.elapsed()
    }

    pub(crate) fn instant_of(&self, timestamp: Timestamp) -> Instant {
        self.start + (timestamp - Timestamp::ZERO)
    }
}

/// The wall clock, in milliseconds since the Unix epoch.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) struct Shared {
    driver: Mutex<Driver<SocketOutlet>>,
    pub(crate) clock: Clock,
    /// The server's. Its tasks own this struct, so it must not own them.
    executor: Weak<Executor<'static>>,
    pub(crate) flush_bell: Bell,
    pub(crate) alarm: Alarm,
    pub(crate) settings: Settings,
    pub(crate) handler_timeout: Duration,
    pub(crate) authenticate: Authenticator,
    pub(crate) http: HttpService,
    pub(crate) handlers: Handlers,
    state: StateProvider,
    pub(crate) probes: Mutex<HashMap<Ticket, Sender<Answers>>>,
    pub(crate) requests: Mutex<HashMap<Ticket, Sender<Answer>>>,
    /// For work that goes on by itself.
    me: Weak<Self>,
    pub(crate) drained: Gate,
    pub(crate) handshakes: AtomicUsize,
    /// Every listener that waits for room hears it.
    pub(crate) handshake_done: Event,
}

/// Sockets that whoever caused the messages writes to itself; more are left to the flusher.
const INLINE: usize = 8;

impl Shared {
    pub(crate) fn new(
        me: &Weak<Self>,
        driver: Driver<SocketOutlet>,
        clock: Clock,
        settings: Settings,
        parts: crate::builder::Services,
        executor: &Arc<Executor<'static>>,
    ) -> Self {
        Self {
            driver: Mutex::new(driver),
            clock,
            executor: Arc::downgrade(executor),
            flush_bell: Bell::default(),
            alarm: Alarm::default(),
            settings,
            handler_timeout: parts.handler_timeout,
            authenticate: parts.authenticate,
            http: parts.http,
            handlers: parts.handlers,
            state: parts.state,
            probes: Mutex::default(),
            requests: Mutex::default(),
            me: me.clone(),
            drained: Gate::default(),
            handshakes: AtomicUsize::new(0),
            handshake_done: Event::new(),
        }
    }

    /// Starts a task that ends, at the latest, with the server.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(executor) = self.executor.upgrade() {
            executor.spawn(task).detach();
        }
    }

    /// Does something with the driver, and then what follows from it.
    pub(crate) fn drive<T>(
        &self,
        work: impl FnOnce(&mut Driver<SocketOutlet>, Timestamp) -> T,
    ) -> T {
        self.drive_for(None, work).0
    }

    /// As [`drive`](Self::drive), for the task of a connection: messages of that connection for handlers are
    /// answered to it, because it handles them one after the other.
    pub(crate) fn drive_for<T>(
        &self,
        connection: Option<ConnectionId>,
        work: impl FnOnce(&mut Driver<SocketOutlet>, Timestamp) -> T,
    ) -> (T, Vec<Output>) {
        let mut driver = self.lock();
        let now = self.clock.now();
        let result = work(&mut driver, now);
        if (1..=INLINE).contains(&driver.unflushed()) {
            driver.flush(now, INLINE);
        }
        let (mut own, mut others) = (Vec::new(), Vec::new());
        while let Some(output) = driver.take_output() {
            if connection.is_some_and(|id| output.is_message_of(id)) {
                own.push(output);
            } else {
                others.push(output);
            }
        }
        let unflushed = driver.unflushed();
        let deadline = driver.next_deadline();
        drop(driver);

        if unflushed > 0 {
            self.flush_bell.ring();
        }
        if let Some(deadline) = deadline {
            self.alarm.set(deadline);
        }
        for output in others {
            self.report(output);
        }
        (result, own)
    }

    fn report(&self, output: Output) {
        self.settings.observe(&output);
        match output {
            Output::Probed { ticket, answers } => {
                let waiting = lock(&self.probes).remove(&ticket);
                if let Some(waiting) = waiting {
                    // Whoever asked may not be interested any more.
                    let _ = waiting.try_send(answers);
                }
            }
            Output::Answered { ticket, answer } => {
                let waiting = lock(&self.requests).remove(&ticket);
                if let Some(waiting) = waiting {
                    let _ = waiting.try_send(answer);
                }
            }
            Output::StateWanted { ticket, room } => self.find_state(ticket, room),
            Output::Drained => self.drained.open(),
            Output::Request { .. }
            | Output::Raw { .. }
            | Output::Notice(_)
            | Output::Closed { .. } => {}
        }
    }

    /// Lets the application say how things stand in a room.
    fn find_state(&self, ticket: Ticket, room: RoomName) {
        let Some(shared) = self.me.upgrade() else { return };
        self.spawn(async move {
            let found = guarded(|| (shared.state)(ticket, room.clone())).await;
            let nothing = || Command::State { ticket, room, payload: None };
            // It may have taken too long.
            let _ = shared.command(found.unwrap_or_else(|_| nothing()));
        });
    }

    fn lock(&self) -> MutexGuard<'_, Driver<SocketOutlet>> {
        lock(&self.driver)
    }
}

impl Hosted for Shared {
    fn command(&self, command: Command) -> Result<Outcome, Refusal> {
        self.drive(|driver, now| driver.command(now, command))
    }

    fn connect(
        &self,
        user: UserName,
        rooms: Vec<(RoomName, Option<Position>)>,
        session: Option<Session>,
    ) -> Result<ConnectionId, Rejection> {
        self.drive(|driver, now| driver.connect(now, user, rooms, session))
    }

    fn abandon(&self, connection: ConnectionId) {
        self.drive(|driver, now| driver.abandon(now, connection));
    }

    fn look(&self, look: &mut dyn FnMut(&Hub)) {
        look(self.lock().hub());
    }

    fn stats(&self) -> Stats {
        self.lock().stats()
    }
}

/// A panic in an observer or a view must not take the server along.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
