//! What comes out of the hub.

use alloc::string::String;
use alloc::vec::Vec;
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

/// Something to do, in order.
///
/// The list is exhaustive on purpose, as those of operations and outputs are, so that a driver that does not know a new one does
/// not compile.
#[derive(Clone, Copy, PartialEq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize))]
pub enum Action<'a> {
    /// Send one message to these connections, in any order among them. A broadcast is one action, whatever the room's size.
    Send {
        /// To whom: each at most once.
        to: &'a [ConnectionId],
        /// What.
        message: &'a Message,
    },
    /// Do this for one connection or attempt.
    Do(&'a Operation),
    /// Tell the application. After [`Output::Closed`], the driver also drops the connection's socket.
    Tell(&'a Output),
}

/// Something for the driver to do for one connection, or for what it has asked the hub.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize))]
pub enum Operation {
    /// The attempt has its seats: complete the upgrade, then say [`Event::Opened`](crate::Event::Opened).
    Accept {
        /// The attempt's.
        ticket: Ticket,
        /// The new connection.
        connection: ConnectionId,
    },
    /// The attempt is refused; it has no seat.
    Reject {
        /// The attempt's.
        ticket: Ticket,
        /// Why.
        rejection: Rejection,
    },
    /// Send a protocol ping that carries this number.
    Ping {
        /// To which.
        connection: ConnectionId,
        /// What the pong must bring back.
        nonce: u64,
    },
    /// Send what was accepted, then a close frame, and then nothing. The hub waits for
    /// [`Event::Disconnected`](crate::Event::Disconnected), or gives up at its own deadline.
    Close {
        /// Which.
        connection: ConnectionId,
        /// With what.
        reason: CloseReason,
    },
    /// Hand the answer to a command to whoever gave it.
    Done {
        /// The command's.
        ticket: Ticket,
        /// What came of it.
        result: Result<Outcome, Refusal>,
    },
}

/// Something for the application to do or to know, in order.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize))]
pub enum Output {
    /// A message for the application's handler of its type.
    Request {
        /// From which.
        connection: ConnectionId,
        /// Whose it is.
        user: UserName,
        /// What.
        request: Request,
    },
    /// A frame of a connection that does not speak the protocol.
    Raw {
        /// From which.
        connection: ConnectionId,
        /// What.
        frame: RawFrame,
    },
    /// The answer to [`Command::Probe`](crate::Command::Probe).
    Probed {
        /// The command's.
        ticket: Ticket,
        /// Each connection that was asked, and how long its answer took, `None` when there was none in time.
        answers: Vec<(ConnectionId, Option<Duration>)>,
    },
    /// The answer to [`Command::Request`](crate::Command::Request).
    Answered {
        /// The command's.
        ticket: Ticket,
        /// The client's answer, or why there is none.
        answer: Answer,
    },
    /// A member came back to a room that does not keep what they missed, and is to get the full state instead. Answer
    /// with [`Command::State`](crate::Command::State), within [`Limits::state_timeout`](crate::Limits::state_timeout).
    StateWanted {
        /// The question's.
        ticket: Ticket,
        /// The room.
        room: RoomName,
    },
    /// Something worth a line in the log.
    Notice(Notice),
    /// The connection is gone and its id means nothing any more.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// Whose it was.
        user: UserName,
        /// How it ended.
        ending: Ending,
        /// How long it had been open; if it never was, the time since its admission.
        open_for: Duration,
    },
    /// The drain is over: no connection is left.
    Drained,
}

impl Output {
    /// Whether it is a message of this connection, to be handled after the one before.
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

/// What came of a request to a client.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Answer {
    /// It answered.
    Ok(Payload),
    /// It refused, with a code and words of its own.
    Refused {
        /// For programs.
        #[cfg_attr(feature = "recording", serde(with = "crate::protocol::text::said"))]
        code: String,
        /// For people.
        #[cfg_attr(feature = "recording", serde(with = "crate::protocol::text::said"))]
        message: String,
    },
    /// It did not answer in time.
    TimedOut,
    /// Its connection ended.
    Gone,
}

/// What came of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Outcome {
    /// The connection is in the room, whose stream goes on after this position.
    Joined(Position),
    /// The connection is not in the room.
    Left,
    /// The publication is on its way.
    Published {
        /// Its place in the room; `None` when the room has nobody in it and keeps nothing.
        position: Option<Position>,
        /// How many connections get it.
        recipients: usize,
    },
    /// The state is on its way to so many connections.
    Refreshed(usize),
    /// The client has been asked.
    Asked,
    /// The message is on its way to so many connections.
    Sent(usize),
    /// So many connections are being closed.
    Closing(usize),
    /// So many connections have been asked.
    Probing(usize),
}

/// Something that happened to a connection, for logs and callbacks. (Its end is
/// [`Output::Closed`], a refusal [`Operation::Reject`].)
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Notice {
    /// It is open.
    Opened {
        /// Which.
        connection: ConnectionId,
        /// Whose.
        user: UserName,
    },
    /// It entered a room.
    Joined {
        /// Which.
        connection: ConnectionId,
        /// Whose.
        user: UserName,
        /// Where.
        room: RoomName,
    },
    /// It left a room, by itself or because it ended.
    Left {
        /// Which.
        connection: ConnectionId,
        /// Whose.
        user: UserName,
        /// Where.
        room: RoomName,
    },
    /// A message of it was refused.
    Refused {
        /// Which.
        connection: ConnectionId,
        /// Whose.
        user: UserName,
        /// Why.
        refusal: Refusal,
    },
    /// Its seats were held after it was lost, and are free again, because it did not come back.
    Expired {
        /// Whose they were.
        user: UserName,
    },
    /// Its socket takes no more for now.
    Blocked {
        /// Which.
        connection: ConnectionId,
    },
}

/// An action as it waits: recipients are a range of the shared arena.
#[derive(Debug)]
enum Queued {
    Send { to: Range<usize>, message: Message },
    Do(Operation),
    Tell(Output),
}

/// Actions that wait to be taken, with one arena for all their recipients: nothing is allocated per action
/// once the vectors have grown.
#[derive(Default, Debug)]
pub(crate) struct Queue {
    actions: Vec<Queued>,
    arena: Vec<ConnectionId>,
    taken: usize,
}

impl Queue {
    /// Forgets what was taken. What was not stays in front of what comes next.
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

    /// Room for recipients; the range from the returned start to [`Queue::mark`] is theirs.
    pub(crate) fn mark(&self) -> usize {
        self.arena.len()
    }

    pub(crate) fn add_recipients(&mut self, ids: &[ConnectionId]) {
        self.arena.extend_from_slice(ids);
    }

    /// One `Send` to all recipients that were added since the mark; none if there are none.
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
/// They borrow the hub, so the next event cannot be fed before they are taken. What is not taken is not lost:
/// it comes first next time.
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
