//! What all threads of a server share.

use std::io;
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread;

use switchboard_core::{Command, ConnectionId, Driver, Output, RoomName, Ticket, Timestamp};
use switchboard_engine::Clock;
use switchboard_engine::server::{Door, Entrance, Host, Pending, ServerSettings, observe};

use crate::auth::guarded;
use crate::background::{self, Writer};
use crate::builder::Services;
use crate::outlet::SocketOutlet;
use crate::readers::Readers;
use crate::sync::lock;
use crate::threads::Threads;
use crate::waiting::{Alarm, Doorway, Gate, InTurn};

/// Sockets written to before other threads get the driver: about a millisecond's worth.
const SLICE: usize = 256;

/// Rooms whose state is asked for at the same time, with a thread each; the members of further
/// rooms have to find out for themselves.
const MAX_ASKING: usize = 16;

pub(crate) struct Shared {
    driver: Mutex<Driver<SocketOutlet>>,
    pub(crate) clock: Clock,
    pub(crate) entrance: Entrance,
    pub(crate) settings: ServerSettings,
    pub(crate) services: Services,
    pub(crate) alarm: Alarm,
    pub(crate) writer: Arc<Writer>,
    pub(crate) threads: Arc<Threads>,
    pub(crate) readers: Readers,
    pending: Pending,
    /// For tasks that need to own this.
    me: Weak<Self>,
    pub(crate) drained: Gate,
    pub(crate) doorway: Doorway<Arc<TcpStream>>,
    reports: InTurn<Output>,
    /// The number of rooms whose state is being asked for.
    asking: AtomicUsize,
    is_started: Mutex<bool>,
}

impl Shared {
    /// Counts and logs a refusal, and sees to it that the sum of the next minute is logged.
    pub(crate) fn refused(&self, count: impl FnOnce(&Entrance, Timestamp)) {
        let deadline = self.drive(|_, now| {
            count(&self.entrance, now);
            self.entrance.next_deadline()
        });
        if let Some(deadline) = deadline {
            self.alarm.set(deadline);
        }
    }

    pub(crate) fn new(
        me: &Weak<Self>,
        driver: Driver<SocketOutlet>,
        clock: Clock,
        settings: ServerSettings,
        services: Services,
    ) -> Self {
        Self {
            driver: Mutex::new(driver),
            clock,
            entrance: Entrance::new(&settings),
            doorway: Doorway::new(Door::new(&settings)),
            settings,
            services,
            alarm: Alarm::default(),
            writer: Arc::default(),
            threads: Arc::default(),
            readers: Readers::default(),
            pending: Pending::default(),
            me: me.clone(),
            drained: Gate::default(),
            reports: InTurn::default(),
            asking: AtomicUsize::new(0),
            is_started: Mutex::default(),
        }
    }

    /// Starts the two threads that serve all connections, unless they have been started.
    pub(crate) fn start(self: &Arc<Self>) -> io::Result<()> {
        let mut is_started = lock(&self.is_started);
        if *is_started || self.drained.is_open() {
            return Ok(());
        }
        match self.start_threads() {
            Ok(()) => *is_started = true,
            // It has been drained meanwhile: there is nothing to start.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
            Err(error) => {
                self.stop();
                return Err(error);
            }
        }
        Ok(())
    }

    fn start_threads(self: &Arc<Self>) -> io::Result<()> {
        self.writer.prepare()?;
        let stack = self.services.thread_stack_bytes;
        let shared = self.clone();
        self.threads
            .start("switchboard-time", stack, None, move || background::time_keeper(&shared))?;
        let shared = self.clone();
        self.threads.start("switchboard-write", stack, None, move || background::writer(&shared))
    }

    /// Lets all threads end.
    pub(crate) fn stop(&self) {
        // First, while all of them are still listed: a thread that waits for the drain removes them
        // to join them.
        self.threads.close();
        self.doorway.end();
        self.drained.open();
        self.alarm.stop();
        self.writer.wake();
    }

    /// As [`drive`](Self::drive), for the thread of a connection: messages of that connection for
    /// handlers are answered to it, because it handles them one after the other.
    pub(crate) fn drive_for<T>(
        &self,
        connection: Option<ConnectionId>,
        work: impl FnOnce(&mut Driver<SocketOutlet>, Timestamp) -> T,
    ) -> (T, Vec<Output>) {
        let mut own = Vec::new();
        let mut driver = self.lock();
        let now = self.clock.now();
        driver.sync_wall_clock(now, (self.settings.wall_clock)());
        let result = work(&mut driver, now);
        while driver.unflushed() > SLICE {
            driver.flush(self.clock.now(), SLICE);
            self.gather(&mut driver, connection, &mut own);
            drop(driver);
            // Other threads may be waiting for the driver.
            thread::yield_now();
            driver = self.lock();
        }
        driver.flush(self.clock.now(), SLICE);
        self.gather(&mut driver, connection, &mut own);
        let deadline = driver.next_deadline();
        drop(driver);
        if let Some(deadline) = deadline {
            self.alarm.set(deadline);
        }
        self.reports.work_off(|output| self.report(output));
        (result, own)
    }

    /// Takes what the driver leaves to do: the connection's own messages and the reports, while
    /// their order is known.
    fn gather(
        &self,
        driver: &mut Driver<SocketOutlet>,
        connection: Option<ConnectionId>,
        own: &mut Vec<Output>,
    ) {
        while let Some(output) = driver.take_output() {
            if connection.is_some_and(|id| output.is_message_of(id)) {
                own.push(output);
            } else {
                self.reports.push(output);
            }
        }
    }

    fn report(&self, output: Output) {
        observe(&self.services.observer, &output);
        match output {
            Output::Probed { ticket, answers } => self.pending.probed(ticket, answers),
            Output::Answered { ticket, answer } => self.pending.answered(ticket, answer),
            Output::StateWanted { ticket, room } => self.find_state(ticket, room),
            Output::Drained => self.stop(),
            Output::Request { .. }
            | Output::Raw { .. }
            | Output::Notice(_)
            | Output::Closed { .. } => {}
        }
    }

    /// Asks the application for the state of a room.
    fn find_state(&self, ticket: Ticket, room: RoomName) {
        let nothing = Command::State { ticket, room: room.clone(), payload: None };
        let Some(shared) = self.me.upgrade() else { return };
        if self.asking.fetch_add(1, Ordering::AcqRel) < MAX_ASKING {
            let nothing = nothing.clone();
            let ask = move || {
                let found = guarded(|| (shared.services.state)(ticket, room));
                shared.asking.fetch_sub(1, Ordering::AcqRel);
                // The answer may be too late.
                let _ = shared.command(found.unwrap_or(nothing));
            };
            let stack = self.services.thread_stack_bytes;
            if self.threads.start("switchboard-state", stack, None, ask).is_ok() {
                return;
            }
        }
        self.asking.fetch_sub(1, Ordering::AcqRel);
        let _ = self.command(nothing);
    }

    fn lock(&self) -> MutexGuard<'_, Driver<SocketOutlet>> {
        lock(&self.driver)
    }
}

impl Host for Shared {
    type Outlet = SocketOutlet;

    fn drive<T>(&self, change: impl FnOnce(&mut Driver<SocketOutlet>, Timestamp) -> T) -> T {
        self.drive_for(None, change).0
    }

    fn look<T>(&self, look: impl FnOnce(&Driver<SocketOutlet>) -> T) -> T {
        look(&self.lock())
    }

    fn entrance(&self) -> &Entrance {
        &self.entrance
    }

    type Peer = Arc<TcpStream>;

    fn door<T>(&self, change: impl FnOnce(&mut Door<Arc<TcpStream>>, Timestamp) -> T) -> T {
        let now = self.clock.now();
        self.doorway.change(|door| change(door, now))
    }

    fn pending(&self) -> &Pending {
        &self.pending
    }

    fn drained(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            self.drained.wait();
            self.threads.join_all();
        })
    }
}
