//! What comes out of the hub.

use alloc::string::String;
use alloc::vec::Vec;
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

/// Something for the driver to do or to know, in order.
///
/// The list is exhaustive on purpose, so that a driver that has not heard of a new action does not compile.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize))]
pub enum Action<'a> {
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
        rejection: &'a Rejection,
    },
    /// Send one message to these, in any order among them. A broadcast is one action, whatever the room's size.
    Send {
        /// To whom: each at most once.
        to: &'a [ConnectionId],
        /// What.
        message: &'a Message,
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
        reason: &'a CloseReason,
    },
    /// The connection is gone and its id means nothing any more. If the socket is still there, drop it now.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// Whose it was.
        user: &'a UserName,
        /// How it ended.
        ending: &'a Ending,
        /// How long it had been open; if it never was, the time since its admission.
        open_for: Duration,
    },
    /// A message for the application's handler of its type.
    Request {
        /// From which.
        connection: ConnectionId,
        /// Whose it is.
        user: &'a UserName,
        /// What.
        request: &'a Request,
    },
    /// A frame of a connection that does not speak the protocol.
    Raw {
        /// From which.
        connection: ConnectionId,
        /// What.
        frame: &'a RawFrame,
    },
    /// The answer to a command.
    Done {
        /// The command's.
        ticket: Ticket,
        /// What came of it.
        result: &'a Result<Outcome, Refusal>,
    },
    /// The answer to a probe.
    Probed {
        /// The command's.
        ticket: Ticket,
        /// Each connection that was asked, and how long its answer took, `None` when there was none in time.
        answers: &'a [(ConnectionId, Option<Duration>)],
    },
    /// What came of [`Command::Request`](crate::Command::Request).
    Answered {
        /// The command's.
        ticket: Ticket,
        /// The client's answer, or why there is none.
        answer: &'a Answer,
    },
    /// Somebody came back to a room that does not keep what they missed, and is to get the full state instead. Answer
    /// with [`Command::State`](crate::Command::State), within [`Limits::state_timeout`](crate::Limits::state_timeout).
    StateWanted {
        /// The question's.
        ticket: Ticket,
        /// The room.
        room: &'a RoomName,
    },
    /// Something worth a line in the log.
    Notice(&'a Notice),
    /// The drain is over: no connection is left.
    Drained,
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
/// [`Action::Closed`], a refusal [`Action::Reject`].)
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
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Queued {
    Accept { ticket: Ticket, connection: ConnectionId },
    Reject { ticket: Ticket, rejection: Rejection },
    Send { to: core::ops::Range<usize>, message: Message },
    Ping { connection: ConnectionId, nonce: u64 },
    Close { connection: ConnectionId, reason: CloseReason },
    Closed { connection: ConnectionId, user: UserName, ending: Ending, open_for: Duration },
    Request { connection: ConnectionId, user: UserName, request: Request },
    Raw { connection: ConnectionId, frame: RawFrame },
    Done { ticket: Ticket, result: Result<Outcome, Refusal> },
    Probed { ticket: Ticket, answers: Vec<(ConnectionId, Option<Duration>)> },
    Answered { ticket: Ticket, answer: Answer },
    StateWanted { ticket: Ticket, room: RoomName },
    Notice(Notice),
    Drained,
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

    pub(crate) fn push(&mut self, action: Queued) {
        self.actions.push(action);
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

    /// What the vectors hold, for the memory figures.
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
        let actions: &'a [Queued] = self.actions;
        let arena: &'a [ConnectionId] = self.arena;
        let queued = actions.get(*self.taken)?;
        *self.taken += 1;
        Some(match queued {
            Queued::Accept { ticket, connection } => {
                Action::Accept { ticket: *ticket, connection: *connection }
            }
            Queued::Reject { ticket, rejection } => Action::Reject { ticket: *ticket, rejection },
            Queued::Send { to, message } => Action::Send { to: &arena[to.clone()], message },
            Queued::Ping { connection, nonce } => {
                Action::Ping { connection: *connection, nonce: *nonce }
            }
            Queued::Close { connection, reason } => {
                Action::Close { connection: *connection, reason }
            }
            Queued::Closed { connection, user, ending, open_for } => {
                Action::Closed { connection: *connection, user, ending, open_for: *open_for }
            }
            Queued::Request { connection, user, request } => {
                Action::Request { connection: *connection, user, request }
            }
            Queued::Raw { connection, frame } => Action::Raw { connection: *connection, frame },
            Queued::Done { ticket, result } => Action::Done { ticket: *ticket, result },
            Queued::Probed { ticket, answers } => Action::Probed { ticket: *ticket, answers },
            Queued::Answered { ticket, answer } => Action::Answered { ticket: *ticket, answer },
            Queued::StateWanted { ticket, room } => Action::StateWanted { ticket: *ticket, room },
            Queued::Notice(notice) => Action::Notice(notice),
            Queued::Drained => Action::Drained,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.actions.len() - *self.taken;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Actions<'_> {}
