//! What the application hears.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::vec::Vec;

use serde::Serialize;

use super::call::CallError;
use super::lag::{Lag, Lagged};
use super::shell::Shell;
use switchboard_core::client::{
    self, Cause, Delivery, Joined, Refused, ReplyError, RoomChange, State,
};
use switchboard_core::{
    Direct, Json, MessageId, Payload, Position, Publication, RoomName, UserName,
};

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The connection is in another state.
    State {
        /// In this one.
        state: State,
        /// Because of this, where it was not the application that wanted it.
        cause: Option<Cause>,
        /// What exactly went wrong, for people.
        detail: Option<Arc<str>>,
    },
    /// A message in a room.
    Message(Publication),
    /// A message to this user.
    Direct(Direct),
    /// The first connection of a user entered a room.
    MemberJoined {
        /// The room.
        room: RoomName,
        /// The user.
        user: UserName,
    },
    /// The last connection of a user left a room.
    MemberLeft {
        /// The room.
        room: RoomName,
        /// The user.
        user: UserName,
    },
    /// The server left publications out, because this client took them too slowly.
    Gap {
        /// The room.
        room: RoomName,
        /// The place before the first that was left out.
        since: Position,
        /// The last that was left out.
        position: Position,
        /// How many of those between were left out.
        dropped: u64,
    },
    /// The stream of a room was broken off, and goes on after this position. What was known of the room is outdated.
    Refresh {
        /// The room.
        room: RoomName,
        /// Why.
        reason: Arc<str>,
        /// The stream goes on after this.
        position: Position,
        /// The room's full state, where the server has it.
        payload: Option<Payload>,
    },
    /// The client is in a room again after a reconnect, or the server put it there.
    Joined {
        /// The room.
        room: RoomName,
        /// Where its stream goes on.
        joined: Joined,
    },
    /// A room could not be entered again, for this reason; or the server took the client out of it.
    Left {
        /// The room.
        room: RoomName,
        /// Why it could not be entered.
        why: Option<Refused>,
    },
    /// The server asks something.
    Request(Request),
    /// The application was too slow, and events were left out here.
    Lagged(Lagged),
}

/// The server's application asks. Dropped without an answer, it is answered with the error `unanswered`.
pub struct Request {
    /// What is asked for.
    pub method: Arc<str>,
    /// With this.
    pub payload: Payload,
    id: Option<MessageId>,
    shell: Arc<Shell>,
}

impl Request {
    /// The server's id of it.
    pub fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    /// Answers. When the connection was lost meanwhile, the server hears nothing.
    ///
    /// # Errors
    /// When the answer cannot be written as JSON.
    pub fn reply(mut self, answer: &impl Serialize) -> Result<(), CallError> {
        let json = Json::of(answer).map_err(|error| CallError::payload(&error))?;
        self.answer(Ok(json));
        Ok(())
    }

    /// Refuses, with a code for programs and words for people.
    pub fn refuse(mut self, code: &str, message: &str) {
        self.answer(Err(ReplyError { code: code.into(), message: message.into() }));
    }

    fn answer(&mut self, result: Result<Json, ReplyError>) {
        if let Some(id) = self.id.take() {
            self.shell.feed(client::Event::Reply { id, result });
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.answer(Err(ReplyError {
            code: "unanswered".into(),
            message: "the client's application gave no answer".into(),
        }));
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("payload", &self.payload)
            .finish_non_exhaustive()
    }
}

enum Entry {
    Event(Event),
    Request { id: MessageId, method: Arc<str>, payload: Payload },
}

/// Events that wait for the application, bounded.
pub(super) struct Queue {
    entries: VecDeque<(usize, Entry)>,
    bytes: usize,
    max: usize,
    max_bytes: usize,
    lag: Option<Lag>,
    waker: Option<Waker>,
    /// Nobody takes them.
    pub(super) deaf: bool,
    /// There will be no more.
    pub(super) over: bool,
}

impl Queue {
    pub(super) fn new(max: usize, max_bytes: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            max,
            max_bytes,
            lag: None,
            waker: None,
            deaf: false,
            over: false,
        }
    }

    pub(super) fn wake(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.waker.take());
    }

    fn has_room(&self, bytes: usize) -> bool {
        // One is always taken, however large.
        self.lag.is_none()
            && (self.entries.is_empty()
                || (self.entries.len() < self.max && self.bytes + bytes <= self.max_bytes))
    }

    fn insert(&mut self, bytes: usize, entry: Entry) {
        self.bytes += bytes;
        self.entries.push_back((bytes, entry));
    }

    pub(super) fn state(&mut self, state: State, cause: Option<Cause>, detail: Option<Arc<str>>) {
        if self.deaf {
        } else if self.has_room(64) {
            self.insert(64, Entry::Event(Event::State { state, cause, detail }));
        } else {
            self.lag.get_or_insert_default().state(state, cause, detail);
        }
    }

    pub(super) fn room(&mut self, room: RoomName, change: RoomChange) {
        if self.deaf {
        } else if self.has_room(256) {
            let event = match change {
                RoomChange::Joined(joined) => Event::Joined { room, joined },
                RoomChange::Left(why) => Event::Left { room, why },
            };
            self.insert(256, Entry::Event(event));
        } else {
            self.lag.get_or_insert_default().other();
        }
    }

    pub(super) fn delivery(&mut self, delivery: Delivery) {
        if self.deaf {
            return;
        }
        let bytes = 256
            + match &delivery {
                Delivery::Publication(publication) => publication.payload.len(),
                Delivery::Direct(direct) => direct.payload.len(),
                Delivery::Refresh { payload, .. } => payload.as_ref().map_or(0, Payload::len),
                Delivery::MemberJoined { .. }
                | Delivery::MemberLeft { .. }
                | Delivery::Gap { .. } => 0,
            };
        if self.has_room(bytes) {
            let event = match delivery {
                Delivery::Publication(publication) => Event::Message(publication),
                Delivery::Direct(direct) => Event::Direct(direct),
                Delivery::MemberJoined { room, user } => Event::MemberJoined { room, user },
                Delivery::MemberLeft { room, user } => Event::MemberLeft { room, user },
                Delivery::Gap { room, since, position, dropped } => {
                    Event::Gap { room, since, position, dropped }
                }
                Delivery::Refresh { room, reason, position, payload } => {
                    Event::Refresh { room, reason, position, payload }
                }
            };
            return self.insert(bytes, Entry::Event(event));
        }
        let lag = self.lag.get_or_insert_default();
        match &delivery {
            Delivery::Publication(publication) => lag.publication(publication),
            Delivery::Gap { room, since, position, dropped } => {
                lag.gap(room, *since, *position, *dropped);
            }
            Delivery::Refresh { room, position, .. } => lag.refresh(room, *position),
            Delivery::Direct(_) | Delivery::MemberJoined { .. } | Delivery::MemberLeft { .. } => {
                lag.other();
            }
        }
    }

    /// Gives back the id of a request that nobody will answer.
    pub(super) fn request(
        &mut self,
        id: MessageId,
        method: Arc<str>,
        payload: Payload,
    ) -> Option<MessageId> {
        let bytes = 256 + payload.len();
        if self.deaf || !self.has_room(bytes) {
            return Some(id);
        }
        self.insert(bytes, Entry::Request { id, method, payload });
        None
    }

    /// Nobody will take them any more. Gives the ids of requests that were not answered.
    fn stop_listening(&mut self) -> Vec<MessageId> {
        self.deaf = true;
        self.lag = None;
        self.bytes = 0;
        let entries = self.entries.drain(..);
        entries
            .filter_map(|(_, entry)| match entry {
                Entry::Event(_) => None,
                Entry::Request { id, .. } => Some(id),
            })
            .collect()
    }

    fn pop(&mut self) -> Option<Entry> {
        if let Some((bytes, entry)) = self.entries.pop_front() {
            self.bytes -= bytes;
            return Some(entry);
        }
        let (lagged, state) = self.lag.take()?.end();
        let state = state.map(|(state, cause, detail)| Event::State { state, cause, detail });
        if lagged == Lagged::default() {
            return state.map(Entry::Event);
        }
        if let Some(state) = state {
            self.insert(64, Entry::Event(state));
        }
        Some(Entry::Event(Event::Lagged(lagged)))
    }
}

/// The events of a client. There is one of it for each client.
///
/// It keeps so many events as [`Setup`](super::Setup) says for an application that takes them too slowly. The connection
/// is still read and answered then; what there is no room for is left out, until the application has taken all
/// that is kept, and then hears what it has missed ([`Event::Lagged`]). The last change of the state is never left
/// out. A server's request that there is no room for is answered with the error `busy`. When this is dropped, events are
/// not kept at all.
pub struct Events(pub(super) Arc<Shell>);

impl Events {
    /// The next event; `None` when the client has ended and all have been taken.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.with_events(|queue| match queue.pop() {
            Some(Entry::Event(event)) => Poll::Ready(Some(event)),
            Some(Entry::Request { id, method, payload }) => {
                let (id, shell) = (Some(id), self.0.clone());
                Poll::Ready(Some(Event::Request(Request { method, payload, id, shell })))
            }
            None if queue.over => Poll::Ready(None),
            None => {
                queue.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        for id in self.0.with_events(Queue::stop_listening) {
            self.0.feed(client::Event::Reply { id, result: Err(Shell::busy()) });
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}
