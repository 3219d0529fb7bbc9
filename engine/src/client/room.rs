//! One room, from the client's side.

use std::fmt;
use std::time::Duration;
use std::vec::Vec;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::call::{Call, CallError, name};
use super::caller::Caller;
use switchboard_core::client::{Event, Joined, Question, Settled};
use switchboard_core::{
    ConflationKey, Json, Kind, Payload, Position, Publication, RoomName, Ticket, UserName,
};

/// A room. Cheap to clone; it keeps the client going, as every handle does.
#[derive(Clone)]
pub struct Room {
    caller: Caller,
    name: RoomName,
}

/// The server took a message, or answered a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Accepted {
    /// Its place in its room, if it was published.
    pub event_id: Option<Position>,
    /// The answer of the server's handler.
    pub payload: Option<Payload>,
}

impl Accepted {
    /// The handler's answer. Where it said nothing, that of `()`, which is `null`.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        match &self.payload {
            Some(payload) => payload.read(),
            None => Payload::null().read(),
        }
    }
}

/// Who is in a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Members {
    /// Names, not always all.
    pub users: Vec<UserName>,
    /// How many users there are.
    pub total: u64,
}

/// What a room keeps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct History {
    /// Oldest first.
    pub events: Vec<Publication>,
    /// The room's position.
    pub position: Position,
    /// Whether there are newer ones than these.
    pub more: bool,
}

impl Room {
    pub(super) fn new(caller: Caller, name: RoomName) -> Self {
        Self { caller, name }
    }

    /// Its name.
    pub fn name(&self) -> &RoomName {
        &self.name
    }

    /// Enters, and enters again after each reconnect, with all that was missed. A client that has no connection yet enters
    /// when it has one.
    pub fn join(&self) -> Call<Joined> {
        self.begin_join(None)
    }

    /// The same, with what was published after this position.
    pub fn join_since(&self, since: Position) -> Call<Joined> {
        self.begin_join(Some(since))
    }

    fn begin_join(&self, since: Option<Position>) -> Call<Joined> {
        let room = self.name.clone();
        let event = move |ticket: Ticket| Event::Join { ticket, room, since };
        Call::begin(self.caller.shell(), Ok(event), |settled| {
            if let Settled::Joined(joined) = settled { Some(joined) } else { None }
        })
    }

    /// Leaves.
    pub fn leave(&self) -> Call<()> {
        let room = self.name.clone();
        let event = move |ticket: Ticket| Event::Leave { ticket, room };
        Call::begin(self.caller.shell(), Ok(event), |_| Some(()))
    }

    /// Publishes. The message is sent again until there is an answer, and is published once.
    pub fn send(&self, kind: &str, payload: &impl Serialize) -> Call<Accepted> {
        self.begin_send(kind, None, json(payload))
    }

    /// The same, for rooms that conflate: the message replaces one with the same key that a slow member has not got yet.
    pub fn send_with_key(&self, kind: &str, key: &str, payload: &impl Serialize) -> Call<Accepted> {
        self.begin_send(kind, Some(key), json(payload))
    }

    /// Publishes bytes.
    pub fn send_binary(&self, kind: &str, payload: impl Into<Bytes>) -> Call<Accepted> {
        self.begin_send(kind, None, Ok(Payload::Binary(payload.into())))
    }

    fn begin_send(
        &self,
        kind: &str,
        key: Option<&str>,
        payload: Result<Payload, CallError>,
    ) -> Call<Accepted> {
        let room = Some(self.name.clone());
        let event = name::<Kind>("type", kind).and_then(|kind| {
            let key = key.map(|key| name::<ConflationKey>("key", key)).transpose()?;
            let payload = payload?;
            Ok(move |ticket: Ticket| Event::Send { ticket, room, kind, key, payload })
        });
        Call::begin(self.caller.shell(), event, accepted)
    }

    /// Asks the server's handler for this type of message about this room. It is sent once at most.
    pub fn request(&self, kind: &str, payload: &impl Serialize) -> Call<Accepted> {
        self.caller.begin_request(Some(self.name.clone()), kind, json(payload), None)
    }

    /// The same with a time-out of its own.
    pub fn request_within(
        &self,
        timeout: Duration,
        kind: &str,
        payload: &impl Serialize,
    ) -> Call<Accepted> {
        self.caller.begin_request(Some(self.name.clone()), kind, json(payload), Some(timeout))
    }

    /// Who is in it.
    pub fn members(&self) -> Call<Members> {
        let question = Question::Members { room: self.name.clone() };
        self.ask(question, |settled| {
            if let Settled::Members { members: users, total } = settled {
                Some(Members { users, total })
            } else {
                None
            }
        })
    }

    /// What was published after a position, or the last of what was.
    pub fn history(&self, since: Option<Position>, limit: Option<u32>) -> Call<History> {
        let question = Question::History { room: self.name.clone(), since, limit };
        self.ask(question, |settled| {
            if let Settled::History { events, position, more } = settled {
                Some(History { events, position, more })
            } else {
                None
            }
        })
    }

    fn ask<T>(&self, question: Question, read: fn(Settled) -> Option<T>) -> Call<T> {
        let event = move |ticket: Ticket| Event::Ask { ticket, question, timeout: None };
        Call::begin(self.caller.shell(), Ok(event), read)
    }

    /// What has been seen of it.
    pub fn position(&self) -> Option<Position> {
        self.caller.position(&self.name)
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Room").field(&self.name).finish()
    }
}

pub(super) fn accepted(settled: Settled) -> Option<Accepted> {
    if let Settled::Accepted { event_id, payload } = settled {
        Some(Accepted { event_id, payload })
    } else {
        None
    }
}

pub(super) fn json(payload: &impl Serialize) -> Result<Payload, CallError> {
    Json::of(payload).map(Payload::Json).map_err(|error| CallError::payload(&error))
}
