//! What comes out of the machine.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use serde::de::DeserializeOwned;

use crate::hub::event::Ticket;
use crate::protocol::codec::Outbound;
use crate::protocol::name::{MessageId, RoomName, UserName};
use crate::protocol::payload::Payload;
use crate::protocol::position::Position;
use crate::protocol::server_message::{Delivery, Refused, SessionToken};
use crate::protocol::to_client::Publication;

use super::event::Token;
use super::state::{Cause, State};

/// Something to do or to know, in order.
///
/// The list is exhaustive on purpose, so that a shell that has not heard of a new action does not compile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MachineAction {
    /// Close the socket, and feed no event of it any more.
    Drop {
        /// With this code; without one, just drop it.
        code: Option<u16>,
    },
    /// The state changed.
    State {
        /// To this.
        state: State,
        /// Because of this, where it was not the application that wanted it.
        cause: Option<Cause>,
    },
    /// A message for the application.
    Deliver(Delivery),
    /// The server's application asks. Answer with [`MachineEvent::Reply`](super::MachineEvent::Reply).
    Requested {
        /// Goes into the answer.
        id: MessageId,
        /// What is asked for.
        method: Arc<str>,
        /// With this.
        payload: Payload,
    },
    /// The client is in a room, or no longer, and no ticket is waiting to hear of that.
    Room {
        /// The room.
        room: RoomName,
        /// What happened.
        change: RoomChange,
    },
    /// The answer to a call: exactly one for each ticket that is not cancelled.
    Settled {
        /// The call's.
        ticket: Ticket,
        /// What came of it.
        result: Result<Settled, Failure>,
    },
    /// Ask for a token, and answer with [`MachineEvent::Token`](super::MachineEvent::Token).
    AskToken,
    /// Open a socket to the server.
    Dial {
        /// With this token.
        token: Option<Token>,
        /// To go on with this session.
        session: Option<SessionToken>,
    },
    /// Send this message.
    Transmit(Outbound),
}

impl MachineAction {
    /// Its place among the actions of one event.
    fn rank(&self) -> (u8, Ticket) {
        match self {
            Self::Drop { .. } => (0, Ticket(0)),
            Self::State { .. } => (1, Ticket(0)),
            Self::Deliver(_) | Self::Requested { .. } => (2, Ticket(0)),
            Self::Room { .. } => (3, Ticket(0)),
            Self::Settled { ticket, .. } => (4, *ticket),
            Self::AskToken | Self::Dial { .. } => (5, Ticket(0)),
            Self::Transmit(_) => (6, Ticket(0)),
        }
    }
}

/// What happened between the client and a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RoomChange {
    /// The client is in it.
    Joined(Joined),
    /// It could not be entered again: the server says why. Or the server took the client out of it.
    Left(Option<Refused>),
}

/// How a room's stream begins, or begins again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Joined {
    /// It goes on after this.
    pub position: Position,
    /// Whether nothing is missing since the position that the client had; a refresh follows if something is.
    /// `None` when it had none.
    pub recovered: Option<bool>,
}

/// What came of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Settled {
    /// Of `join`: the client is in the room.
    Joined(Joined),
    /// Of `leave`: it is not.
    Left,
    /// Of a message or request: the server took it.
    Accepted(Accepted),
    /// Of a question for members.
    Members(Members),
    /// Of a question for history.
    History(RoomHistory),
}

/// The server took a message, or answered a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Accepted {
    /// The message's place in its room, if it was published.
    pub event_id: Option<Position>,
    /// The answer of the server's handler.
    pub payload: Option<Payload>,
}

impl Accepted {
    /// Reads the handler's answer. A handler that answered nothing has answered `()`.
    ///
    /// # Errors
    /// If it is of another type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        match &self.payload {
            Some(payload) => payload.read(),
            None => Payload::null().read(),
        }
    }
}

/// The members of a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Members {
    /// Their names; of a large room not all.
    pub users: Vec<UserName>,
    /// The number of users in the room.
    pub total: u64,
}

/// Publications that a room keeps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomHistory {
    /// Oldest first.
    pub events: Vec<Publication>,
    /// The room's position.
    pub position: Position,
    /// Whether there are newer ones.
    pub more: bool,
}

/// Why nothing came of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The server refused it.
    Refused(Refused),
    /// There was no answer in time. Whether it was carried out is not known.
    Timeout,
    /// The connection was lost before the answer to a request. Whether it was carried out is not known.
    Disconnected,
    /// Too many messages wait already.
    BufferFull,
    /// The message is over the server's limit.
    TooBig,
    /// The message has a type that belongs to the protocol.
    ReservedType,
    /// Too many rooms are wanted already, or too many calls of `join` and `leave` have no answer yet.
    TooManyRooms,
    /// The room was left before it was entered.
    Left,
    /// The client was stopped.
    Stopped,
    /// The client is closed for good.
    Closed,
}

impl Failure {
    /// Its name, for programs.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(refused) => &refused.code,
            Self::Timeout => "timeout",
            Self::Disconnected => "disconnected",
            Self::BufferFull => "buffer_full",
            Self::TooBig => "too_big",
            Self::ReservedType => "reserved_type",
            Self::TooManyRooms => "too_many_rooms",
            Self::Left => "left",
            Self::Stopped => "stopped",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(Refused { code, message }) => write!(f, "{code}: {message}"),
            Self::Timeout => write!(f, "there was no answer in time"),
            Self::Disconnected => write!(f, "the connection was lost before the answer"),
            Self::BufferFull => write!(f, "too many messages are waiting"),
            Self::TooBig => write!(f, "the message is over the server's limit"),
            Self::ReservedType => write!(f, "the type belongs to the protocol"),
            Self::TooManyRooms => write!(f, "too many rooms are joined"),
            Self::Left => write!(f, "the room was left before it was entered"),
            Self::Stopped => write!(f, "the client was stopped"),
            Self::Closed => write!(f, "the client is closed"),
        }
    }
}

impl core::error::Error for Failure {}

/// MachineActions that wait to be taken.
#[derive(Default, Debug)]
pub(super) struct Queue {
    actions: VecDeque<MachineAction>,
    /// Those before this one are of earlier events.
    begin: usize,
}

impl Queue {
    pub(super) fn begin(&mut self) {
        self.begin = self.actions.len();
    }

    pub(super) fn push(&mut self, action: MachineAction) {
        self.actions.push_back(action);
    }

    pub(super) fn settle(&mut self, ticket: Ticket, result: Result<Settled, Failure>) {
        self.push(MachineAction::Settled { ticket, result });
    }

    pub(super) fn drain(&mut self) -> MachineActions<'_> {
        self.actions.make_contiguous()[self.begin..].sort_by_key(MachineAction::rank);
        MachineActions { actions: &mut self.actions }
    }
}

/// The actions of one event, in order.
///
/// They borrow the machine, so the next event cannot be fed before they are taken. What is not taken is not lost:
/// it comes first next time.
#[must_use = "actions that nobody performs reach nobody"]
#[derive(Debug)]
pub struct MachineActions<'a> {
    actions: &'a mut VecDeque<MachineAction>,
}

impl Iterator for MachineActions<'_> {
    type Item = MachineAction;

    fn next(&mut self) -> Option<MachineAction> {
        self.actions.pop_front()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.actions.len(), Some(self.actions.len()))
    }
}

impl ExactSizeIterator for MachineActions<'_> {}
