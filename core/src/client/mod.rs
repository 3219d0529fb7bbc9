//! The client's side of a connection, as a state machine: when to dial, when to give up, what to
//! send again, and which publications are duplicates.
//!
//! It is to a client what [`Hub`](crate::Hub) is to a server: no IO, no clock, no randomness but
//! its seed.
//! `docs/client-machine.md` describes it; the browser client is the same machine, and both run the
//! same vectors.
//!
//! ```
//! use switchboard_core::client::{
//!     ClientConfig, Machine, MachineAction, MachineEvent, ServerMessage, State,
//! };
//! use switchboard_core::{Json, Kind, Payload, RoomName, Ticket, Timestamp};
//!
//! let mut client = Machine::new(ClientConfig::default(), "7c1f", 42)?;
//! let now = Timestamp::ZERO;
//!
//! // Messages sent before there is a connection wait for it.
//! let hello = MachineEvent::Send {
//!     ticket: Ticket(1),
//!     room: Some(RoomName::new("lobby")?),
//!     kind: Kind::new("chat")?,
//!     key: None,
//!     payload: Payload::Json(Json::of(&"hello")?),
//! };
//! assert_eq!(client.handle(now, hello).count(), 0);
//! let dial = client.handle(now, MachineEvent::Connect).last();
//! assert_eq!(dial, Some(MachineAction::Dial { token: None, session: None }));
//!
//! // The shell opens a socket; the server sends `connected`.
//! assert_eq!(client.handle(now, MachineEvent::Opened).count(), 0);
//! let connected = ServerMessage::from_text(r#"{"type":"connected","session":"5be0cd19137e2179"}"#);
//! for action in client.handle(now, MachineEvent::Received(connected)) {
//!     println!("{action:?}"); // State Open, then Transmit of the message
//! }
//! assert_eq!(client.state(), State::Open);
//!
//! // The answer settles the ticket.
//! let ack = ServerMessage::from_text(r#"{"type":"ack","id":"7c1f-1","event_id":"00c9f1b2a4d07e35:1"}"#);
//! let settled = client.handle(now, MachineEvent::Received(ack)).next();
//! assert!(matches!(settled, Some(MachineAction::Settled { ticket: Ticket(1), result: Ok(_) })));
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
use alloc::vec::Vec;

use crate::protocol::name::{MessageId, NameError, RoomName, UserName};
use crate::protocol::position::Position;
use crate::time::Timestamp;

use action::Queue;
use backoff::Backoff;
use connection::Phase;
use outgoing::Outgoing;
use rooms::Rooms;

pub use crate::protocol::codec::Outbound;
pub use crate::protocol::server_message::{
    Delivery, Greeting, Refused, ServerMessage, SessionToken,
};
pub use action::{
    Accepted, Failure, Joined, MachineAction, MachineActions, Members, RoomChange, RoomHistory,
    Settled,
};
pub use config::ClientConfig;
pub use event::{CloseFrame, MachineEvent, Question, ReplyError, Token};
pub use state::{Cause, ComesBack, State};

/// The state machine between an application and its socket.
///
/// The driver
///
/// 1. feeds a [`MachineEvent`] with the current time to [`handle`](Self::handle),
/// 2. performs the [`MachineActions`] that come out, in order,
/// 3. feeds [`MachineEvent::Tick`] when [`next_deadline`](Self::next_deadline) has come.
///
/// `handle` never fails and never panics; the same seed and the same events at the same times give
/// the same actions. The [module](self) has an example.
#[derive(Debug)]
pub struct Machine {
    config: ClientConfig,
    now: Timestamp,
    phase: Phase,
    backoff: Backoff,
    token: Option<Token>,
    /// The server refused a token, and has not accepted one since.
    asked_again: bool,
    session: Option<SessionToken>,
    features: Vec<Arc<str>>,
    client_id: Option<Arc<str>>,
    user: Option<UserName>,
    max_message_bytes: Option<usize>,
    rooms: Rooms,
    outgoing: Outgoing,
    ids: Ids,
    queue: Queue,
    stats: ClientStats,
}

/// Counters of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClientStats {
    /// Messages from the server that this client does not understand.
    pub unreadable: u64,
    /// Answers that nothing waits for, and events that do not fit the state.
    pub strangers: u64,
    /// Publications that were duplicates.
    pub repeated: u64,
}

impl Machine {
    /// Creates a client, which does nothing until [`MachineEvent::Connect`].
    ///
    /// The ids of its messages start with the prefix. A server treats two messages of one user with
    /// the same id as the same message, so take the prefix from the system's randomness. The seed
    /// decides the waits; clients that share it reconnect at the same time.
    ///
    /// # Errors
    /// If the prefix is empty, longer than [`Machine::PREFIX_MAX_BYTES`], or has a control
    /// character.
    pub fn new(config: ClientConfig, id_prefix: &str, seed: u32) -> Result<Self, NameError> {
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
            features: Vec::new(),
            client_id: None,
            user: None,
            max_message_bytes: None,
            rooms: Rooms::default(),
            outgoing: Outgoing::default(),
            ids: Ids { prefix: id_prefix.into(), last: 0 },
            queue: Queue::default(),
            stats: ClientStats::default(),
            config,
        })
    }

    /// The longest prefix of ids, in bytes: `-` and 20 digits fit after it.
    pub const PREFIX_MAX_BYTES: usize = MessageId::MAX_BYTES - 21;

    /// Processes one event and returns the actions to perform.
    ///
    /// A `now` earlier than that of a previous call counts as the previous one.
    ///
    /// # Cost
    /// Linear in the number of rooms and of unanswered messages when a connection begins or ends,
    /// and small for each other event.
    pub fn handle(&mut self, now: Timestamp, event: MachineEvent) -> MachineActions<'_> {
        self.queue.begin();
        self.now = self.now.max(now);
        match event {
            MachineEvent::Connect => self.connect(),
            MachineEvent::Stop => self.stop(),
            MachineEvent::Token(result) => self.token(result),
            MachineEvent::Opened => self.opened(),
            MachineEvent::Received(message) => self.received(message),
            MachineEvent::Alive => self.alive(),
            MachineEvent::Ended(close) => self.ended(close),
            MachineEvent::Refused { status, code, retry_after } => {
                self.refused(status, code, retry_after);
            }
            MachineEvent::Join { ticket, room, since } => self.join(ticket, room, since),
            MachineEvent::Leave { ticket, room } => self.leave(ticket, &room),
            MachineEvent::Send { ticket, room, kind, key, payload } => {
                self.send(ticket, room, &kind, key.as_ref(), &payload);
            }
            MachineEvent::Direct { ticket, to, payload } => self.direct(ticket, &to, &payload),
            MachineEvent::Request { ticket, room, kind, payload, timeout } => {
                self.request(ticket, room, &kind, &payload, timeout);
            }
            MachineEvent::Ask { ticket, question, timeout } => self.ask(ticket, &question, timeout),
            MachineEvent::Cancel { ticket } => self.cancel(ticket),
            MachineEvent::Reply { id, result } => self.reply(&id, result.as_ref()),
            MachineEvent::Wake => self.wake(),
            MachineEvent::Tick => self.tick(),
        }
        self.queue.drain()
    }

    /// Returns when the next [`MachineEvent::Tick`] is due; `None` if nothing waits for time.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let connection = self.phase.deadline();
        [connection, self.outgoing.deadline()].into_iter().flatten().min()
    }

    /// Returns the state of the connection. [`State::Waiting`] has the time that is left.
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Idle => State::Idle,
            Phase::Token { .. } | Phase::Dialling { .. } => State::Connecting,
            Phase::Open { .. } => State::Open,
            Phase::Waiting { until } => State::Waiting { retry_in: until - self.now },
            Phase::Closed => State::Closed,
        }
    }

    /// Returns the last position seen in a room that the client is in or will rejoin. If the room
    /// is part of the address, pass this as `last_event_id` in the address of the next dial.
    pub fn position(&self, room: &str) -> Option<Position> {
        self.rooms.position(room)
    }

    /// Returns the wanted rooms, in no particular order, and whether the client is in each.
    pub fn rooms(&self) -> impl Iterator<Item = (&RoomName, bool)> {
        self.rooms.iter()
    }

    /// Returns the user that the last `connected` named.
    pub fn user(&self) -> Option<&UserName> {
        self.user.as_ref()
    }

    /// Returns what the server has beyond the first version of the protocol, by the last
    /// `connected`: one word for each addition, none for a server that lists nothing.
    pub fn features(&self) -> &[Arc<str>] {
        &self.features
    }

    /// Returns whether the server listed this word in the last `connected`. What was added to the
    /// protocol after its first version is only for servers that list it.
    pub fn supports(&self, feature: &str) -> bool {
        self.features.iter().any(|word| &**word == feature)
    }

    /// Returns the server's id of the last connection.
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// Returns the number of messages that wait to be transmitted, and the number of those
    /// transmitted but unanswered.
    pub fn unanswered(&self) -> (usize, usize) {
        self.outgoing.counts()
    }

    /// Returns the counters.
    pub fn stats(&self) -> ClientStats {
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
    /// The next id, which only [`Ids::take`] uses up.
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
