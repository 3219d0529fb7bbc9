//! What an application that blocks asks of its client. Calls that begin with `post` do not wait.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use switchboard_core::client::Joined;
use switchboard_core::{Payload, Position};

use super::call::{Call, CallError};
use super::handle::Client;
use super::room::{Accepted, Members, Room, RoomHistory, json};
use crate::wait::{Blocking, block_on};

impl<B> Client<Blocking, B> {
    /// Sends to every connection of a user. The message is sent again until there is an answer,
    /// and arrives once.
    ///
    /// # Errors
    /// If the server refuses, or the client ends.
    pub fn direct(&self, user: &str, payload: &impl Serialize) -> Result<Accepted, CallError> {
        self.post_direct(user, payload).wait()
    }

    /// [`direct`](Self::direct) with bytes.
    ///
    /// # Errors
    /// If the server refuses, or the client ends.
    pub fn direct_binary(
        &self,
        user: &str,
        payload: impl Into<Bytes>,
    ) -> Result<Accepted, CallError> {
        self.caller().direct(user, Ok(Payload::Binary(payload.into()))).wait()
    }

    /// [`direct`](Self::direct) without waiting.
    pub fn post_direct(&self, user: &str, payload: &impl Serialize) -> Call<Accepted> {
        self.caller().direct(user, json(payload))
    }

    /// Asks the server's handler for this type of message, and waits for its answer, at most for
    /// [`Config::request_timeout`](switchboard_core::client::Config::request_timeout). The request
    /// is sent once at most.
    ///
    /// # Errors
    /// If there is no answer, or it is a refusal.
    pub fn request(&self, kind: &str, payload: &impl Serialize) -> Result<Accepted, CallError> {
        self.post_request(kind, payload).wait()
    }

    /// [`request`](Self::request) with another time-out.
    ///
    /// # Errors
    /// If there is no answer, or it is a refusal.
    pub fn request_within(
        &self,
        timeout: Duration,
        kind: &str,
        payload: &impl Serialize,
    ) -> Result<Accepted, CallError> {
        self.caller().request(None, kind, json(payload), Some(timeout)).wait()
    }

    /// [`request`](Self::request) without waiting.
    pub fn post_request(&self, kind: &str, payload: &impl Serialize) -> Call<Accepted> {
        self.caller().request(None, kind, json(payload), None)
    }

    /// Closes the connection, and waits until the socket is closed; calls without an answer fail,
    /// and rooms are forgotten.
    pub fn stop(&self) {
        block_on(self.caller().stop());
    }
}

/// These methods fail as the type's documentation says.
#[allow(clippy::missing_errors_doc, reason = "the same for all, and said above")]
impl Room<Blocking> {
    /// Enters, and enters again after each reconnect, with all that was missed. Waits for a
    /// connection if there is none.
    pub fn join(&self) -> Result<Joined, CallError> {
        self.post_join().wait()
    }

    /// [`join`](Self::join), with what was published after this position.
    pub fn join_since(&self, since: Position) -> Result<Joined, CallError> {
        self.begin_join(Some(since)).wait()
    }

    /// [`join`](Self::join) without waiting.
    pub fn post_join(&self) -> Call<Joined> {
        self.begin_join(None)
    }

    /// Leaves.
    pub fn leave(&self) -> Result<(), CallError> {
        self.begin_leave().wait()
    }

    /// Publishes, and waits until the server has it. The message is sent again until there is an
    /// answer, and is published once.
    pub fn send(&self, kind: &str, payload: &impl Serialize) -> Result<Accepted, CallError> {
        self.post(kind, payload).wait()
    }

    /// [`send`](Self::send) for rooms that conflate: the message replaces one with the same key
    /// that a slow member has not received yet.
    pub fn send_with_key(
        &self,
        kind: &str,
        key: &str,
        payload: &impl Serialize,
    ) -> Result<Accepted, CallError> {
        self.begin_send(kind, Some(key), json(payload)).wait()
    }

    /// [`send`](Self::send) with bytes.
    pub fn send_binary(
        &self,
        kind: &str,
        payload: impl Into<Bytes>,
    ) -> Result<Accepted, CallError> {
        self.post_binary(kind, payload).wait()
    }

    /// [`send`](Self::send) without waiting.
    pub fn post(&self, kind: &str, payload: &impl Serialize) -> Call<Accepted> {
        self.begin_send(kind, None, json(payload))
    }

    /// [`send_binary`](Self::send_binary) without waiting.
    pub fn post_binary(&self, kind: &str, payload: impl Into<Bytes>) -> Call<Accepted> {
        self.begin_send(kind, None, Ok(Payload::Binary(payload.into())))
    }

    /// Asks the server's handler for this type of message about this room, and waits for its
    /// answer. The request is sent once at most.
    pub fn request(&self, kind: &str, payload: &impl Serialize) -> Result<Accepted, CallError> {
        self.begin_request(kind, payload, None).wait()
    }

    /// [`request`](Self::request) with another time-out.
    pub fn request_within(
        &self,
        timeout: Duration,
        kind: &str,
        payload: &impl Serialize,
    ) -> Result<Accepted, CallError> {
        self.begin_request(kind, payload, Some(timeout)).wait()
    }

    /// The members of the room.
    pub fn members(&self) -> Result<Members, CallError> {
        self.ask_members().wait()
    }

    /// What was published after a position, or the last publications; at most `limit`.
    pub fn history(
        &self,
        since: Option<Position>,
        limit: Option<u32>,
    ) -> Result<RoomHistory, CallError> {
        self.ask_history(since, limit).wait()
    }
}
