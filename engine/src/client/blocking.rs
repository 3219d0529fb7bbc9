//! What an application that blocks asks of its client. Calls that begin with `post` do not wait.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use switchboard_core::client::{Accepted, Joined, Members, RoomHistory};
use switchboard_core::{Payload, Position};

use super::call::{Call, CallError};
use super::handle::Client;
use super::room::{Room, json};
use crate::wait::{Blocking, block_on};

impl<B> Client<Blocking, B> {
    /// Sends to every connection of a user. The message is sent again until there is an answer,
    /// and arrives once.
    ///
    /// # Errors
    /// If the server refuses, or the client ends.
    ///
    /// ```
    /// # use switchboard_engine::{Blocking, client::{CallError, Client}};
    /// # fn example(client: Client<Blocking, ()>) -> Result<(), CallError> {
    /// client.direct("bob", &"psst")?;
    /// # Ok(()) }
    /// ```
    pub fn direct(&self, user: &str, payload: &impl Serialize) -> Result<Accepted, CallError> {
        self.post_direct(user, payload).wait()
    }

    /// [`direct`](Self::direct) with bytes.
    ///
    /// # Errors
    /// If the server refuses, or the client ends.
    ///
    /// ```
    /// # use switchboard_engine::{Blocking, client::{CallError, Client}};
    /// # fn example(client: Client<Blocking, ()>) -> Result<(), CallError> {
    /// client.direct_binary("bob", vec![1, 2, 3])?;
    /// # Ok(()) }
    /// ```
    pub fn direct_binary(
        &self,
        user: &str,
        payload: impl Into<Bytes>,
    ) -> Result<Accepted, CallError> {
        self.caller().direct(user, Ok(Payload::Binary(payload.into()))).wait()
    }

    /// [`direct`](Self::direct) without waiting.
    ///
    /// ```
    /// # use switchboard_engine::{Blocking, client::{CallError, Client}};
    /// # fn example(client: Client<Blocking, ()>) -> Result<(), CallError> {
    /// client.post_direct("bob", &"psst").detach();
    /// # Ok(()) }
    /// ```
    pub fn post_direct(&self, user: &str, payload: &impl Serialize) -> Call<Accepted> {
        self.caller().direct(user, json(payload))
    }

    /// Asks the server's handler for this type of message, and waits for its answer, at most for
    /// [`ClientConfig::request_timeout`](switchboard_core::client::ClientConfig::request_timeout).
    /// The request is sent once at most.
    ///
    /// # Errors
    /// If there is no answer, or it is a refusal.
    ///
    /// ```
    /// # use switchboard_engine::{Blocking, client::Client};
    /// # use std::time::Duration;
    /// # fn example(client: Client<Blocking, ()>) -> Result<(), Box<dyn std::error::Error>> {
    /// let sum: u64 = client.request("add", &(20, 22))?.read()?;
    /// # Ok(()) }
    /// ```
    pub fn request(&self, kind: &str, payload: &impl Serialize) -> Result<Accepted, CallError> {
        self.post_request(kind, payload).wait()
    }

    /// [`request`](Self::request) with another time-out.
    ///
    /// # Errors
    /// If there is no answer, or it is a refusal.
    ///
    /// ```
    /// # use switchboard_engine::{Blocking, client::Client};
    /// # use std::time::Duration;
    /// # fn example(client: Client<Blocking, ()>) -> Result<(), Box<dyn std::error::Error>> {
    /// let timeout = Duration::from_secs(60);
    /// let report: String = client.request_within(timeout, "report", &2026)?.read()?;
    /// # Ok(()) }
    /// ```
    pub fn request_within(
        &self,
        timeout: Duration,
        kind: &str,
        payload: &impl Serialize,
    ) -> Result<Accepted, CallError> {
        self.caller().request(None, kind, json(payload), Some(timeout)).wait()
    }

    /// [`request`](Self::request) without waiting.
    ///
    /// ```
    /// # use switchboard_engine::{Blocking, client::{CallError, Client}};
    /// # fn example(client: Client<Blocking, ()>) -> Result<(), CallError> {
    /// let call = client.post_request("add", &(20, 22));
    /// // Do something else, and then:
    /// let answer = call.wait()?;
    /// # Ok(()) }
    /// ```
    pub fn post_request(&self, kind: &str, payload: &impl Serialize) -> Call<Accepted> {
        self.caller().request(None, kind, json(payload), None)
    }

    /// Closes the connection, and waits until the socket is closed; calls without an answer fail,
    /// and rooms are forgotten.
    ///
    /// ```
    /// # use switchboard_engine::{Blocking, client::{CallError, Client}};
    /// # fn example(client: Client<Blocking, ()>) -> Result<(), CallError> {
    /// client.stop();
    /// # Ok(()) }
    /// ```
    pub fn stop(&self) {
        block_on(self.caller().stop());
    }
}

/// These methods fail as the type's documentation says.
#[allow(clippy::missing_errors_doc, reason = "the same for all, and said above")]
impl Room<Blocking> {
    /// Enters, and enters again after each reconnect, with all that was missed. Waits for a
    /// connection if there is none.
    ///
    /// ```
    /// # use switchboard_engine::{Blocking, client::{CallError, Room}};
    /// # fn example(room: Room<Blocking>) -> Result<(), CallError> {
    /// let joined = room.join()?;
    /// println!("in {} at {}", room.name(), joined.position);
    /// # Ok(()) }
    /// ```
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
    ///
    /// ```
    /// # use switchboard_engine::{Blocking, client::{CallError, Room}};
    /// # fn example(room: Room<Blocking>) -> Result<(), CallError> {
    /// room.send("chat", &"hello")?;
    /// # Ok(()) }
    /// ```
    pub fn send(&self, kind: &str, payload: &impl Serialize) -> Result<Accepted, CallError> {
        self.post(kind, payload).wait()
    }

    /// [`send`](Self::send) for rooms that conflate: the message replaces one with the same key
    /// that a slow member has not received yet.
    ///
    /// ```
    /// # use switchboard_engine::{Blocking, client::{CallError, Room}};
    /// # fn example(room: Room<Blocking>) -> Result<(), CallError> {
    /// room.send_with_key("cursor", "alice", &(10, 20))?;
    /// # Ok(()) }
    /// ```
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
    ///
    /// ```
    /// # use switchboard_engine::{Blocking, client::{CallError, Room}};
    /// # fn example(room: Room<Blocking>) -> Result<(), CallError> {
    /// room.post("chat", &"hello").detach();
    /// # Ok(()) }
    /// ```
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
    ///
    /// ```
    /// # use switchboard_engine::{Blocking, client::{CallError, Room}};
    /// # fn example(room: Room<Blocking>) -> Result<(), CallError> {
    /// println!("{} users", room.members()?.total);
    /// # Ok(()) }
    /// ```
    pub fn members(&self) -> Result<Members, CallError> {
        self.ask_members().wait()
    }

    /// What was published after a position, or the last publications; at most `limit`.
    ///
    /// ```
    /// # use switchboard_engine::{Blocking, client::{CallError, Room}};
    /// # fn example(room: Room<Blocking>) -> Result<(), CallError> {
    /// let last_ten = room.history(None, Some(10))?.events;
    /// # Ok(()) }
    /// ```
    pub fn history(
        &self,
        since: Option<Position>,
        limit: Option<u32>,
    ) -> Result<RoomHistory, CallError> {
        self.ask_history(since, limit).wait()
    }
}
