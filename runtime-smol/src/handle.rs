//! The server in the hands of the rest of the application.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use switchboard_core::{
    CloseReason, Command, ConnectionId, ErrorCode, Json, Kind, NameError, Outcome, Payload,
    Position, Refusal, RoomName, Stats, UserName,
};

use crate::shared::{Shared, lock};

/// A server from outside: cheap to clone, usable from any thread. No method waits for a client; what is sent goes into
/// the sockets or waits, bounded, for those that are slow.
#[derive(Clone)]
pub struct Handle(pub(crate) Arc<Shared>);

/// What came of a publication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Published {
    /// Its place in the room; `None` when the room has nobody in it and keeps nothing.
    pub position: Option<Position>,
    /// How many connections get it.
    pub recipients: usize,
}

impl Handle {
    /// Publishes in the server's name, whoever may publish in the room.
    ///
    /// # Errors
    /// When a name is no good, or the payload cannot be written as JSON.
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
    /// When a name is no good, or the payload cannot be written as JSON.
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
            | Outcome::Left
            | Outcome::Sent(_)
            | Outcome::Closing(_)
            | Outcome::Probing(_) => Ok(Published { position: None, recipients: 0 }),
        }
    }

    /// Sends to every connection of a user. Answers how many those are.
    ///
    /// # Errors
    /// When the user has none, or the payload cannot be written as JSON.
    pub fn send_to_user(&self, user: &str, payload: &impl Serialize) -> Result<usize, Refusal> {
        self.direct_as(None, user, payload)
    }

    pub(crate) fn direct_as(
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
    /// When the room is full, the connection is in too many or gone, or the name is no good.
    pub fn join(&self, connection: ConnectionId, room: &str) -> Result<(), Refusal> {
        let room = name("room", room)?;
        self.command(Command::Join { connection, room }).map(drop)
    }

    /// Takes a connection out of a room; it is told.
    ///
    /// # Errors
    /// When it is not in that room.
    pub fn leave(&self, connection: ConnectionId, room: &str) -> Result<(), Refusal> {
        let room = name("room", room)?;
        self.command(Command::Leave { connection, room }).map(drop)
    }

    /// Whether a user has an open connection.
    pub fn is_online(&self, user: &str) -> bool {
        self.0.look(|driver| driver.hub().user(user).is_some_and(|user| user.is_online()))
    }

    /// The users in a room, sorted.
    pub fn members(&self, room: &str) -> Vec<UserName> {
        self.0.look(|driver| driver.hub().room(room).map_or_else(Vec::new, |room| room.users()))
    }

    /// The rooms that a connection is in.
    pub fn rooms(&self, connection: ConnectionId) -> Vec<RoomName> {
        self.0.look(|driver| {
            let view = driver.hub().connection(connection);
            view.map_or_else(Vec::new, |view| view.rooms().cloned().collect())
        })
    }

    /// Counters and gauges.
    pub fn stats(&self) -> Stats {
        self.0.look(|driver| driver.stats())
    }

    /// Whether the server is going away.
    pub fn is_draining(&self) -> bool {
        self.0.look(|driver| driver.hub().is_draining())
    }

    /// Asks every connection of a user whether it is alive, and waits for the answers, at most so long: for each
    /// connection its latency, `None` when there was no answer.
    ///
    /// # Errors
    /// When the user has no connection, or too many probes are under way.
    pub async fn probe(
        &self,
        user: &str,
        timeout: Duration,
    ) -> Result<Vec<(ConnectionId, Option<Duration>)>, Refusal> {
        let user: UserName = name("user", user)?;
        let (sender, receiver) = smol::channel::bounded(1);
        self.0.drive(|driver, now| {
            let ticket = driver.probe(now, user, timeout)?;
            // Still under the driver's lock, so the answer cannot come first.
            lock(&self.0.probes).insert(ticket, sender);
            Ok::<(), Refusal>(())
        })?;
        receiver.recv().await.map_err(|_| Refusal::new(ErrorCode::Internal, "the server has ended"))
    }

    /// Closes every connection of a user. Answers how many there were.
    ///
    /// # Errors
    /// When the name is no good.
    pub fn kick(&self, user: &str, reason: CloseReason) -> Result<usize, Refusal> {
        let user = name("user", user)?;
        self.command(Command::CloseUser { user, reason }).map(count)
    }

    /// Goes away: no new connections, everybody told, sent what is theirs, and closed. Comes back when nobody is left, at
    /// the latest after the time-out; a time-out of zero cuts everybody off without a word. Clients are told to come back at a
    /// random moment within `spread`.
    pub async fn drain(&self, timeout: Duration, spread: Duration) {
        self.0.drive(|driver, now| driver.drain(now, timeout, spread));
        self.0.drained.wait().await;
    }

    /// Anything else that the core can do.
    ///
    /// # Errors
    /// When the hub refuses.
    pub fn command(&self, command: Command) -> Result<Outcome, Refusal> {
        self.0.drive(|driver, now| driver.command(now, command))
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle")
    }
}

fn count(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Sent(n) | Outcome::Closing(n) | Outcome::Probing(n) => n,
        Outcome::Published { recipients, .. } => recipients,
        Outcome::Joined(_) | Outcome::Left => 0,
    }
}

fn name<T>(field: &'static str, text: &str) -> Result<T, Refusal>
where
    T: for<'t> TryFrom<&'t str, Error = NameError>,
{
    T::try_from(text).map_err(|error| Refusal::field(field, error))
}

fn json(payload: &impl Serialize) -> Result<Payload, Refusal> {
    Json::of(payload)
        .map(Payload::Json)
        .map_err(|error| Refusal::new(ErrorCode::InvalidPayload, error.to_string()))
}
