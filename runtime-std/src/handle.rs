//! The server in the hands of the rest of the application.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use switchboard_core::{Answer, ConnectionId, ErrorCode, Refusal, UserName};
use switchboard_engine::server::{Control, RequestError, json, name, read_answer};

use crate::shared::Shared;
use crate::sync::lock;

/// A server from outside: cheap to clone, usable from any thread. No method of [`Control`], which it has too, waits for a
/// client: what is sent goes into the sockets or waits, bounded, for those that are slow. Only the methods here wait;
/// an observer must not call them, because what they wait for is reported to it first.
#[derive(Clone)]
pub struct Handle {
    control: Control,
    shared: Arc<Shared>,
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { control: Control::new(shared.clone()), shared }
    }

    /// Asks every connection of a user whether it is alive, and waits for the answers: for each
    /// connection its latency, `None` if there was no answer within the time-out. Without a time-out, that is
    /// [`Heartbeat::probe_timeout`](switchboard_core::Heartbeat::probe_timeout). A handler that probes its own user gets no answer from
    /// its own connection, which is not read meanwhile.
    ///
    /// # Errors
    /// When the user has no connection, or too many probes are under way.
    pub fn probe(
        &self,
        user: &str,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<(ConnectionId, Option<Duration>)>, Refusal> {
        let (user, timeout): (UserName, _) = (name("user", user)?, timeout.into());
        let (sender, receiver) = channel();
        self.shared.drive(|driver, now| {
            let ticket = driver.probe(now, user, timeout)?;
            // Still under the driver's lock, so the answer cannot come first.
            lock(&self.shared.probes).insert(ticket, sender);
            Ok::<(), Refusal>(())
        })?;
        receiver.recv().map_err(|_| Refusal::new(ErrorCode::Internal, "the server has ended"))
    }

    /// Asks a client something, and waits for its answer, at most so long.
    ///
    /// A handler that asks its own connection gets no answer, because that is not read meanwhile.
    ///
    /// # Errors
    /// When it is gone, does not answer, refuses, or answers something else.
    pub fn request<R: DeserializeOwned>(
        &self,
        to: ConnectionId,
        method: &str,
        payload: &impl Serialize,
        timeout: Duration,
    ) -> Result<R, RequestError> {
        let (method, payload) = (name("method", method)?, json(payload)?);
        let (sender, receiver) = channel();
        self.shared.drive(|driver, now| {
            let ticket = driver.request(now, to, method, payload, timeout)?;
            // Still under the driver's lock, so the answer cannot come first.
            lock(&self.shared.requests).insert(ticket, sender);
            Ok::<(), Refusal>(())
        })?;
        // Whoever would answer is gone with the server.
        let answer = receiver.recv().unwrap_or(Answer::Gone);
        read_answer(&answer)
    }

    /// Goes away: no new connections, everybody told, sent what is theirs, and closed. Comes back when nobody is left, at
    /// the latest after the time-out, and all threads of the server have ended; a time-out of zero cuts everybody off
    /// without a word. Handlers and authenticators that run then
    /// are waited for. Called from a handler, it comes back without waiting for threads. Clients are told to come back at
    /// a random moment within `spread`.
    pub fn drain(&self, timeout: Duration, spread: Duration) {
        self.shared.drive(|driver, now| driver.drain(now, timeout, spread));
        self.shared.drained.wait();
        self.shared.threads.join_all();
    }
}

impl Deref for Handle {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle")
    }
}
