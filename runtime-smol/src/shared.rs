//! What the server's thread and all tasks share.

use std::collections::{BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, MutexGuard};
use slab::Slab;
use smol::Executor;
use switchboard_core::{Command, ConnectionId, Driver, Output, RoomName, Ticket, Timestamp};
use switchboard_engine::Clock;
use switchboard_engine::server::{
    Claims, Door, Engine, Entrance, Held, Host, Pending, ServerSettings, observe,
};

use crate::alarm::Alarm;
use crate::auth::guarded;
use crate::builder::Services;
use crate::outlet::Socket;
use crate::poller::Poller;
use crate::reactor::Listener;
use crate::running::RunningHandlers;
use crate::waiting::Gate;

/// What the server's thread works on, and handles now and then.
pub(crate) struct ServerState {
    pub(crate) engine: Engine<Socket>,
    pub(crate) listeners: Slab<Listener>,
    /// Sockets with more to be read than one turn may read.
    pub(crate) unread: BTreeSet<usize>,
    /// When the server's thread will look at the clock next.
    pub(crate) wakes_at: Timestamp,
    /// Threads that serve: one, none, or two for the moment in which one follows another.
    pub(crate) serving: usize,
}

pub(crate) struct Shared {
    state: Mutex<ServerState>,
    pub(crate) poller: Poller,
    pub(crate) bell: Alarm,
    pub(crate) clock: Clock,
    /// The server's executor. Its tasks own this struct, so it must not own them.
    executor: Weak<Executor<'static>>,
    pub(crate) settings: Arc<ServerSettings>,
    pub(crate) entrance: Arc<Entrance>,
    pub(crate) services: Services,
    pub(crate) running: RunningHandlers,
    /// The claims of connections that have some.
    claims: Mutex<HashMap<ConnectionId, Claims>>,
    pending: Pending,
    /// For tasks that need to own this.
    me: Weak<Self>,
    /// The drain is over.
    pub(crate) drained: Gate,
    /// The drain is over, and the last socket is closed.
    pub(crate) over: Gate,
    /// The server's thread has failed.
    pub(crate) failed: Gate,
}

impl Shared {
    pub(crate) fn new(
        me: &Weak<Self>,
        engine: Engine<Socket>,
        poller: Poller,
        clock: Clock,
        services: Services,
        executor: &Arc<Executor<'static>>,
    ) -> Self {
        let (settings, entrance) = (engine.settings().clone(), engine.entrance().clone());
        let state = ServerState {
            engine,
            listeners: Slab::new(),
            unread: BTreeSet::new(),
            wakes_at: Timestamp::ZERO,
            serving: 0,
        };
        Self {
            state: Mutex::new(state),
            poller,
            bell: Alarm::default(),
            clock,
            executor: Arc::downgrade(executor),
            settings,
            entrance,
            services,
            running: RunningHandlers::default(),
            claims: Mutex::default(),
            pending: Pending::default(),
            me: me.clone(),
            drained: Gate::default(),
            over: Gate::default(),
            failed: Gate::default(),
        }
    }

    /// Starts a task that ends with the server at the latest.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(executor) = self.executor.upgrade() {
            executor.spawn(task).detach();
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, ServerState> {
        self.state.lock()
    }

    /// Changes something in the engine. The server's thread does what follows from that, and is
    /// woken up if it would sleep.
    pub(crate) fn engage<T>(&self, work: impl FnOnce(&mut ServerState, Timestamp) -> T) -> T {
        let mut state = self.lock();
        let now = self.clock.now();
        state.engine.sync_wall_clock(now);
        let result = work(&mut state, now);
        let idle_for = state.engine.idle_for(now);
        let is_early = idle_for.is_some_and(|idle| now + idle < state.wakes_at);
        let is_wanted = is_early || !state.unread.is_empty();
        let is_served = state.serving > 0;
        drop(state);
        if is_served && is_wanted {
            self.ring();
        } else if !is_served {
            self.settle();
        }
        result
    }

    /// Does what follows from a change if no thread serves.
    fn settle(&self) {
        loop {
            let mut state = self.lock();
            let now = self.clock.now();
            state.engine.flush(now, usize::MAX);
            let output = state.engine.next_output();
            drop(state);
            match (output, self.me.upgrade()) {
                (Some(output), Some(shared)) => shared.perform(output),
                _ => break,
            }
        }
    }

    pub(crate) fn ring(&self) {
        if self.bell.ring() {
            self.poller.ring();
        }
    }

    /// Lets the socket of this key be read again.
    pub(crate) fn read_on(&self, key: usize) {
        self.engage(|state, _| state.unread.insert(key));
    }

    /// Keeps claims for handlers. Must be called before the first message of the connection can be
    /// handled.
    pub(crate) fn keep_claims(&self, connection: ConnectionId, claims: Claims) {
        if !self.services.handlers.is_empty() && !claims.is_empty() {
            self.claims.lock().insert(connection, claims);
        }
    }

    pub(crate) fn claims_of(&self, connection: ConnectionId) -> Claims {
        self.claims.lock().get(&connection).cloned().unwrap_or_default()
    }

    /// Does the application's part of an output. Only the server's thread calls this, so that
    /// everything is in order; while there is none, the thread that uses a handle does.
    pub(crate) fn perform(self: &Arc<Self>, output: Output) {
        if !matches!(output, Output::Request { .. } | Output::Raw { .. }) {
            observe(&self.services.observer, &output);
        }
        match output {
            Output::Request { connection, user, request } => {
                RunningHandlers::handle(self, connection, user, request);
            }
            Output::Raw { connection, frame } => {
                if let Some(command) = self.settings.answer_raw(connection, frame) {
                    // If the connection has ended meanwhile, the answer is not needed.
                    let _ = self.command(command);
                }
            }
            Output::Probed { ticket, answers } => self.pending.probed(ticket, answers),
            Output::Answered { ticket, answer } => self.pending.answered(ticket, answer),
            Output::StateWanted { ticket, room } => self.find_state(ticket, room),
            Output::Closed { connection, .. } => {
                if !self.services.handlers.is_empty() {
                    self.claims.lock().remove(&connection);
                }
            }
            Output::Drained => self.drained.open(),
            Output::Notice(_) => {}
        }
    }

    /// Asks the application for the state of a room.
    fn find_state(&self, ticket: Ticket, room: RoomName) {
        let Some(shared) = self.me.upgrade() else { return };
        self.spawn(async move {
            let found = guarded(|| (shared.services.state)(ticket, room.clone())).await;
            let nothing = || Command::State { ticket, room, payload: None };
            // The answer may be too late.
            let _ = shared.command(found.unwrap_or_else(|_| nothing()));
        });
    }
}

impl Host for Shared {
    type Outlet = Held<Socket>;

    fn drive<T>(&self, change: impl FnOnce(&mut Driver<Held<Socket>>, Timestamp) -> T) -> T {
        self.engage(|state, now| change(state.engine.driver(), now))
    }

    fn look<T>(&self, look: impl FnOnce(&Driver<Held<Socket>>) -> T) -> T {
        look(self.lock().engine.as_driver())
    }

    fn entrance(&self) -> &Entrance {
        &self.entrance
    }

    type Peer = usize;

    fn door<T>(&self, change: impl FnOnce(&mut Door<usize>, Timestamp) -> T) -> T {
        self.engage(|state, now| change(state.engine.door(), now))
    }

    fn pending(&self) -> &Pending {
        &self.pending
    }

    fn drained(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.drained.wait())
    }
}
