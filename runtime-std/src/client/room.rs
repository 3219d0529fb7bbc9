//! One room, from the client's side.

use std::time::Duration;

use serde::Serialize;
use switchboard_core::client::Joined;
use switchboard_core::{Position, RoomName};
use switchboard_engine::client::{self, Accepted, CallError, History, Members};

use super::wait::{Posted, wait};

/// A room. Cheap to clone; it keeps the client going, as every handle does.
///
/// Every method that waits fails when the server refuses, when the client is stopped or closed for good, or when too many
/// messages wait already; the questions and requests also when there is no answer in time.
#[derive(Clone, Debug)]
pub struct Room(pub(super) client::Room);

impl Room {
    /// Its name.
    pub fn name(&self) -> &RoomName {
        self.0.name()
    }

    /// Enters, and enters again after each reconnect, with all that was missed. Waits for a connection if there is none.
    pub fn join(&self) -> Result<Joined, CallError> {
        wait(self.0.join())
    }

    /// The same, with what was published after this position.
    pub fn join_since(&self, since: Position) -> Result<Joined, CallError> {
        wait(self.0.join_since(since))
    }

    /// [`join`](Self::join) without waiting.
    pub fn post_join(&self) -> Posted<Joined> {
        Posted(self.0.join())
    }

    /// Leaves.
    pub fn leave(&self) -> Result<(), CallError> {
        wait(self.0.leave())
    }

    /// Publishes, and waits until the server has it. The message is sent again until there is an answer, and is published
    /// once.
    pub fn send(&self, kind: &str, payload: &impl Serialize) -> Result<Accepted, CallError> {
        wait(self.0.send(kind, payload))
    }

    /// The same, for rooms that conflate: the message replaces one with the same key that a slow member has not got yet.
    pub fn send_with_key(
        &self,
        kind: &str,
        key: &str,
        payload: &impl Serialize,
    ) -> Result<Accepted, CallError> {
        wait(self.0.send_with_key(kind, key, payload))
    }

    /// Publishes bytes.
    pub fn send_binary(&self, kind: &str, payload: Vec<u8>) -> Result<Accepted, CallError> {
        wait(self.0.send_binary(kind, payload))
    }

    /// [`send`](Self::send) without waiting.
    pub fn post(&self, kind: &str, payload: &impl Serialize) -> Posted<Accepted> {
        Posted(self.0.send(kind, payload))
    }

    /// [`send_binary`](Self::send_binary) without waiting.
    pub fn post_binary(&self, kind: &str, payload: Vec<u8>) -> Posted<Accepted> {
        Posted(self.0.send_binary(kind, payload))
    }

    /// Asks the server's handler for this type of message about this room. It is sent once at most.
    pub fn request(&self, kind: &str, payload: &impl Serialize) -> Result<Accepted, CallError> {
        wait(self.0.request(kind, payload))
    }

    /// The same with a time-out of its own.
    pub fn request_within(
        &self,
        timeout: Duration,
        kind: &str,
        payload: &impl Serialize,
    ) -> Result<Accepted, CallError> {
        wait(self.0.request_within(timeout, kind, payload))
    }

    /// Who is in it.
    pub fn members(&self) -> Result<Members, CallError> {
        wait(self.0.members())
    }

    /// What was published after a position, or the last of what was.
    pub fn history(
        &self,
        since: Option<Position>,
        limit: Option<u32>,
    ) -> Result<History, CallError> {
        wait(self.0.history(since, limit))
    }

    /// What has been seen of it.
    pub fn position(&self) -> Option<Position> {
        self.0.position()
    }
}
