//! A client in the hands of the application: what can be asked of it without waiting.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::string::{String, ToString};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::vec::Vec;

use bytes::Bytes;
use serde::Serialize;

use super::address::Address;
use super::call::{Call, CallError, name};
use super::room::{Accepted, Room, accepted, json};
use super::shell::Shell;
use switchboard_core::client::{Event, State, Stats};
use switchboard_core::{Kind, Payload, Position, RoomName, Ticket, UserName};

/// A handle of a client: cheap to clone, usable from any thread. When the last one is gone, rooms included, the client
/// closes its connection and ends.
#[derive(Clone)]
pub struct Caller(Arc<Guard>);

struct Guard(Arc<Shell>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Caller {
    /// The first handle.
    pub fn new(shell: Arc<Shell>) -> Self {
        Self(Arc::new(Guard(shell)))
    }

    pub(super) fn shell(&self) -> &Arc<Shell> {
        &self.0.0
    }

    /// A room, whether the client is in it or not.
    ///
    /// # Errors
    /// When the name is no good.
    pub fn room(&self, room: &str) -> Result<Room, CallError> {
        Ok(Room::new(self.clone(), name("room", room)?))
    }

    /// Sends to every connection of a user. It is sent again until there is an answer, and arrives once.
    pub fn direct(&self, user: &str, payload: &impl Serialize) -> Call<Accepted> {
        self.begin_direct(user, json(payload))
    }

    /// The same with bytes.
    pub fn direct_binary(&self, user: &str, payload: impl Into<Bytes>) -> Call<Accepted> {
        self.begin_direct(user, Ok(Payload::Binary(payload.into())))
    }

    fn begin_direct(&self, user: &str, payload: Result<Payload, CallError>) -> Call<Accepted> {
        let event = name::<UserName>("user", user).and_then(|to| {
            let payload = payload?;
            Ok(move |ticket: Ticket| Event::Direct { ticket, to, payload })
        });
        Call::begin(self.shell(), event, accepted)
    }

    /// Asks the server's handler for this type of message, and waits for its answer as long as
    /// [`Config::request_timeout`](switchboard_core::client::Config::request_timeout) says. It is sent once at most.
    pub fn request(&self, kind: &str, payload: &impl Serialize) -> Call<Accepted> {
        self.begin_request(None, kind, json(payload), None)
    }

    /// The same with another time-out.
    pub fn request_within(
        &self,
        timeout: Duration,
        kind: &str,
        payload: &impl Serialize,
    ) -> Call<Accepted> {
        self.begin_request(None, kind, json(payload), Some(timeout))
    }

    pub(super) fn begin_request(
        &self,
        room: Option<RoomName>,
        kind: &str,
        payload: Result<Payload, CallError>,
        timeout: Option<Duration>,
    ) -> Call<Accepted> {
        let event = name::<Kind>("type", kind).and_then(|kind| {
            let payload = payload?;
            Ok(move |ticket: Ticket| Event::Request { ticket, room, kind, payload, timeout })
        });
        Call::begin(self.shell(), event, accepted)
    }

    /// Where the server is.
    pub fn address(&self) -> &Address {
        &self.shell().setup().address
    }

    /// Where the client is.
    pub fn state(&self) -> State {
        self.shell().state()
    }

    /// Who the server takes the client for, when there has been a connection.
    pub fn user(&self) -> Option<UserName> {
        self.shell().look(|machine| machine.user().cloned())
    }

    /// What the server calls the last connection.
    pub fn client_id(&self) -> Option<String> {
        self.shell().look(|machine| machine.client_id().map(ToString::to_string))
    }

    /// The rooms that the client is in, or will be in again.
    pub fn rooms(&self) -> Vec<RoomName> {
        self.shell().look(|machine| machine.rooms().map(|(room, _)| room.clone()).collect())
    }

    /// What has been seen of a room. Who keeps it can go on there another time ([`Room::join_since`]).
    pub fn position(&self, room: &str) -> Option<Position> {
        self.shell().look(|machine| machine.position(room))
    }

    /// How many messages wait to be sent, and how many were and have no answer yet.
    pub fn unanswered(&self) -> (usize, usize) {
        self.shell().look(|machine| machine.unanswered())
    }

    /// Counters.
    pub fn stats(&self) -> Stats {
        self.shell().look(|machine| machine.stats())
    }

    /// The network came back, or the machine woke up: tries again now, or sees at once whether the server is there.
    pub fn wake(&self) {
        self.shell().feed(Event::Wake);
    }

    /// Starts again after the client was stopped or closed for good; where it waits to try again, does so now.
    pub fn connect(&self) {
        self.shell().feed(Event::Connect);
    }

    /// Closes the connection; calls without an answer fail, and rooms are forgotten. To wait is to await the close of the
    /// socket, which begins without that.
    pub fn stop(&self) -> Stopping {
        self.shell().feed(Event::Stop);
        Stopping(self.shell().clone())
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// A client that closes its socket. See [`Caller::stop`].
#[derive(Debug)]
pub struct Stopping(Arc<Shell>);

impl Future for Stopping {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_closed(cx)
    }
}
