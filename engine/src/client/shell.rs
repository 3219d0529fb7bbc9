//! The machine behind a lock, between the application's calls, its events and the loop.

use std::collections::VecDeque;
use std::fmt;
use std::io::{Read, Write};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::events::{Events, Queue};
use super::link::{Arrived, Link, Over};
use super::setup::Setup;
use crate::slots::Slots;
use switchboard_core::client::{
    Failure, Machine, MachineAction, MachineEvent, Outbound, ReplyError, SessionToken, Settled,
    State as ConnectionState, Token,
};
use switchboard_core::{Position, Ticket, Timestamp};

/// How long something that is due waits, at most, while there is more to be read.
const READ_FIRST: Duration = Duration::from_secs(1);

/// What a runtime provides to a client.
pub trait Outside: Send + Sync {
    /// The time since a fixed moment.
    fn now(&self) -> Timestamp;

    /// Lets the task or thread of the client know that there are [`Orders`].
    fn ring(&self);
}

/// How to open a socket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DialOrder {
    /// The token to present.
    pub token: Option<Token>,
    /// The user's name.
    pub user: Option<String>,
    /// The session to resume.
    pub session: Option<SessionToken>,
    /// The position that was reached in the address's room.
    pub last_event_id: Option<Position>,
}

/// What the loop must do, in the order of the fields.
#[derive(Debug, Default)]
pub struct Orders {
    /// Messages to send.
    pub outbound: VecDeque<Outbound>,
    /// Close the socket, with this code if there is one, or give up opening it. [`Shell::closed`]
    /// follows.
    pub drop: Option<Option<u16>>,
    /// Get a token, and answer with [`Shell::token`].
    pub ask_token: bool,
    /// Open a socket, and answer with [`Shell::arrived`] or [`Shell::over`].
    pub dial: Option<DialOrder>,
    /// When something is due: [`Shell::turn`] or [`Shell::tick`] does it.
    pub deadline: Option<Timestamp>,
    /// The last handle has been dropped: when this has been done, end.
    pub last: bool,
}

/// What is behind the lock.
struct State {
    machine: Machine,
    tickets: u64,
    calls: Slots<Result<Settled, Failure>>,
    events: Queue,
    orders: Orders,
    detail: Option<Arc<str>>,
    /// The socket is being closed properly; these wait for that.
    closing: bool,
    stopping: Vec<Waker>,
    last: bool,
    over: bool,
    /// Since when something is due that waits for what has arrived to be read.
    reading_since: Option<Timestamp>,
}

/// A client: what its calls, its events and its loop share.
pub struct Shell {
    state: Mutex<State>,
    outside: Arc<dyn Outside>,
    setup: Arc<Setup>,
}

impl Shell {
    /// A client that has not started, and its events. The randomness makes the ids of messages
    /// unique, and spreads the waits before reconnects.
    pub fn new<K>(
        setup: Arc<Setup>,
        random: u64,
        outside: Arc<dyn Outside>,
    ) -> (Arc<Self>, Events<K>) {
        let prefix = format!("{random:016x}");
        #[expect(clippy::cast_possible_truncation, reason = "any 32 bits will do")]
        let seed = (random ^ (random >> 32)) as u32;
        #[expect(clippy::expect_used, reason = "16 digits")]
        let machine =
            Machine::new(setup.settings.config.clone(), &prefix, seed).expect("a good prefix");
        let state = State {
            machine,
            tickets: 0,
            calls: Slots::default(),
            events: Queue::new(setup.settings.max_events, setup.settings.max_event_bytes),
            orders: Orders::default(),
            detail: None,
            closing: false,
            stopping: Vec::new(),
            last: false,
            over: false,
            reading_since: None,
        };
        let shell = Arc::new(Self { state: Mutex::new(state), outside, setup });
        (shell.clone(), Events::new(shell))
    }

    /// The setup that it was made with.
    pub fn setup(&self) -> &Arc<Setup> {
        &self.setup
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn perform(&self, event: MachineEvent, before: impl FnOnce(&mut State)) {
        let now = self.outside.now();
        let mut wakers = Vec::new();
        let mut state = self.lock();
        before(&mut state);
        state.perform(now, event, &self.setup, &mut wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Feeds what the application wants.
    pub fn feed(&self, event: MachineEvent) {
        self.perform(event, |_| {});
        self.outside.ring();
    }

    pub(super) fn busy() -> ReplyError {
        let message = "the client's application does not take requests".into();
        ReplyError { code: "busy".into(), message }
    }

    /// Begins a call.
    pub(super) fn call(&self, event: impl FnOnce(Ticket) -> MachineEvent) -> Option<Ticket> {
        let now = self.outside.now();
        let mut wakers = Vec::new();
        let mut state = self.lock();
        if state.over {
            return None;
        }
        state.tickets += 1;
        let ticket = Ticket(state.tickets);
        state.calls.open(ticket);
        state.perform(now, event(ticket), &self.setup, &mut wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        self.outside.ring();
        Some(ticket)
    }

    pub(super) fn poll_call(
        &self,
        ticket: Ticket,
        cx: &Context<'_>,
    ) -> Poll<Result<Settled, Failure>> {
        let polled = self.lock().calls.poll(ticket, cx);
        polled.map(|result| result.unwrap_or(Err(Failure::Stopped)))
    }

    /// The caller no longer waits, but the call goes on.
    pub(super) fn forget(&self, ticket: Ticket) {
        self.lock().calls.close(ticket);
    }

    /// Cancels a call.
    pub(super) fn cancel(&self, ticket: Ticket) {
        let is_waiting = self.lock().calls.close(ticket);
        if is_waiting {
            self.feed(MachineEvent::Cancel { ticket });
        }
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&Machine) -> T) -> T {
        look(&self.lock().machine)
    }

    /// The state, with the time that is left until the next attempt.
    pub(super) fn state(&self) -> ConnectionState {
        let now = self.outside.now();
        let state = self.lock();
        match (state.machine.state(), state.machine.next_deadline()) {
            (ConnectionState::Waiting { retry_in }, Some(due)) => {
                ConnectionState::Waiting { retry_in: retry_in.min(due - now) }
            }
            (state, _) => state,
        }
    }

    pub(super) fn with_events<T>(&self, f: impl FnOnce(&mut Queue) -> T) -> T {
        f(&mut self.lock().events)
    }

    /// Whether the socket has been closed since the client was stopped.
    pub(super) fn poll_closed(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.over || !state.closing {
            return Poll::Ready(());
        }
        state.stopping.push(cx.waker().clone());
        Poll::Pending
    }

    /// The last handle has been dropped.
    pub(super) fn leave(&self) {
        self.perform(MachineEvent::Stop, |state| state.last = true);
        self.outside.ring();
    }

    /// What the loop must do. Each order is returned once.
    pub fn orders(&self) -> Orders {
        let mut state = self.lock();
        let mut orders = mem::take(&mut state.orders);
        orders.deadline = state.machine.next_deadline();
        orders.last = state.last;
        orders
    }

    /// The answer to [`Orders::ask_token`].
    pub fn token(&self, result: Result<String, String>) {
        let result = result.map(|token| Token::new(&token)).map_err(|why| Arc::from(&*why));
        self.perform(MachineEvent::Token(result), |_| {});
    }

    /// Something came in on the socket.
    pub fn arrived(&self, arrived: Arrived) {
        let event = match arrived {
            Arrived::Opened => MachineEvent::Opened,
            Arrived::Message(message) => MachineEvent::Received(message),
            Arrived::Alive => MachineEvent::Alive,
        };
        // What arrives while the socket is to be dropped is ignored.
        if self.lock().orders.drop.is_none() {
            self.perform(event, |_| {});
        }
    }

    /// The socket has ended, or could not be opened.
    pub fn over(&self, over: Over) {
        let (event, detail) = match over {
            Over::Closed(close) => (MachineEvent::Ended(Some(close)), None),
            Over::Refused { status, code, retry_after, why } => {
                let code = code.map(Arc::from);
                (MachineEvent::Refused { status, code, retry_after }, Some(why))
            }
            Over::Failed(why) => (MachineEvent::Ended(None), Some(why)),
        };
        if self.lock().orders.drop.is_some() {
            return;
        }
        self.perform(event, |state| {
            state.orders.outbound.clear();
            state.detail = detail.map(|why| Arc::from(&*why));
        });
    }

    /// The socket that was to be dropped with a code is closed.
    pub fn closed(&self) {
        let wakers = {
            let mut state = self.lock();
            state.closing = false;
            mem::take(&mut state.stopping)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// One turn of a connection: reads and writes what is possible without waiting, and then does
    /// what is due. Returns whether anything was done, or is left to be done at once.
    ///
    /// What has arrived is read before the clock judges, so that a process that was stopped or a
    /// machine that was suspended does not take a server for silent whose messages wait in the
    /// socket. While there is more to be read, what is due waits for it, for a second at most.
    ///
    /// # Errors
    /// If the connection is over; the loop passes this on to [`over`](Self::over).
    pub fn turn<S: Read + Write>(&self, link: &mut Link, socket: &mut S) -> Result<bool, Over> {
        let mut arrived = false;
        let more = link.turn(socket, &mut |what| {
            arrived = true;
            self.arrived(what);
        })?;
        Ok(self.tick_if_due(more) || arrived || more)
    }

    /// Does what is due, where there is no connection. Returns whether anything was.
    pub fn tick(&self) -> bool {
        self.tick_if_due(false)
    }

    fn tick_if_due(&self, has_more_to_read: bool) -> bool {
        let now = self.outside.now();
        let may_tick = {
            let mut state = self.lock();
            if state.machine.next_deadline().is_some_and(|due| due <= now) {
                let since = *state.reading_since.get_or_insert(now);
                !has_more_to_read || now - since >= READ_FIRST
            } else {
                state.reading_since = None;
                false
            }
        };
        if may_tick {
            self.perform(MachineEvent::Tick, |state| state.reading_since = None);
        }
        may_tick
    }

    /// The loop has ended: calls fail, and there are no more events.
    pub fn ended(&self) {
        let mut wakers = Vec::new();
        let now = self.outside.now();
        let mut state = self.lock();
        state.perform(now, MachineEvent::Stop, &self.setup, &mut wakers);
        state.over = true;
        state.events.over = true;
        state.events.wake(&mut wakers);
        wakers.extend(mem::take(&mut state.stopping));
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl State {
    fn perform(
        &mut self,
        now: Timestamp,
        event: MachineEvent,
        setup: &Setup,
        wakers: &mut Vec<Waker>,
    ) {
        let mut unanswered = Vec::new();
        for action in self.machine.handle(now, event) {
            match action {
                MachineAction::Drop { code } => {
                    if code.is_none() {
                        self.orders.outbound.clear();
                    }
                    self.closing |= code.is_some();
                    self.orders.drop = Some(code);
                    self.orders.dial = None;
                    self.orders.ask_token = false;
                }
                MachineAction::State { state, cause } => {
                    self.events.state(state, cause, self.detail.take());
                    self.events.wake(wakers);
                }
                MachineAction::Deliver(delivery) => {
                    self.events.delivery(delivery);
                    self.events.wake(wakers);
                }
                MachineAction::Room { room, change } => {
                    self.events.room(room, change);
                    self.events.wake(wakers);
                }
                MachineAction::Requested { id, method, payload } => {
                    unanswered.extend(self.events.request(id, method, payload));
                    self.events.wake(wakers);
                }
                MachineAction::Settled { ticket, result } => {
                    wakers.extend(self.calls.answer(ticket, result));
                }
                MachineAction::AskToken => self.orders.ask_token = true,
                MachineAction::Dial { token, session } => {
                    self.orders.dial = Some(DialOrder {
                        token: token.or_else(|| setup.token.clone()),
                        user: setup.user.clone(),
                        session,
                        last_event_id: None,
                    });
                }
                MachineAction::Transmit(message) => self.orders.outbound.push_back(message),
            }
        }
        if let Some(dial) = &mut self.orders.dial
            && let Some(room) = setup.address.room()
        {
            dial.last_event_id = self.machine.position(room);
        }
        for id in unanswered {
            let reply = MachineEvent::Reply { id, result: Err(Shell::busy()) };
            for action in self.machine.handle(now, reply) {
                if let MachineAction::Transmit(message) = action {
                    self.orders.outbound.push_back(message);
                }
            }
        }
    }
}

impl fmt::Debug for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shell")
            .field("address", &self.setup.address.to_string())
            .finish_non_exhaustive()
    }
}
