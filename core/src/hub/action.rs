//! What the hub tells the driver to do.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::Range;
use core::time::Duration;

use crate::hub::event::Ticket;
use crate::protocol::close::{CloseReason, Ending, Rejection};
use crate::protocol::from_client::Request;
use crate::protocol::id::ConnectionId;
use crate::protocol::name::{RoomName, UserName};
use crate::protocol::payload::{Payload, RawFrame};
use crate::protocol::position::Position;
use crate::protocol::refusal::Refusal;
use crate::protocol::to_client::Message;

/// An action for the driver to perform, in order.
///
/// The list is exhaustive on purpose, as are those of operations and outputs, so that a driver that
/// does not know a new one does not compile.
#[derive(Clone, Copy, PartialEq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize))]
#[allow(missing_docs, reason = "the names of the other fields say it")]
pub enum Action<'a> {
    /// Send one message to these connections, in any order among them. A broadcast is one action,
    /// whatever the room's size.
    Send {
        /// Each connection at most once.
        to: &'a [ConnectionId],
        message: &'a Message,
    },
    /// Do this for one connection or attempt.
    Do(&'a Operation),
    /// Tell the application. After [`Output::Closed`], the driver also drops the connection's
    /// socket.
    Tell(&'a Output),
}

/// Something for the driver to do for one connection, one attempt or one command.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize))]
#[allow(missing_docs, reason = "the names of the other fields say it")]
pub enum Operation {
    /// The attempt has its seats: complete the upgrade, then report
    /// [`Event::Opened`](crate::Event::Opened).
    Accept { ticket: Ticket, connection: ConnectionId },
    /// The attempt is refused; it has no seat.
    Reject { ticket: Ticket, rejection: Rejection },
    /// Send a protocol ping that carries this number.
    Ping {
        connection: ConnectionId,
        /// The number that the pong must repeat.
        nonce: u64,
    },
    /// Send what is queued, then a close frame, and then nothing. The hub waits for
    /// [`Event::Disconnected`](crate::Event::Disconnected), or gives up at its own deadline.
    Close { connection: ConnectionId, reason: CloseReason },
    /// Return the answer to a command to its caller.
    Done { ticket: Ticket, result: Result<Outcome, Refusal> },
}

/// Something for the application to do or to know, in order.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize))]
#[allow(missing_docs, reason = "the names of the other fields say it")]
pub enum Output {
    /// A message for the application's handler of its type.
    Request { connection: ConnectionId, user: UserName, request: Request },
    /// A frame of a connection that does not speak the protocol.
    Raw { connection: ConnectionId, frame: RawFrame },
    /// The answer to [`Command::Probe`](crate::Command::Probe).
    Probed {
        ticket: Ticket,
        /// Each connection that was asked, and the time its answer took; `None` if there was none
        /// in time.
        answers: Vec<(ConnectionId, Option<Duration>)>,
    },
    /// The answer to [`Command::Request`](crate::Command::Request).
    Answered {
        ticket: Ticket,
        /// The client's answer, or why there is none.
        answer: Answer,
    },
    /// A member returned to a room that does not keep everything it missed, and is to get the full
    /// state instead. Answer with [`Command::State`](crate::Command::State), within
    /// [`Limits::state_timeout`](crate::Limits::state_timeout).
    StateWanted {
        /// The ticket to answer with.
        ticket: Ticket,
        room: RoomName,
    },
    /// An event for the log.
    Notice(Notice),
    /// The connection has ended and its id is no longer valid.
    Closed {
        connection: ConnectionId,
        user: UserName,
        ending: Ending,
        /// The time since it was opened or, if it never was, since its admission.
        open_for: Duration,
        /// Where its client was, if that is known.
        address: Option<IpAddr>,
    },
    /// The drain is over: no connection is left.
    Drained,
}

impl Output {
    /// Returns whether it is a message of this connection, to be handled after the one before.
    pub fn is_message_of(&self, id: ConnectionId) -> bool {
        match self {
            Self::Request { connection, .. } | Self::Raw { connection, .. } => *connection == id,
            Self::Probed { .. }
            | Self::Answered { .. }
            | Self::StateWanted { .. }
            | Self::Notice(_)
            | Self::Closed { .. }
            | Self::Drained => false,
        }
    }
}

/// The outcome of a request to a client.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Answer {
    /// The client answered.
    Ok(Payload),
    /// The client refused, with its own code and message.
    Refused {
        /// The code, for programs.
        #[cfg_attr(feature = "recording", serde(with = "crate::protocol::text::said"))]
        code: String,
        /// The message, for people.
        #[cfg_attr(feature = "recording", serde(with = "crate::protocol::text::said"))]
        message: String,
    },
    /// The client did not answer in time.
    TimedOut,
    /// The client's connection ended.
    Gone,
}

/// The outcome of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Outcome {
    /// The connection is in the room, whose stream continues after this position.
    Joined(Position),
    /// The connection is not in the room.
    Left,
    /// The publication was accepted.
    Published {
        /// Its position in the room; `None` if the room is empty and keeps no history.
        position: Option<Position>,
        /// The number of connections that get it.
        recipients: usize,
    },
    /// The state is sent to this many connections.
    Refreshed(usize),
    /// The client has been asked.
    Asked,
    /// The message is sent to this many connections.
    Sent(usize),
    /// This many connections are being closed.
    Closing(usize),
    /// This many connections have been asked.
    Probing(usize),
}

/// Something that happened to a connection, for logs and callbacks. (Its end is [`Output::Closed`],
/// a refusal [`Operation::Reject`].)
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs, reason = "the names of the other fields say it")]
pub enum Notice {
    /// The connection is open.
    Opened {
        connection: ConnectionId,
        user: UserName,
        /// Where its client is, if that is known.
        address: Option<IpAddr>,
    },
    /// The connection entered a room.
    Joined { connection: ConnectionId, user: UserName, room: RoomName },
    /// The connection left a room, on request or because it ended.
    Left { connection: ConnectionId, user: UserName, room: RoomName },
    /// A message from the connection was refused.
    Refused { connection: ConnectionId, user: UserName, refusal: Refusal },
    /// The seats of a lost connection were held, and are free again because its session did not
    /// return.
    Expired { user: UserName },
    /// The connection's outlet is full.
    Blocked { connection: ConnectionId },
}

/// A queued action: its recipients are a range of the shared arena.
#[derive(Debug)]
enum Queued {
    Send { to: Range<usize>, message: Message },
    Do(Operation),
    Tell(Output),
}

/// Queued actions, with one arena for all their recipients: nothing is allocated per action once
/// the vectors have grown.
#[derive(Default, Debug)]
pub(crate) struct Queue {
    actions: Vec<Queued>,
    arena: Vec<ConnectionId>,
    taken: usize,
}

impl Queue {
    /// Removes the actions that were taken. The others stay in front of what comes next.
    pub(crate) fn begin(&mut self) {
        if self.taken == self.actions.len() {
            self.actions.clear();
            self.arena.clear();
        } else {
            self.actions.drain(..self.taken);
        }
        self.taken = 0;
    }

    pub(crate) fn push(&mut self, operation: Operation) {
        self.actions.push(Queued::Do(operation));
    }

    pub(crate) fn tell(&mut self, output: Output) {
        self.actions.push(Queued::Tell(output));
    }

    /// Returns the start of a list of recipients, which ends at the next call of [`Queue::send`].
    pub(crate) fn mark(&self) -> usize {
        self.arena.len()
    }

    pub(crate) fn add_recipients(&mut self, ids: &[ConnectionId]) {
        self.arena.extend_from_slice(ids);
    }

    /// Queues one `Send` to all recipients added since the mark, unless there are none. Returns
    /// their number.
    pub(crate) fn send(&mut self, mark: usize, message: Message) -> usize {
        let to = mark..self.arena.len();
        let count = to.len();
        if count > 0 {
            self.actions.push(Queued::Send { to, message });
        }
        count
    }

    pub(crate) fn drain(&mut self) -> Actions<'_> {
        Actions { actions: &self.actions, arena: &self.arena, taken: &mut self.taken }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.taken == self.actions.len()
    }
}

/// The actions of one event, in order.
///
/// They borrow the hub, so the next event cannot be fed before they are taken. Actions that are not
/// taken are not lost: they come first next time.
#[must_use = "actions that nobody performs reach nobody"]
#[derive(Debug)]
pub struct Actions<'a> {
    actions: &'a [Queued],
    arena: &'a [ConnectionId],
    taken: &'a mut usize,
}

impl<'a> Iterator for Actions<'a> {
    type Item = Action<'a>;

    fn next(&mut self) -> Option<Action<'a>> {
        let queued = self.actions.get(*self.taken)?;
        *self.taken += 1;
        Some(match queued {
            Queued::Send { to, message } => Action::Send { to: &self.arena[to.clone()], message },
            Queued::Do(operation) => Action::Do(operation),
            Queued::Tell(output) => Action::Tell(output),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.actions.len() - *self.taken;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Actions<'_> {}
