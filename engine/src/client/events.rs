//! What the application hears.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_core::Stream;
use serde::Serialize;

use super::call::CallError;
use super::lag::{Lag, Lagged};
use super::shell::Shell;
use crate::wait::{Async, Blocking, block_until};
use switchboard_core::client::{self, Cause, Delivery, ReplyError, RoomChange, State};
use switchboard_core::{Json, MessageId, Payload, RoomName};

/// What a client tells its application.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientEvent {
    /// The connection changed its state.
    State {
        /// The new state.
        state: State,
        /// Why, unless the application wanted it.
        cause: Option<Cause>,
        /// What exactly went wrong, for a log.
        detail: Option<Arc<str>>,
    },
    /// A message in a room or to this user, or a change in a room.
    Delivery(Delivery),
    /// The client is in a room again after a reconnect, or could not enter it again; or the server
    /// put the client there, or took it out.
    Room {
        /// The room.
        room: RoomName,
        /// What happened.
        change: RoomChange,
    },
    /// The server's application asks something.
    Request(ServerRequest),
    /// Events were left out here, because the application took them too slowly.
    Lagged(Lagged),
}

/// A request of the server's application. Dropped without an answer, it is answered with the error
/// `unanswered`.
pub struct ServerRequest {
    /// The method that is asked for.
    pub method: Arc<str>,
    /// The arguments.
    pub payload: Payload,
    id: Option<MessageId>,
    shell: Arc<Shell>,
}

impl ServerRequest {
    /// The server's id of it.
    pub fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    /// Answers. If the connection has been lost meanwhile, the answer is dropped.
    ///
    /// # Errors
    /// If the answer cannot be written as JSON.
    pub fn reply(mut self, answer: &impl Serialize) -> Result<(), CallError> {
        let json = Json::of(answer).map_err(|error| CallError::payload(&error))?;
        self.answer(Ok(json));
        Ok(())
    }

    /// Refuses, with a code for programs and a message for people.
    pub fn refuse(mut self, code: &str, message: &str) {
        self.answer(Err(ReplyError { code: code.into(), message: message.into() }));
    }

    fn answer(&mut self, result: Result<Json, ReplyError>) {
        if let Some(id) = self.id.take() {
            self.shell.feed(client::MachineEvent::Reply { id, result });
        }
    }
}

impl Drop for ServerRequest {
    fn drop(&mut self) {
        self.answer(Err(ReplyError {
            code: "unanswered".into(),
            message: "the client's application gave no answer".into(),
        }));
    }
}

impl fmt::Debug for ServerRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerRequest")
            .field("method", &self.method)
            .field("payload", &self.payload)
            .finish_non_exhaustive()
    }
}

enum Entry {
    Event(ClientEvent),
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
    /// The application has dropped its end.
    pub(super) deaf: bool,
    /// The client has ended.
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
            self.insert(64, Entry::Event(ClientEvent::State { state, cause, detail }));
        } else {
            self.lag.get_or_insert_default().state(state, cause, detail);
        }
    }

    pub(super) fn room(&mut self, room: RoomName, change: RoomChange) {
        if self.deaf {
        } else if self.has_room(256) {
            self.insert(256, Entry::Event(ClientEvent::Room { room, change }));
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
            self.insert(bytes, Entry::Event(ClientEvent::Delivery(delivery)));
        } else {
            self.lag.get_or_insert_default().delivery(&delivery);
        }
    }

    /// Queues a request. Returns its id if the application will not answer it.
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

    /// The application takes no more events. Returns the ids of requests that were not answered.
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
        let state = state.map(|(state, cause, detail)| ClientEvent::State { state, cause, detail });
        if lagged == Lagged::default() {
            return state.map(Entry::Event);
        }
        if let Some(state) = state {
            self.insert(64, Entry::Event(state));
        }
        Some(Entry::Event(ClientEvent::Lagged(lagged)))
    }
}

/// The events of a client, in order. There is one of it for each client.
///
/// An application that takes them too slowly, or not at all, harms nobody else: the connection is
/// still read, and heartbeats are answered. As many events are kept as
/// [`ClientSettings`](super::ClientSettings) says. What comes then is left out until the
/// application has taken all that is kept, and it is told what it has missed
/// ([`ClientEvent::Lagged`]). The last change of the state is never left out. A server's request
/// that finds no room is answered with the error `busy`. Drop this to keep no events at all.
pub struct Events<K> {
    shell: Arc<Shell>,
    kind: PhantomData<fn() -> K>,
}

impl<K> Events<K> {
    pub(super) fn new(shell: Arc<Shell>) -> Self {
        Self { shell, kind: PhantomData }
    }

    /// The next event; `None` if the client has ended and all events have been taken.
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<ClientEvent>> {
        self.shell.with_events(|queue| match queue.pop() {
            Some(Entry::Event(event)) => Poll::Ready(Some(event)),
            Some(Entry::Request { id, method, payload }) => {
                let (id, shell) = (Some(id), self.shell.clone());
                let request = ServerRequest { method, payload, id, shell };
                Poll::Ready(Some(ClientEvent::Request(request)))
            }
            None if queue.over => Poll::Ready(None),
            None => {
                queue.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        })
    }
}

impl Events<Async> {
    /// The next event; `None` if the client has ended. Nothing is lost when the future is dropped.
    pub async fn next_event(&mut self) -> Option<ClientEvent> {
        poll_fn(|cx| self.poll_event(cx)).await
    }
}

impl Stream for Events<Async> {
    type Item = ClientEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ClientEvent>> {
        self.poll_event(cx)
    }
}

impl Events<Blocking> {
    /// Waits for the next event; `None` if the client has ended.
    pub fn next_event(&mut self) -> Option<ClientEvent> {
        block_until(None, |cx| self.poll_event(cx)).flatten()
    }

    /// Waits for the next event, at most for `timeout`.
    ///
    /// # Errors
    /// If there was no event in time.
    pub fn next_event_within(&mut self, timeout: Duration) -> Result<Option<ClientEvent>, NoEvent> {
        block_until(Some(Instant::now() + timeout), |cx| self.poll_event(cx)).ok_or(NoEvent)
    }
}

impl Iterator for Events<Blocking> {
    type Item = ClientEvent;

    fn next(&mut self) -> Option<ClientEvent> {
        self.next_event()
    }
}

impl<K> Drop for Events<K> {
    fn drop(&mut self) {
        for id in self.shell.with_events(Queue::stop_listening) {
            self.shell.feed(client::MachineEvent::Reply { id, result: Err(Shell::busy()) });
        }
    }
}

impl<K> fmt::Debug for Events<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}

/// There was no event in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoEvent;

impl fmt::Display for NoEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there was no event in time")
    }
}

impl std::error::Error for NoEvent {}
