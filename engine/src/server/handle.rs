//! A handle for the rest of the application.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use switchboard_core::{
    Answer, CloseReason, Command, ConnectionId, ErrorCode, Hub, Json, Kind, NameError, Outcome,
    Payload, Position, Refusal, RoomName, Stats, UserName,
};

use super::asked::{RequestError, read_answer};
use super::host::{AnyHost, Host, Probed};
use crate::wait::{Async, Blocking, block_on};

/// A server from outside: cheap to clone, usable from any thread.
///
/// What is sent goes into the sockets, or is queued, within bounds, for slow clients. Only the
/// methods that ask clients, and [`drain`](#method.drain), wait for anything. `K` says how:
/// [`Async`] or [`Blocking`].
pub struct Handle<K> {
    server: Arc<dyn AnyHost>,
    kind: PhantomData<fn() -> K>,
}

/// The outcome of a publication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Published {
    /// Its place in the room; `None` if the room has no members and keeps no history.
    pub position: Option<Position>,
    /// The number of connections that it is sent to.
    pub recipients: usize,
}

impl<K> Handle<K> {
    /// A handle of this server.
    pub fn new(server: Arc<impl Host>) -> Self {
        Self { server, kind: PhantomData }
    }

    fn see<T>(&self, see: impl FnOnce(&Hub) -> T) -> Option<T> {
        let (mut see, mut seen) = (Some(see), None);
        self.server.see(&mut |hub| seen = see.take().map(|see| see(hub)));
        seen
    }

    /// Publishes in the server's name, even where clients may not publish.
    ///
    /// # Errors
    /// If a name is invalid, or the payload cannot be written as JSON.
    ///
    /// ```
    /// # use switchboard_core::Refusal;
    /// # use switchboard_engine::{Async, server::Handle};
    /// # fn example(handle: Handle<Async>) -> Result<(), Refusal> {
    /// let published = handle.publish("lobby", "news", &"We are open.")?;
    /// println!("sent to {} connections", published.recipients);
    /// # Ok(()) }
    /// ```
    pub fn publish(
        &self,
        room: &str,
        kind: &str,
        payload: &impl Serialize,
    ) -> Result<Published, Refusal> {
        self.publish_as(None, room, kind, payload, None)
    }

    /// Publishes in a user's name, to all but one connection.
    ///
    /// # Errors
    /// If a name is invalid, or the payload cannot be written as JSON.
    ///
    /// ```
    /// # use switchboard_core::{Refusal, UserName};
    /// # use switchboard_engine::{Async, server::Handle};
    /// # fn example(handle: Handle<Async>) -> Result<(), Refusal> {
    /// let alice = UserName::new("alice").ok();
    /// handle.publish_as(alice, "lobby", "chat", &"hello", None)?;
    /// # Ok(()) }
    /// ```
    pub fn publish_as(
        &self,
        from: Option<UserName>,
        room: &str,
        kind: &str,
        payload: &impl Serialize,
        except: Option<ConnectionId>,
    ) -> Result<Published, Refusal> {
        let outcome = self.command(Command::Publish {
            room: name("room", room)?,
            kind: name::<Kind>("type", kind)?,
            from,
            id: None,
            key: None,
            payload: json(payload)?,
            except,
        })?;
        match outcome {
            Outcome::Published { position, recipients } => Ok(Published { position, recipients }),
            Outcome::Joined(_)
            | Outcome::Refreshed(_)
            | Outcome::Asked
            | Outcome::Left
            | Outcome::Sent(_)
            | Outcome::Closing(_)
            | Outcome::Probing(_) => Ok(Published { position: None, recipients: 0 }),
        }
    }

    /// Sends to every connection of a user. Returns how many there are.
    ///
    /// # Errors
    /// If the user has none, or the payload cannot be written as JSON.
    ///
    /// ```
    /// # use switchboard_core::Refusal;
    /// # use switchboard_engine::{Async, server::Handle};
    /// # fn example(handle: Handle<Async>) -> Result<(), Refusal> {
    /// let connections = handle.send_to_user("alice", &"Your report is ready.")?;
    /// # Ok(()) }
    /// ```
    pub fn send_to_user(&self, user: &str, payload: &impl Serialize) -> Result<usize, Refusal> {
        self.direct_as(None, user, payload)
    }

    /// Sends to every connection of a user, in the name of another. Returns how many there are.
    ///
    /// # Errors
    /// If the user has none, or the payload cannot be written as JSON.
    ///
    /// ```
    /// # use switchboard_core::{Refusal, UserName};
    /// # use switchboard_engine::{Async, server::Handle};
    /// # fn example(handle: Handle<Async>) -> Result<(), Refusal> {
    /// let bob = UserName::new("bob").ok();
    /// handle.direct_as(bob, "alice", &"Are you there?")?;
    /// # Ok(()) }
    /// ```
    pub fn direct_as(
        &self,
        from: Option<UserName>,
        user: &str,
        payload: &impl Serialize,
    ) -> Result<usize, Refusal> {
        let to = name("user", user)?;
        self.command(Command::Direct { to, from, payload: json(payload)? }).map(count)
    }

    /// Puts a connection into a room; it is told.
    ///
    /// # Errors
    /// If the room is full, the connection is gone or in too many rooms, or the name is invalid.
    ///
    /// ```
    /// # use switchboard_core::{ConnectionId, Refusal};
    /// # use switchboard_engine::{Async, server::Handle};
    /// # fn example(handle: Handle<Async>, connection: ConnectionId) -> Result<(), Refusal> {
    /// handle.join(connection, "lobby")?;
    /// # Ok(()) }
    /// ```
    pub fn join(&self, connection: ConnectionId, room: &str) -> Result<(), Refusal> {
        let room = name("room", room)?;
        self.command(Command::Join { connection, room }).map(drop)
    }

    /// Takes a connection out of a room; it is told.
    ///
    /// # Errors
    /// If it is not in that room.
    ///
    /// ```
    /// # use switchboard_core::{ConnectionId, Refusal};
    /// # use switchboard_engine::{Async, server::Handle};
    /// # fn example(handle: Handle<Async>, connection: ConnectionId) -> Result<(), Refusal> {
    /// handle.leave(connection, "lobby")?;
    /// # Ok(()) }
    /// ```
    pub fn leave(&self, connection: ConnectionId, room: &str) -> Result<(), Refusal> {
        let room = name("room", room)?;
        self.command(Command::Leave { connection, room }).map(drop)
    }

    /// Whether a user has an open connection.
    ///
    /// ```
    /// # use switchboard_core::Refusal;
    /// # use switchboard_engine::{Async, server::Handle};
    /// # fn example(handle: Handle<Async>) -> Result<(), Refusal> {
    /// if !handle.is_online("alice") {
    ///     println!("Alice is away.");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn is_online(&self, user: &str) -> bool {
        self.see(|hub| hub.user(user).is_some_and(|user| user.is_online())).unwrap_or_default()
    }

    /// The users in a room, sorted.
    ///
    /// ```
    /// # use switchboard_core::Refusal;
    /// # use switchboard_engine::{Async, server::Handle};
    /// # fn example(handle: Handle<Async>) -> Result<(), Refusal> {
    /// let names: Vec<String> = handle.members("lobby").iter().map(ToString::to_string).collect();
    /// # Ok(()) }
    /// ```
    pub fn members(&self, room: &str) -> Vec<UserName> {
        self.see(|hub| hub.room(room).map(|room| room.users())).flatten().unwrap_or_default()
    }

    /// The rooms that a connection is in.
    ///
    /// ```
    /// # use switchboard_core::{ConnectionId, Refusal};
    /// # use switchboard_engine::{Async, server::Handle};
    /// # fn example(handle: Handle<Async>, connection: ConnectionId) -> Result<(), Refusal> {
    /// for room in handle.rooms(connection) {
    ///     handle.leave(connection, &room)?;
    /// }
    /// # Ok(()) }
    /// ```
    pub fn rooms(&self, connection: ConnectionId) -> Vec<RoomName> {
        self.see(|hub| hub.connection(connection).map(|view| view.rooms().cloned().collect()))
            .flatten()
            .unwrap_or_default()
    }

    /// Counters and gauges.
    ///
    /// ```
    /// # use switchboard_core::Refusal;
    /// # use switchboard_engine::{Async, server::Handle};
    /// # fn example(handle: Handle<Async>) -> Result<(), Refusal> {
    /// let stats = handle.stats();
    /// println!("{} connections in {} rooms", stats.connections, stats.rooms);
    /// # Ok(()) }
    /// ```
    pub fn stats(&self) -> Stats {
        self.server.stats()
    }

    /// The number of refused HTTP requests, upgrades among them, by the code of the reason.
    ///
    /// ```
    /// # use switchboard_engine::{Async, server::Handle};
    /// # fn example(handle: Handle<Async>) {
    /// for (code, count) in handle.refused_requests() {
    ///     println!("{code}: {count}");
    /// }
    /// # }
    /// ```
    pub fn refused_requests(&self) -> Vec<(&'static str, u64)> {
        self.server.refused_requests()
    }

    /// Whether the server is shutting down.
    ///
    /// ```
    /// # use switchboard_core::Refusal;
    /// # use switchboard_engine::{Async, server::Handle};
    /// # fn example(handle: Handle<Async>) -> Result<(), Refusal> {
    /// let is_ready = !handle.is_draining();
    /// # Ok(()) }
    /// ```
    pub fn is_draining(&self) -> bool {
        self.see(|hub| hub.is_draining()).unwrap_or_default()
    }

    /// Closes every connection of a user. Returns how many there were.
    ///
    /// # Errors
    /// If the name is invalid.
    ///
    /// ```
    /// # use switchboard_core::{CloseReason, Refusal};
    /// # use switchboard_engine::{Async, server::Handle};
    /// # fn example(handle: Handle<Async>) -> Result<(), Refusal> {
    /// let closed = handle.kick("mallory", CloseReason::Forbidden)?;
    /// # Ok(()) }
    /// ```
    pub fn kick(&self, user: &str, reason: CloseReason) -> Result<usize, Refusal> {
        let user = name("user", user)?;
        self.command(Command::CloseUser { user, reason }).map(count)
    }

    /// Any other command of the core.
    ///
    /// # Errors
    /// If the hub refuses.
    ///
    /// ```
    /// # use switchboard_core::{CloseReason, Command, ConnectionId, Refusal};
    /// # use switchboard_engine::{Async, server::Handle};
    /// # fn example(handle: Handle<Async>, connection: ConnectionId) -> Result<(), Refusal> {
    /// handle.command(Command::Close { connection, reason: CloseReason::Normal })?;
    /// # Ok(()) }
    /// ```
    pub fn command(&self, command: Command) -> Result<Outcome, Refusal> {
        self.server.command(command)
    }
}

impl Handle<Async> {
    /// Asks every connection of a user whether it is alive, and waits for the answers, at most for
    /// `timeout`, or for [`Heartbeat::probe_timeout`](switchboard_core::Heartbeat::probe_timeout)
    /// if that is `None`. Returns each connection with its latency, or `None` if there was no
    /// answer.
    ///
    /// # Errors
    /// If the user has no connection, or too many probes are under way.
    ///
    /// ```
    /// # use switchboard_core::ConnectionId;
    /// # use switchboard_engine::{Async, server::Handle};
    /// # use std::time::Duration;
    /// # async fn example(handle: Handle<Async>, connection: ConnectionId)
    /// #     -> Result<(), Box<dyn std::error::Error>> {
    /// for (connection, latency) in handle.probe("alice", Duration::from_secs(2)).await? {
    ///     println!("{connection}: {latency:?}");
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn probe(
        &self,
        user: &str,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Probed, Refusal> {
        let probe = self.server.probe(name("user", user)?, timeout.into())?;
        probe.await.ok_or_else(server_has_ended)
    }

    /// Asks a client something, and waits for its answer, at most for `timeout`.
    ///
    /// # Errors
    /// If the client is gone, does not answer, refuses, or answers with another type.
    ///
    /// ```
    /// # use switchboard_core::ConnectionId;
    /// # use switchboard_engine::{Async, server::Handle};
    /// # use std::time::Duration;
    /// # async fn example(handle: Handle<Async>, connection: ConnectionId)
    /// #     -> Result<(), Box<dyn std::error::Error>> {
    /// let seconds = Duration::from_secs(30);
    /// let agreed: bool = handle.request(connection, "confirm", &"Delete it?", seconds).await?;
    /// # Ok(()) }
    /// ```
    pub async fn request<R: DeserializeOwned>(
        &self,
        to: ConnectionId,
        method: &str,
        payload: &impl Serialize,
        timeout: Duration,
    ) -> Result<R, RequestError> {
        let request = self.server.request(to, name("method", method)?, json(payload)?, timeout)?;
        read_answer(&request.await.unwrap_or(Answer::Gone))
    }

    /// Shuts down gracefully: no new connections; every client is told, sent what is queued for it,
    /// and closed. Clients are told to come back at a random moment within `spread`. Returns when
    /// every connection is closed, after `timeout` at the latest; a time-out of zero cuts all
    /// connections off at once.
    ///
    /// ```
    /// # use switchboard_core::ConnectionId;
    /// # use switchboard_engine::{Async, server::Handle};
    /// # use std::time::Duration;
    /// # async fn example(handle: Handle<Async>, connection: ConnectionId)
    /// #     -> Result<(), Box<dyn std::error::Error>> {
    /// handle.drain(Duration::from_secs(30), Duration::from_secs(10)).await;
    /// # Ok(()) }
    /// ```
    pub async fn drain(&self, timeout: Duration, spread: Duration) {
        self.server.drain(timeout, spread).await;
    }
}

/// An observer must not call these methods: what they wait for is reported to it first.
impl Handle<Blocking> {
    /// Asks every connection of a user whether it is alive, and waits for the answers, at most for
    /// `timeout`, or for [`Heartbeat::probe_timeout`](switchboard_core::Heartbeat::probe_timeout)
    /// if that is `None`. Returns each connection with its latency, or `None` if there was no
    /// answer. A handler that probes its own user gets no answer from its own connection, which is
    /// not read while it runs.
    ///
    /// # Errors
    /// If the user has no connection, or too many probes are under way.
    ///
    /// ```
    /// # use switchboard_core::ConnectionId;
    /// # use switchboard_engine::{Blocking, server::Handle};
    /// # use std::time::Duration;
    /// # fn example(handle: Handle<Blocking>, connection: ConnectionId)
    /// #     -> Result<(), Box<dyn std::error::Error>> {
    /// for (connection, latency) in handle.probe("alice", Duration::from_secs(2))? {
    ///     println!("{connection}: {latency:?}");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn probe(
        &self,
        user: &str,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Probed, Refusal> {
        let probe = self.server.probe(name("user", user)?, timeout.into())?;
        block_on(probe).ok_or_else(server_has_ended)
    }

    /// Asks a client something, and waits for its answer, at most for `timeout`. A handler that
    /// asks its own connection gets no answer, because that is not read while it runs.
    ///
    /// # Errors
    /// If the client is gone, does not answer, refuses, or answers with another type.
    ///
    /// ```
    /// # use switchboard_core::ConnectionId;
    /// # use switchboard_engine::{Blocking, server::Handle};
    /// # use std::time::Duration;
    /// # fn example(handle: Handle<Blocking>, connection: ConnectionId)
    /// #     -> Result<(), Box<dyn std::error::Error>> {
    /// let seconds = Duration::from_secs(30);
    /// let agreed: bool = handle.request(connection, "confirm", &"Delete it?", seconds)?;
    /// # Ok(()) }
    /// ```
    pub fn request<R: DeserializeOwned>(
        &self,
        to: ConnectionId,
        method: &str,
        payload: &impl Serialize,
        timeout: Duration,
    ) -> Result<R, RequestError> {
        let request = self.server.request(to, name("method", method)?, json(payload)?, timeout)?;
        read_answer(&block_on(request).unwrap_or(Answer::Gone))
    }

    /// Shuts down gracefully: no new connections; every client is told, sent what is queued for it,
    /// and closed. Clients are told to come back at a random moment within `spread`. Returns when
    /// every connection is closed, after `timeout` at the latest, and all threads of the server
    /// have ended, those that run a handler or an authenticator included; a time-out of zero cuts
    /// all connections off at once. Called from a handler, it does not wait for threads.
    ///
    /// ```
    /// # use switchboard_core::ConnectionId;
    /// # use switchboard_engine::{Blocking, server::Handle};
    /// # use std::time::Duration;
    /// # fn example(handle: Handle<Blocking>, connection: ConnectionId)
    /// #     -> Result<(), Box<dyn std::error::Error>> {
    /// handle.drain(Duration::from_secs(30), Duration::from_secs(10));
    /// # Ok(()) }
    /// ```
    pub fn drain(&self, timeout: Duration, spread: Duration) {
        block_on(self.server.drain(timeout, spread));
    }
}

impl<K> Clone for Handle<K> {
    fn clone(&self) -> Self {
        Self { server: self.server.clone(), kind: PhantomData }
    }
}

impl<K> fmt::Debug for Handle<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}

fn server_has_ended() -> Refusal {
    Refusal::new(ErrorCode::Internal, "the server has ended")
}

fn count(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Sent(n) | Outcome::Refreshed(n) | Outcome::Closing(n) | Outcome::Probing(n) => n,
        Outcome::Published { recipients, .. } => recipients,
        Outcome::Joined(_) | Outcome::Left | Outcome::Asked => 0,
    }
}

/// Text from the application as a name.
///
/// # Errors
/// If it is invalid; the refusal names the field.
fn name<T>(field: &'static str, text: &str) -> Result<T, Refusal>
where
    T: for<'t> TryFrom<&'t str, Error = NameError>,
{
    T::try_from(text).map_err(|error| Refusal::field(field, error))
}

/// A payload from the application.
///
/// # Errors
/// If it cannot be written as JSON.
fn json(payload: &impl Serialize) -> Result<Payload, Refusal> {
    Json::of(payload)
        .map(Payload::Json)
        .map_err(|error| Refusal::new(ErrorCode::InvalidPayload, error.to_string()))
}
