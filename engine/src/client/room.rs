//! One room, from the client's side.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use switchboard_core::client::{
    Accepted, Joined, MachineEvent, Members, Question, RoomHistory, Settled,
};
use switchboard_core::{ConflationKey, Json, Kind, Payload, Position, RoomName, Ticket};

use super::call::{Call, CallError, name};
use super::handle::Caller;

/// A room. Cheap to clone; it keeps the client going, as every handle does.
///
/// A call fails if the server refuses, if the client is stopped or closed for good, or if too many
/// messages wait already; questions and requests fail, too, if there is no answer in time.
pub struct Room<K> {
    caller: Caller,
    name: RoomName,
    kind: PhantomData<fn() -> K>,
}

impl<K> Room<K> {
    pub(super) fn new(caller: Caller, name: RoomName) -> Self {
        Self { caller, name, kind: PhantomData }
    }

    /// The room's name.
    pub fn name(&self) -> &RoomName {
        &self.name
    }

    /// The position of the last publication that was received in the room.
    pub fn position(&self) -> Option<Position> {
        self.caller.position(&self.name)
    }

    pub(super) fn begin_join(&self, since: Option<Position>) -> Call<Joined> {
        let room = self.name.clone();
        let event = move |ticket: Ticket| MachineEvent::Join { ticket, room, since };
        Call::begin(self.caller.shell(), Ok(event), |settled| {
            if let Settled::Joined(joined) = settled { Some(joined) } else { None }
        })
    }

    pub(super) fn begin_leave(&self) -> Call<()> {
        let room = self.name.clone();
        let event = move |ticket: Ticket| MachineEvent::Leave { ticket, room };
        Call::begin(self.caller.shell(), Ok(event), |_| Some(()))
    }

    pub(super) fn begin_send(
        &self,
        kind: &str,
        key: Option<&str>,
        payload: Result<Payload, CallError>,
    ) -> Call<Accepted> {
        let room = Some(self.name.clone());
        let event = name::<Kind>("type", kind).and_then(|kind| {
            let key = key.map(|key| name::<ConflationKey>("key", key)).transpose()?;
            let payload = payload?;
            Ok(move |ticket: Ticket| MachineEvent::Send { ticket, room, kind, key, payload })
        });
        Call::begin(self.caller.shell(), event, accepted)
    }

    pub(super) fn begin_request(
        &self,
        kind: &str,
        payload: &impl Serialize,
        timeout: Option<Duration>,
    ) -> Call<Accepted> {
        self.caller.request(Some(self.name.clone()), kind, json(payload), timeout)
    }

    pub(super) fn ask_members(&self) -> Call<Members> {
        let question = Question::Members { room: self.name.clone() };
        self.ask(question, |settled| {
            if let Settled::Members(members) = settled { Some(members) } else { None }
        })
    }

    pub(super) fn ask_history(
        &self,
        since: Option<Position>,
        limit: Option<u32>,
    ) -> Call<RoomHistory> {
        let question = Question::History { room: self.name.clone(), since, limit };
        self.ask(question, |settled| {
            if let Settled::History(history) = settled { Some(history) } else { None }
        })
    }

    fn ask<T>(&self, question: Question, read: fn(Settled) -> Option<T>) -> Call<T> {
        let event = move |ticket: Ticket| MachineEvent::Ask { ticket, question, timeout: None };
        Call::begin(self.caller.shell(), Ok(event), read)
    }
}

impl<K> Clone for Room<K> {
    fn clone(&self) -> Self {
        Self { caller: self.caller.clone(), name: self.name.clone(), kind: PhantomData }
    }
}

impl<K> fmt::Debug for Room<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Room").field(&self.name).finish()
    }
}

pub(super) fn accepted(settled: Settled) -> Option<Accepted> {
    if let Settled::Accepted(accepted) = settled { Some(accepted) } else { None }
}

pub(super) fn json(payload: &impl Serialize) -> Result<Payload, CallError> {
    Json::of(payload).map(Payload::Json).map_err(|error| CallError::payload(&error))
}
