//! The client's side of a connection, as a state machine: when to dial, when to give up, what to send again, what
//! was seen already.
//!
//! It is to a client what [`Hub`](crate::Hub) is to a server: no IO, no clock, no randomness but its seed.
//! `docs/client-machine.md` describes it; the browser's client is the same machine, and both play the same vectors.
//!
//! ```
//! use switchboard_core::client::{Action, Client, Config, Event, ServerMessage, State};
//! use switchboard_core::{Json, Kind, Payload, RoomName, Ticket, Timestamp};
//!
//! let mut client = Client::new(Config::default(), "7c1f", 42)?;
//! let now = Timestamp::ZERO;
//!
//! // What is sent before there is a connection waits for it.
//! let hello = Event::Send {
//!     ticket: Ticket(1),
//!     room: Some(RoomName::new("lobby")?),
//!     kind: Kind::new("chat")?,
//!     key: None,
//!     payload: Payload::Json(Json::of(&"hello")?),
//! };
//! assert_eq!(client.handle(now, hello).count(), 0);
//! let dial = client.handle(now, Event::Connect).last();
//! assert_eq!(dial, Some(Action::Dial { token: None, session: None }));
//!
//! // The shell opens a socket; the server says its first word.
//! assert_eq!(client.handle(now, Event::Opened).count(), 0);
//! let connected = ServerMessage::from_text(r#"{"type":"connected","session":"5be0cd19137e2179"}"#);
//! for action in client.handle(now, Event::Received(connected)) {
//!     println!("{action:?}"); // State Open, then Transmit of the message
//! }
//! assert_eq!(client.state(), State::Open);
//!
//! // The answer settles the ticket.
//! let ack = ServerMessage::from_text(r#"{"type":"ack","id":"7c1f-1","event_id":"00c9f1b2a4d07e35:1"}"#);
//! let settled = client.handle(now, Event::Received(ack)).next();
//! assert!(matches!(settled, Some(Action::Settled { ticket: Ticket(1), result: Ok(_) })));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod action;
mod backoff;
mod config;
mod connection;
mod event;
mod incoming;
mod outgoing;
mod rooms;
mod state;

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use crate::protocol::name::{MessageId, NameError, RoomName, UserName};
use crate::protocol::position::Position;
use crate::time::Timestamp;

use action::Queue;
use backoff::Backoff;
use connection::Phase;
use outgoing::Outgoing;
use rooms::Rooms;

pub use crate::protocol::codec::Outbound;
pub use crate::protocol::server_message::{Delivery, Greeting, Refused, ServerMessage, Session};
pub use action::{Action, Actions, Failure, Joined, RoomChange, Settled};
pub use config::Config;
pub use event::{CloseFrame, Event, Question, ReplyError, Token};
pub use state::{Cause, ComesBack, State};

/// What stands between an application and its socket.
///
/// Whoever drives it
///
/// 1. feeds an [`Event`] with the current time to [`handle`](Self::handle),
/// 2. performs the [`Actions`] that come out, in order,
/// 3. feeds [`Event::Tick`] when [`next_deadline`](Self::next_deadline) has come.
///
/// `handle` never fails and never panics; the same seed and the same events at the same times give the same actions.
/// The [module](self) has an example.
#[derive(Debug)]
pub struct Client {
    config: Config,
    now: Timestamp,
    phase: Phase,
    backoff: Backoff,
    token: Option<Token>,
    /// The server refused a token, and has not accepted one since.
    asked_again: bool,
    session: Option<Session>,
    client_id: Option<Arc<str>>,
    user: Option<UserName>,
    max_message_bytes: Option<usize>,
    rooms: Rooms,
    outgoing: Outgoing,
    ids: Ids,
    queue: Queue,
    stats: Stats,
}

/// What a client counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Messages of a server that mean nothing to this client.
    pub unreadable: u64,
    /// Answers that nobody waits for, and what came when it could not have.
    pub strangers: u64,
    /// Publications that had been seen already.
    pub repeated: u64,
}

impl Client {
    /// A client that has not started.
    ///
    /// Its messages have ids that begin with the prefix; a server takes two messages of one user with the same id for the
    /// same message. So take a prefix from the system's randomness. The seed decides the waits; clients that share it
    /// come back at the same time.
    ///
    /// # Errors
    /// When the prefix is empty, longer than [`Client::PREFIX_MAX_BYTES`], or has a control character.
    pub fn new(config: Config, id_prefix: &str, seed: u32) -> Result<Self, NameError> {
        MessageId::new(id_prefix)?;
        if id_prefix.len() > Self::PREFIX_MAX_BYTES {
            return Err(NameError::TooLong(Self::PREFIX_MAX_BYTES));
        }
        Ok(Self {
            now: Timestamp::ZERO,
            phase: Phase::Idle,
            backoff: Backoff::new(seed),
            token: None,
            asked_again: false,
            session: None,
            client_id: None,
            user: None,
            max_message_bytes: None,
            rooms: Rooms::default(),
            outgoing: Outgoing::default(),
            ids: Ids { prefix: id_prefix.into(), last: 0 },
            queue: Queue::default(),
            stats: Stats::default(),
            config,
        })
    }

    /// The longest prefix of ids: `-` and 20 digits fit behind it.
    pub const PREFIX_MAX_BYTES: usize = MessageId::MAX_BYTES - 21;

    /// Takes one event in, and gives out what is to be done about it.
    ///
    /// A `now` before that of an earlier call counts as that one.
    ///
    /// # Cost
    /// Grows with the number of rooms and of messages without an answer when a connection begins or ends, and a
    /// little with each event.
    pub fn handle(&mut self, now: Timestamp, event: Event) -> Actions<'_> {
        self.queue.begin();
        self.now = self.now.max(now);
        match event {
            Event::Connect => self.connect(),
            Event::Stop => self.stop(),
            Event::Token(result) => self.token(result),
            // `connected` is what counts.
            Event::Opened => {}
            Event::Received(message) => self.received(message),
            Event::Alive => self.alive(),
            Event::Ended(close) => self.ended(close),
            Event::Refused { status, retry_after } => self.refused(status, retry_after),
            Event::Join { ticket, room, since } => self.join(ticket, room, since),
            Event::Leave { ticket, room } => self.leave(ticket, &room),
            Event::Send { ticket, room, kind, key, payload } => {
                self.send(ticket, room, &kind, key.as_ref(), &payload);
            }
            Event::Direct { ticket, to, payload } => self.direct(ticket, &to, &payload),
            Event::Request { ticket, room, kind, payload, timeout } => {
                self.request(ticket, room, &kind, &payload, timeout);
            }
            Event::Ask { ticket, question, timeout } => self.ask(ticket, &question, timeout),
            Event::Cancel { ticket } => self.cancel(ticket),
            Event::Reply { id, result } => self.reply(&id, result.as_ref()),
            Event::Wake => self.wake(),
            Event::Tick => self.tick(),
        }
        self.queue.drain()
    }

    /// When [`Event::Tick`] is due next. `None` when nothing waits for time.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let connection = self.phase.deadline();
        [connection, self.outgoing.deadline()].into_iter().flatten().min()
    }

    /// Where the client is. In [`State::Waiting`], with the time that is left.
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Idle => State::Idle,
            Phase::Token { .. } | Phase::Dialling { .. } => State::Connecting,
            Phase::Open { .. } => State::Open,
            Phase::Waiting { until } => State::Waiting { retry_in: until - self.now },
            Phase::Closed => State::Closed,
        }
    }

    /// What has been seen of a room that the client is in, or will be in again. Where the room is part of the
    /// address, this belongs into the address of the next dial as `last_event_id`.
    pub fn position(&self, room: &str) -> Option<Position> {
        self.rooms.position(room)
    }

    /// The rooms that are wanted, in no particular order, and whether the client is in them.
    pub fn rooms(&self) -> impl Iterator<Item = (&RoomName, bool)> {
        self.rooms.iter()
    }

    /// Who the server takes the client for, since the last `connected`.
    pub fn user(&self) -> Option<&UserName> {
        self.user.as_ref()
    }

    /// What the server calls the last connection.
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// How many messages wait to be transmitted, and how many were and have no answer yet.
    pub fn unanswered(&self) -> (usize, usize) {
        self.outgoing.counts()
    }

    /// Counters.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. })
    }

    fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }
}

/// The ids of messages: a prefix and a number.
#[derive(Debug)]
struct Ids {
    prefix: String,
    last: u64,
}

impl Ids {
    /// The next id, which is only used up by [`Ids::take`].
    fn peek(&self) -> String {
        self.text(self.last.saturating_add(1))
    }

    fn take(&mut self) -> u64 {
        self.last = self.last.saturating_add(1);
        self.last
    }

    fn text(&self, number: u64) -> String {
        format!("{}-{number}", self.prefix)
    }

    /// The number of an id that was given out here.
    fn number(&self, id: &MessageId) -> Option<u64> {
        let digits = id.strip_prefix(&*self.prefix)?.strip_prefix('-')?;
        if digits.starts_with(['0', '+']) {
            return None;
        }
        digits.parse().ok()
    }
}
