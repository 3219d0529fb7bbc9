//! The code between a hub and sockets, which every runtime needs and none should write again.

mod frames;
mod outlets;
mod queue;
mod sink;
pub(crate) mod tap;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::driver::tap::Tap;
use crate::hub::Hub;
use crate::hub::action::{Outcome, Output};
use crate::hub::config::{Config, ConfigError};
use crate::hub::event::{Attempt, Command, Event, Ticket};
use crate::hub::stats::Stats;
use crate::protocol::close::{CloseReason, Disconnect, Rejection};
use crate::protocol::codec::{Codec, Frame};
use crate::protocol::from_client::Inbound;
use crate::protocol::id::ConnectionId;
use crate::protocol::name::{Kind, UserName};
use crate::protocol::payload::Payload;
use crate::protocol::refusal::{ErrorCode, Refusal};
use crate::time::Timestamp;

use outlets::Outlets;

pub use sink::LentSocket;

/// Where the driver puts bytes for one connection: a nonblocking socket, in short. Each runtime has one implementation.
///
/// The driver drops it when the connection is over, so its `Drop` must end the socket and whatever reads from it. No method
/// may block or panic, and `Drop` must not either.
pub trait Outlet {
    /// Writes as much of these pieces, in order, as the socket takes now, and says how much that was.
    ///
    /// # Errors
    /// [`Stall::Full`] when it takes nothing now, [`Stall::Broken`] when it never will again.
    fn write(&mut self, parts: &[&[u8]]) -> Result<usize, Stall>;

    /// The socket was full: see to it that [`Driver::writable`] is called when it is not any more.
    fn watch(&mut self);

    /// The close frame has been written, and nothing comes after it: over TCP, shut down the writing direction of the
    /// socket, which the default does not. Without that, a peer that broke the protocol, whose bytes are not looked at any
    /// more, would wait for the end of the connection until the close time-out.
    fn finish(&mut self) {}
}

/// Why an outlet took nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stall {
    /// Not now.
    Full,
    /// Never again.
    Broken,
}

/// How far the wall clock may be from what the hub takes it to be. Below that, the clock is only
/// being adjusted, or was read a moment after the time.
const WALL_CLOCK_SLACK_MS: u64 = 50;

/// A [`Hub`] with its sockets: feeds it what comes in, performs its actions, and reports back what the sockets do.
///
/// A runtime
///
/// 1. parses and authenticates the upgrade, and asks for a seat with [`connect`](Self::connect);
/// 2. answers the upgrade, and hands the socket over with [`open`](Self::open);
/// 3. calls [`text`](Self::text), [`binary`](Self::binary), [`ping`](Self::ping), [`pong`](Self::pong) for what it reads, and
///    [`peer_closed`](Self::peer_closed), [`fail`](Self::fail) or [`lost`](Self::lost) when that ends;
/// 4. calls [`flush`](Self::flush) after each round of such calls, [`writable`](Self::writable) when a watched socket takes
///    bytes again, and [`tick`](Self::tick) when [`next_deadline`](Self::next_deadline) has come;
/// 5. takes what is left to do from [`take_output`](Self::take_output) after each of these.
///
/// Messages are encoded once for each codec, however many get them, and shared down to the socket. They are written by
/// [`flush`](Self::flush), so that what a round has for one socket goes out in one call; only a socket for which more than
/// the high-water mark waits, or whose connection ends, is written to at once.
#[derive(Debug)]
pub struct Driver<O> {
    hub: Hub,
    outlets: Outlets<O>,
    next_ticket: u64,
    tap: Option<Box<dyn Tap>>,
}

impl<O: Outlet> Driver<O> {
    /// A driver without connections. See [`Hub::new`].
    ///
    /// # Errors
    /// When the configuration contradicts itself.
    pub fn new(config: Config, seed: u64, now: Timestamp) -> Result<Self, ConfigError> {
        let water = config.limits.outlet_low_water..config.limits.outlet_high_water;
        let hub = Hub::new(config, seed, now)?;
        Ok(Self { hub, outlets: Outlets::new(water), next_ticket: 0, tap: None })
    }

    /// Attaches a tap, which sees every event and action. Call this before the first event.
    pub fn with_tap(mut self, tap: Box<dyn Tap>) -> Self {
        if let Some(key) = tap.payload_key() {
            self.hub.hide_payloads(key);
        }
        self.tap = Some(tap);
        self
    }

    /// Detaches the tap while the driver lives on.
    pub fn detach_tap(&mut self) {
        self.tap = None;
    }

    /// Asks for a seat, before the upgrade is answered. The seat is held until [`open`](Self::open) or
    /// [`abandon`](Self::abandon), and given back by itself after
    /// [`Limits::handshake_timeout`](crate::Limits::handshake_timeout).
    ///
    /// # Errors
    /// When there is none.
    pub fn connect(&mut self, now: Timestamp, attempt: Attempt) -> Result<ConnectionId, Rejection> {
        let ticket = self.ticket();
        self.feed(now, Event::Connect { ticket, attempt });
        // The hub answers every attempt at once.
        self.outlets.admitted.take().unwrap_or(Err(Rejection::ServerFull))
    }

    /// The upgrade is complete: from here on the socket is the driver's. Answers whether the seat was still there;
    /// if not, the outlet has been dropped.
    pub fn open(&mut self, now: Timestamp, id: ConnectionId, codec: Codec, outlet: O) -> bool {
        self.answer_and_open(now, id, codec, outlet, Vec::new())
    }

    /// As [`open`](Self::open), for an upgrade that has not been answered yet: the answer goes out before everything else, in
    /// one call with what the connection is told first.
    pub fn answer_and_open(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        codec: Codec,
        outlet: O,
        answer: Vec<u8>,
    ) -> bool {
        let reserved = self
            .hub
            .connection(id)
            .is_some_and(|connection| !connection.is_open() && !connection.is_closing());
        if !reserved {
            return false;
        }
        self.outlets.insert(id, codec, outlet, answer);
        self.feed(now, Event::Opened { connection: id });
        true
    }

    /// The upgrade failed: the seat is free again.
    pub fn abandon(&mut self, now: Timestamp, id: ConnectionId) {
        self.feed(now, Event::Disconnected { connection: id, how: Disconnect::HandshakeFailed });
    }

    /// A text message came in.
    pub fn text(&mut self, now: Timestamp, id: ConnectionId, text: &str) {
        if let Some(codec) = self.outlets.codec(id) {
            self.received(now, id, text.len(), codec.decode_text(text));
        }
    }

    /// A binary message came in.
    pub fn binary(&mut self, now: Timestamp, id: ConnectionId, bytes: Bytes) {
        if let Some(codec) = self.outlets.codec(id) {
            self.received(now, id, bytes.len(), codec.decode_binary(bytes));
        }
    }

    fn received(
        &mut self,
        now: Timestamp,
        connection: ConnectionId,
        bytes: usize,
        inbound: Inbound,
    ) {
        self.feed(now, Event::Received { connection, bytes, inbound });
    }

    /// A ping came in; it is answered past all data that waits.
    pub fn ping(&mut self, now: Timestamp, id: ConnectionId, payload: &[u8]) {
        self.outlets.push_control(id, Frame::pong(payload));
        self.feed(now, Event::Alive { connection: id });
    }

    /// A pong came in.
    pub fn pong(&mut self, now: Timestamp, id: ConnectionId, payload: &[u8]) {
        let nonce = core::str::from_utf8(payload).ok().and_then(|digits| digits.parse().ok());
        self.feed(now, Event::Pong { connection: id, nonce });
    }

    /// A close frame came in. It is answered, as far as the socket takes the answer now, and the connection is gone.
    pub fn peer_closed(&mut self, now: Timestamp, id: ConnectionId, code: Option<u16>) {
        self.outlets.push_close(id, Frame::close_reply(code));
        self.feed(now, Event::Disconnected { connection: id, how: Disconnect::ByPeer(code) });
    }

    /// What came in breaks a rule: the connection is closed with this reason.
    pub fn fail(&mut self, now: Timestamp, id: ConnectionId, reason: CloseReason) {
        let command = Command::Close { connection: id, reason };
        // That the connection may be gone already is no news to whoever reports its failure.
        let _ = self.command(now, command);
    }

    /// The socket ended or failed.
    pub fn lost(&mut self, now: Timestamp, id: ConnectionId) {
        self.feed(now, Event::Disconnected { connection: id, how: Disconnect::Lost });
    }

    /// A watched socket takes bytes again.
    pub fn writable(&mut self, now: Timestamp, id: ConnectionId) {
        self.outlets.resume(id);
        self.feed_reports(now);
    }

    /// Does something for the application.
    ///
    /// # Errors
    /// When the hub refuses.
    pub fn command(&mut self, now: Timestamp, command: Command) -> Result<Outcome, Refusal> {
        let ticket = self.ticket();
        self.feed(now, Event::Command { ticket, command });
        // The hub answers every command at once.
        let unanswered = || Err(Refusal::new(ErrorCode::Internal, "the hub did not answer"));
        self.outlets.done.take().unwrap_or_else(unanswered)
    }

    /// Asks every connection of a user whether it is alive. [`Output::Probed`] with this ticket follows, at the latest
    /// after the time-out.
    ///
    /// # Errors
    /// When the user has no open connection, or too many probes are under way.
    pub fn probe(
        &mut self,
        now: Timestamp,
        user: UserName,
        timeout: Option<Duration>,
    ) -> Result<Ticket, Refusal> {
        let ticket = Ticket(self.next_ticket);
        self.command(now, Command::Probe { user, timeout })?;
        Ok(ticket)
    }

    /// Asks a client something. [`Output::Answered`] with this ticket follows, at the latest after the time-out.
    ///
    /// # Errors
    /// When the connection is not open, or too many requests are under way.
    pub fn request(
        &mut self,
        now: Timestamp,
        to: ConnectionId,
        method: Kind,
        payload: Payload,
        timeout: Duration,
    ) -> Result<Ticket, Refusal> {
        let ticket = Ticket(self.next_ticket);
        self.command(now, Command::Request { to, method, payload, timeout })?;
        Ok(ticket)
    }

    /// Begins to go away; [`Output::Drained`] comes at the latest after the time-out.
    pub fn drain(&mut self, now: Timestamp, timeout: Duration, spread: Duration) {
        self.feed(now, Event::Drain { timeout, spread });
    }

    /// Ends every connection at once; nothing is said but what sockets take now.
    pub fn cut_off(&mut self, now: Timestamp) {
        self.drain(now, Duration::ZERO, Duration::ZERO);
        while self.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.tick(now);
        }
    }

    /// Tells what the wall clock says, in milliseconds since the Unix epoch. What is published from
    /// then on has its time. Without effect, and cheap, while the hub takes it to say the same
    /// within 50 ms: call it in every turn of a loop, before the messages of that turn.
    pub fn sync_wall_clock(&mut self, now: Timestamp, unix_ms: u64) {
        // The hub's time does not run backwards.
        let taken = self.hub.wall_clock().unix_ms_at(now.max(self.hub.now));
        if taken.abs_diff(unix_ms) > WALL_CLOCK_SLACK_MS {
            self.feed(now, Event::WallClock { unix_ms });
        }
    }

    /// Handles what is due.
    pub fn tick(&mut self, now: Timestamp) {
        self.feed(now, Event::Tick);
    }

    /// As [`tick`](Self::tick), if something is due. Answers when something will be.
    pub fn tick_if_due(&mut self, now: Timestamp) -> Option<Timestamp> {
        if self.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.tick(now);
        }
        self.next_deadline()
    }

    /// When [`tick`](Self::tick) is due next.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.hub.next_deadline()
    }

    /// Writes to at most `max` sockets what waits for them. Answers whether others still wait, so that a large
    /// broadcast can be spread over several turns.
    pub fn flush(&mut self, now: Timestamp, max: usize) -> bool {
        for _ in 0..max {
            if !self.outlets.flush_next() {
                break;
            }
        }
        self.feed_reports(now);
        self.unflushed() > 0
    }

    /// Lends at most `max` sockets that have something to be written, so that other threads can
    /// write it. What is sent to them meanwhile waits until [`take_back`](Self::take_back). Only
    /// writing is shared: all rules stay on this thread.
    pub fn lend(&mut self, now: Timestamp, max: usize) -> Vec<LentSocket<O>> {
        let mut sockets = Vec::with_capacity(max.min(self.unflushed()));
        while sockets.len() < max
            && let Some(socket) = self.outlets.lend()
        {
            sockets.push(socket);
        }
        self.feed_reports(now);
        sockets
    }

    /// Takes back sockets that [`lend`](Self::lend) returned.
    pub fn take_back(&mut self, now: Timestamp, sockets: impl IntoIterator<Item = LentSocket<O>>) {
        for socket in sockets {
            self.outlets.take_back(socket);
        }
        self.feed_reports(now);
    }

    /// The number of sockets that are lent.
    pub fn lent(&self) -> usize {
        self.outlets.lent()
    }

    /// How many sockets have something to be flushed.
    pub fn unflushed(&self) -> usize {
        self.outlets.dirty()
    }

    /// Whether there is something to do for the application.
    pub fn has_output(&self) -> bool {
        !self.outlets.outputs.is_empty()
    }

    /// What is left to do, oldest first.
    pub fn take_output(&mut self) -> Option<Output> {
        self.outlets.outputs.pop_front()
    }

    /// The hub, to look at.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The hub's numbers, with the bytes that went to sockets.
    pub fn stats(&self) -> Stats {
        Stats { bytes_out: self.outlets.bytes_out, ..self.hub.stats() }
    }

    fn ticket(&mut self) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        ticket
    }

    fn feed(&mut self, now: Timestamp, event: Event) {
        self.feed_one(now, event);
        self.feed_reports(now);
    }

    /// Tells the hub what its sockets did meanwhile. Each report is about a change of one connection's state, so
    /// this ends.
    fn feed_reports(&mut self, now: Timestamp) {
        while let Some(event) = self.outlets.reports.pop_front() {
            let writable =
                if let Event::Writable { connection } = event { Some(connection) } else { None };
            self.feed_one(now, event);
            if let Some(id) = writable {
                let blocked = self.hub.connection(id).is_some_and(|c| c.is_blocked());
                self.outlets.set_blocked(id, blocked);
            }
        }
    }

    fn feed_one(&mut self, now: Timestamp, event: Event) {
        if let Some(tap) = &mut self.tap {
            tap.event(&self.hub, now, &event);
        }
        for action in self.hub.handle(now, event) {
            if let Some(tap) = &mut self.tap {
                tap.action(&action);
            }
            self.outlets.perform(action);
        }
    }
}
