//! What an application can do from outside: checked arguments in, commands to the hub out.

use std::fmt;
use std::string::ToString;
use std::sync::Arc;
use std::vec::Vec;

use serde::Serialize;

use switchboard_core::{
    CloseReason, Command, ConnectionId, ErrorCode, Hub, Json, Kind, NameError, Outcome, Payload,
    Position, Refusal, Rejection, RoomName, Session, Stats, UserName,
};

/// A server as its runtime keeps it: the driver behind a lock.
pub trait Hosted: Send + Sync {
    /// Has the hub do something, and what follows from it.
    ///
    /// # Errors
    /// When the hub refuses.
    fn command(&self, command: Command) -> Result<Outcome, Refusal>;

    /// Takes a seat.
    ///
    /// # Errors
    /// When there is none.
    fn connect(
        &self,
        user: UserName,
        rooms: Vec<(RoomName, Option<Position>)>,
        session: Option<Session>,
    ) -> Result<ConnectionId, Rejection>;

    /// Gives a seat back that nobody took.
    fn abandon(&self, connection: ConnectionId);

    /// Looks without touching.
    fn look(&self, look: &mut dyn FnMut(&Hub));

    /// The driver's numbers.
    fn stats(&self) -> Stats;
}

/// What can be done without waiting: the part of a runtime's handle that is the same everywhere.
#[derive(Clone)]
pub struct Control(Arc<dyn Hosted>);

/// What came of a publication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Published {
    /// Its place in the room; `None` when the room has nobody in it and keeps nothing.
    pub position: Option<Position>,
    /// How many connections get it.
    pub recipients: usize,
}

impl Control {
    /// The means over a server.
    pub fn new(server: Arc<dyn Hosted>) -> Self {
        Self(server)
    }

    fn look<T>(&self, look: impl FnOnce(&Hub) -> T) -> Option<T> {
        let (mut look, mut seen) = (Some(look), None);
        self.0.look(&mut |hub| seen = look.take().map(|look| look(hub)));
        seen
    }

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
            | Outcome::Refreshed(_)
            | Outcome::Asked
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

    /// Sends to every connection of a user in the name of another. Answers how many those are.
    ///
    /// # Errors
    /// When the user has none, or the payload cannot be written as JSON.
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
        self.look(|hub| hub.user(user).is_some_and(|user| user.is_online())).unwrap_or_default()
    }

    /// The users in a room, sorted.
    pub fn members(&self, room: &str) -> Vec<UserName> {
        self.look(|hub| hub.room(room).map(|room| room.users())).flatten().unwrap_or_default()
    }

    /// The rooms that a connection is in.
    pub fn rooms(&self, connection: ConnectionId) -> Vec<RoomName> {
        self.look(|hub| hub.connection(connection).map(|view| view.rooms().cloned().collect()))
            .flatten()
            .unwrap_or_default()
    }

    /// Counters and gauges.
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// Whether the server is going away.
    pub fn is_draining(&self) -> bool {
        self.look(|hub| hub.is_draining()).unwrap_or_default()
    }

    /// Closes every connection of a user. Answers how many there were.
    ///
    /// # Errors
    /// When the name is no good.
    pub fn kick(&self, user: &str, reason: CloseReason) -> Result<usize, Refusal> {
        let user = name("user", user)?;
        self.command(Command::CloseUser { user, reason }).map(count)
    }

    /// Anything else that the core can do.
    ///
    /// # Errors
    /// When the hub refuses.
    pub fn command(&self, command: Command) -> Result<Outcome, Refusal> {
        self.0.command(command)
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Control")
    }
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
/// When it is no good as one; the refusal names the field.
pub fn name<T>(field: &'static str, text: &str) -> Result<T, Refusal>
where
    T: for<'t> TryFrom<&'t str, Error = NameError>,
{
    T::try_from(text).map_err(|error| Refusal::field(field, error))
}

/// A payload from the application.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn json(payload: &impl Serialize) -> Result<Payload, Refusal> {
    Json::of(payload)
        .map(Payload::Json)
        .map_err(|error| Refusal::new(ErrorCode::InvalidPayload, error.to_string()))
}
