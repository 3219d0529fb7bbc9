//! What goes into the machine.

use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use crate::hub::event::Ticket;
use crate::protocol::name::{ConflationKey, Kind, MessageId, RoomName, UserName};
use crate::protocol::payload::{Json, Payload};
use crate::protocol::position::Position;
use crate::protocol::server_message::ServerMessage;

/// What a server wants to see before it lets somebody in. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Arc<str>);

impl Token {
    /// A token.
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

/// Something that happened, or that the application wants. An event that makes no sense in the machine's state
/// gives no action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MachineEvent {
    /// Start; where the machine waits to try again, do so now.
    Connect,
    /// Close the connection, settle everything with [`Failure::Stopped`](super::Failure::Stopped), forget the rooms
    /// and the session.
    Stop,
    /// The answer to [`MachineAction::AskToken`](super::MachineAction::AskToken); an error says why there is none.
    Token(Result<Token, Arc<str>>),
    /// The dialled socket is open.
    Opened,
    /// A message came in.
    Received(ServerMessage),
    /// A frame came in that is a sign of life and nothing else, such as a ping.
    Alive,
    /// The socket ended, or could not be opened.
    Ended(Option<CloseFrame>),
    /// The upgrade was answered with another status than 101.
    Refused {
        /// The status.
        status: u16,
        /// The error code of the body, if it is Switchboard's own: a proxy's answer has none, and is
        /// not final.
        code: Option<Arc<str>>,
        /// What `Retry-After` says.
        retry_after: Option<Duration>,
    },
    /// Be in this room, now and after each reconnect.
    Join {
        /// Comes back with the answer.
        ticket: Ticket,
        /// The room.
        room: RoomName,
        /// What was seen already, so that what came after it is wanted too.
        since: Option<Position>,
    },
    /// Do not be in this room any more.
    Leave {
        /// Comes back with the answer.
        ticket: Ticket,
        /// The room.
        room: RoomName,
    },
    /// A message for a room. It is transmitted until it is answered, and the server takes it once.
    Send {
        /// Comes back with the answer.
        ticket: Ticket,
        /// The room; `None` is the only one.
        room: Option<RoomName>,
        /// Its type.
        kind: Kind,
        /// What it replaces in rooms that conflate. Binary messages cannot have one.
        key: Option<ConflationKey>,
        /// What it carries.
        payload: Payload,
    },
    /// A message for a user. It is transmitted until it is answered, and the server takes it once.
    Direct {
        /// Comes back with the answer.
        ticket: Ticket,
        /// The user.
        to: UserName,
        /// What it carries.
        payload: Payload,
    },
    /// A message for a handler of the server's application, whose answer is waited for. It is transmitted at most once.
    Request {
        /// Comes back with the answer.
        ticket: Ticket,
        /// The room; `None` is the only one.
        room: Option<RoomName>,
        /// Its type.
        kind: Kind,
        /// What it carries.
        payload: Payload,
        /// How long to wait; `None` is [`ClientConfig::request_timeout`](super::ClientConfig::request_timeout).
        timeout: Option<Duration>,
    },
    /// A question about a room.
    Ask {
        /// Comes back with the answer.
        ticket: Ticket,
        /// What.
        question: Question,
        /// How long to wait; `None` is [`ClientConfig::request_timeout`](super::ClientConfig::request_timeout).
        timeout: Option<Duration>,
    },
    /// The answer to this ticket is not wanted any more, and will not come. What was not transmitted yet is not.
    Cancel {
        /// Whose.
        ticket: Ticket,
    },
    /// The application's answer to [`MachineAction::Requested`](super::MachineAction::Requested).
    Reply {
        /// The request's.
        id: MessageId,
        /// The answer, or an error.
        result: Result<Json, ReplyError>,
    },
    /// The network came back, or the machine woke up: try again now, or see at once whether the server is there.
    Wake,
    /// Time has passed. Due whenever [`Machine::next_deadline`](super::Machine::next_deadline) is.
    Tick,
}

/// What a close frame said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CloseFrame {
    /// The code (RFC 6455, 7.4). See PROTOCOL.md.
    pub code: u16,
    /// The reason, where there was one.
    pub reason: Option<Arc<str>>,
}

/// A question about a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Question {
    /// Who is in it?
    Members {
        /// The room.
        room: RoomName,
    },
    /// What was published in it?
    History {
        /// The room.
        room: RoomName,
        /// After this one; `None`: the last ones.
        since: Option<Position>,
        /// At most so many.
        limit: Option<u32>,
    },
}

/// The application's refusal of a server's request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplyError {
    /// For programs.
    pub code: Arc<str>,
    /// For people.
    pub message: Arc<str>,
}
