//! What an application that awaits asks of its client.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use switchboard_core::client::{Accepted, Joined, Members, RoomHistory};
use switchboard_core::{Payload, Position};

use super::call::Call;
use super::handle::{Client, Stopping};
use super::room::{Room, json};
use crate::wait::Async;

impl<B> Client<Async, B> {
    /// Sends to every connection of a user. The message is sent again until there is an answer,
    /// and arrives once.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::{CallError, Client}};
    /// # async fn example(client: Client<Async, ()>) -> Result<(), CallError> {
    /// client.direct("bob", &"psst").await?;
    /// # Ok(()) }
    /// ```
    pub fn direct(&self, user: &str, payload: &impl Serialize) -> Call<Accepted> {
        self.caller().direct(user, json(payload))
    }

    /// [`direct`](Self::direct) with bytes.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::{CallError, Client}};
    /// # async fn example(client: Client<Async, ()>) -> Result<(), CallError> {
    /// client.direct_binary("bob", vec![1, 2, 3]).await?;
    /// # Ok(()) }
    /// ```
    pub fn direct_binary(&self, user: &str, payload: impl Into<Bytes>) -> Call<Accepted> {
        self.caller().direct(user, Ok(Payload::Binary(payload.into())))
    }

    /// Asks the server's handler for this type of message, and waits for its answer, at most for
    /// [`ClientConfig::request_timeout`](switchboard_core::client::ClientConfig::request_timeout).
    /// The request is sent once at most.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::Client};
    /// # use std::time::Duration;
    /// # async fn example(client: Client<Async, ()>) -> Result<(), Box<dyn std::error::Error>> {
    /// let sum: u64 = client.request("add", &(20, 22)).await?.read()?;
    /// # Ok(()) }
    /// ```
    pub fn request(&self, kind: &str, payload: &impl Serialize) -> Call<Accepted> {
        self.caller().request(None, kind, json(payload), None)
    }

    /// [`request`](Self::request) with another time-out.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::Client};
    /// # use std::time::Duration;
    /// # async fn example(client: Client<Async, ()>) -> Result<(), Box<dyn std::error::Error>> {
    /// let timeout = Duration::from_secs(60);
    /// let report: String = client.request_within(timeout, "report", &2026).await?.read()?;
    /// # Ok(()) }
    /// ```
    pub fn request_within(
        &self,
        timeout: Duration,
        kind: &str,
        payload: &impl Serialize,
    ) -> Call<Accepted> {
        self.caller().request(None, kind, json(payload), Some(timeout))
    }

    /// Closes the connection; calls without an answer fail, and rooms are forgotten.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::{CallError, Client}};
    /// # async fn example(client: Client<Async, ()>) -> Result<(), CallError> {
    /// client.stop().await;
    /// # Ok(()) }
    /// ```
    pub fn stop(&self) -> Stopping {
        self.caller().stop()
    }
}

impl Room<Async> {
    /// Enters, and enters again after each reconnect, with all that was missed. Without a
    /// connection, the client enters when it has one.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::{CallError, Room}};
    /// # async fn example(room: Room<Async>) -> Result<(), CallError> {
    /// let joined = room.join().await?;
    /// println!("in {} at {}", room.name(), joined.position);
    /// # Ok(()) }
    /// ```
    pub fn join(&self) -> Call<Joined> {
        self.begin_join(None)
    }

    /// [`join`](Self::join), with what was published after this position.
    pub fn join_since(&self, since: Position) -> Call<Joined> {
        self.begin_join(Some(since))
    }

    /// Leaves.
    pub fn leave(&self) -> Call<()> {
        self.begin_leave()
    }

    /// Publishes. The message is sent again until there is an answer, and is published once.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::{CallError, Room}};
    /// # async fn example(room: Room<Async>) -> Result<(), CallError> {
    /// room.send("chat", &"hello").await?;
    /// # Ok(()) }
    /// ```
    pub fn send(&self, kind: &str, payload: &impl Serialize) -> Call<Accepted> {
        self.begin_send(kind, None, json(payload))
    }

    /// [`send`](Self::send) for rooms that conflate: the message replaces one with the same key
    /// that a slow member has not received yet.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::{CallError, Room}};
    /// # async fn example(room: Room<Async>) -> Result<(), CallError> {
    /// room.send_with_key("cursor", "alice", &(10, 20)).await?;
    /// # Ok(()) }
    /// ```
    pub fn send_with_key(&self, kind: &str, key: &str, payload: &impl Serialize) -> Call<Accepted> {
        self.begin_send(kind, Some(key), json(payload))
    }

    /// [`send`](Self::send) with bytes.
    pub fn send_binary(&self, kind: &str, payload: impl Into<Bytes>) -> Call<Accepted> {
        self.begin_send(kind, None, Ok(Payload::Binary(payload.into())))
    }

    /// Asks the server's handler for this type of message about this room, and waits for its
    /// answer. The request is sent once at most.
    pub fn request(&self, kind: &str, payload: &impl Serialize) -> Call<Accepted> {
        self.begin_request(kind, payload, None)
    }

    /// [`request`](Self::request) with another time-out.
    pub fn request_within(
        &self,
        timeout: Duration,
        kind: &str,
        payload: &impl Serialize,
    ) -> Call<Accepted> {
        self.begin_request(kind, payload, Some(timeout))
    }

    /// The members of the room.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::{CallError, Room}};
    /// # async fn example(room: Room<Async>) -> Result<(), CallError> {
    /// println!("{} users", room.members().await?.total);
    /// # Ok(()) }
    /// ```
    pub fn members(&self) -> Call<Members> {
        self.ask_members()
    }

    /// What was published after a position, or the last publications; at most `limit`.
    ///
    /// ```
    /// # use switchboard_engine::{Async, client::{CallError, Room}};
    /// # async fn example(room: Room<Async>) -> Result<(), CallError> {
    /// let last_ten = room.history(None, Some(10)).await?.events;
    /// # Ok(()) }
    /// ```
    pub fn history(&self, since: Option<Position>, limit: Option<u32>) -> Call<RoomHistory> {
        self.ask_history(since, limit)
    }
}
