//! The server in the hands of the rest of the application.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use switchboard_core::{Answer, ConnectionId, ErrorCode, Refusal, UserName};
use switchboard_engine::server::{Control, RequestError, json, name, read_answer};

use crate::shared::Shared;

/// A server from outside: cheap to clone, usable from any thread. No method of [`Control`], which it has too, waits for a
/// client: what is sent goes into the sockets or waits, bounded, for those that are slow.
#[derive(Clone)]
pub struct Handle {
    control: Control,
    shared: Arc<Shared>,
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { control: Control::new(shared.clone()), shared }
    }

    /// Whether the server is going away.
    pub fn is_draining(&self) -> bool {
        self.control.is_draining()
    }

    /// Asks every connection of a user whether it is alive, and waits for the answers: for each
    /// connection its latency, `None` if there was no answer within the time-out. Without a time-out, that is
    /// [`Heartbeat::probe_timeout`](switchboard_core::Heartbeat::probe_timeout).
    ///
    /// # Errors
    /// When the user has no connection, or too many probes are under way.
    pub async fn probe(
        &self,
        user: &str,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<(ConnectionId, Option<Duration>)>, Refusal> {
        let (user, timeout): (UserName, _) = (name("user", user)?, timeout.into());
        let (sender, receiver) = smol::channel::bounded(1);
        self.shared.drive(|driver, now| {
            let ticket = driver.probe(now, user, timeout)?;
            // Still under the driver's lock, so the answer cannot come first.
            self.shared.probes.lock().insert(ticket, sender);
            Ok::<(), Refusal>(())
        })?;
        receiver.recv().await.map_err(|_| Refusal::new(ErrorCode::Internal, "the server has ended"))
    }

    /// Asks a client something, and waits for its answer, at most so long.
    ///
    /// # Errors
    /// When it is gone, does not answer, refuses, or answers something else.
    pub async fn request<R: DeserializeOwned>(
        &self,
        to: ConnectionId,
        method: &str,
        payload: &impl Serialize,
        timeout: Duration,
    ) -> Result<R, RequestError> {
        let (method, payload) = (name("method", method)?, json(payload)?);
        let (sender, receiver) = smol::channel::bounded(1);
        self.shared.drive(|driver, now| {
            let ticket = driver.request(now, to, method, payload, timeout)?;
            // Still under the driver's lock, so the answer cannot come first.
            self.shared.requests.lock().insert(ticket, sender);
            Ok::<(), Refusal>(())
        })?;
        // Whoever would answer is gone with the server.
        let answer = receiver.recv().await.unwrap_or(Answer::Gone);
        read_answer(&answer)
    }

    /// Goes away: no new connections, everybody told, sent what is theirs, and closed. Comes back when nobody is left, at
    /// the latest after the time-out; a time-out of zero cuts everybody off without a word. Clients are told to come back at a
    /// random moment within `spread`.
    pub async fn drain(&self, timeout: Duration, spread: Duration) {
        self.shared.drive(|driver, now| driver.drain(now, timeout, spread));
        self.shared.drained.wait().await;
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
