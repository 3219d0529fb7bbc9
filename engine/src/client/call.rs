//! A question to the server whose answer has not come yet.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::shell::Shell;
use crate::wait::{block_on, block_until};
use switchboard_core::client::{Failure, MachineEvent, Settled};
use switchboard_core::{NameError, Ticket};

/// Why a call failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallError {
    /// A name is invalid.
    Name {
        /// What has this name: a room, a user, a type of message.
        what: &'static str,
        /// Why.
        error: NameError,
    },
    /// The payload cannot be written as JSON.
    Payload(String),
    /// The server refused, or could not be asked.
    Failed(Failure),
}

impl CallError {
    pub(super) fn payload(error: &serde_json::Error) -> Self {
        Self::Payload(error.to_string())
    }

    /// The code of the error, for programs; if the server answered, its code.
    pub fn code(&self) -> &str {
        match self {
            Self::Name { .. } => "invalid_field",
            Self::Payload(_) => "invalid_payload",
            Self::Failed(failure) => failure.code(),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { what, error } => write!(f, "the {what} {error}"),
            Self::Payload(why) => write!(f, "the payload is no JSON: {why}"),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

impl std::error::Error for CallError {}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Text from the application as a name.
pub(super) fn name<T>(what: &'static str, text: &str) -> Result<T, CallError>
where
    T: for<'t> TryFrom<&'t str, Error = NameError>,
{
    T::try_from(text).map_err(|error| CallError::Name { what, error })
}

/// A call under way. It has begun when this is made, and calls that were made one after the other
/// are sent in that order.
///
/// Await it, or [`wait`](Self::wait), for the answer. To drop it is to cancel it: what has not been
/// sent is not sent any more, and of what has been sent the answer is ignored.
/// [`detach`](Self::detach) lets it go on alone.
#[must_use = "a call that is dropped is cancelled"]
pub struct Call<T> {
    state: State,
    read: fn(Settled) -> Option<T>,
}

enum State {
    Going(Arc<Shell>, Ticket),
    Failed(CallError),
    Done,
}

impl<T> Call<T> {
    pub(super) fn begin(
        shell: &Arc<Shell>,
        event: Result<impl FnOnce(Ticket) -> MachineEvent, CallError>,
        read: fn(Settled) -> Option<T>,
    ) -> Self {
        let state = match event {
            Err(error) => State::Failed(error),
            Ok(event) => match shell.call(event) {
                Some(ticket) => State::Going(shell.clone(), ticket),
                None => State::Failed(Failure::Stopped.into()),
            },
        };
        Self { state, read }
    }

    /// Blocks this thread until there is an answer.
    ///
    /// # Errors
    /// If the server refused, or could not be asked.
    pub fn wait(self) -> Result<T, CallError> {
        block_on(self)
    }

    /// Blocks this thread for at most `timeout`.
    ///
    /// # Errors
    /// If there is no answer by then, gives back the call, to be waited for again or dropped.
    pub fn wait_timeout(mut self, timeout: Duration) -> Result<Result<T, CallError>, Self> {
        let deadline = Instant::now() + timeout;
        block_until(Some(deadline), |cx| Pin::new(&mut self).poll(cx)).ok_or(self)
    }

    /// Lets it go on without its answer.
    pub fn detach(mut self) {
        if let State::Going(shell, ticket) = std::mem::replace(&mut self.state, State::Done) {
            shell.forget(ticket);
        }
    }
}

impl<T> Future for Call<T> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match &self.state {
            State::Going(shell, ticket) => {
                let settled = ready!(shell.poll_call(*ticket, cx));
                settled.map_err(CallError::Failed).and_then(|settled| {
                    // The machine answers a question with what belongs to it.
                    (self.read)(settled).ok_or(CallError::Failed(Failure::Disconnected))
                })
            }
            State::Failed(error) => Err(error.clone()),
            State::Done => Err(Failure::Stopped.into()),
        };
        self.state = State::Done;
        Poll::Ready(result)
    }
}

impl<T> Drop for Call<T> {
    fn drop(&mut self) {
        if let State::Going(shell, ticket) = &self.state {
            shell.cancel(*ticket);
        }
    }
}

impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Call")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_error_has_a_name_and_words() {
        let name = CallError::Name { what: "room", error: NameError::Empty };
        for (error, code, text) in [
            (name, "invalid_field", "the room must not be empty"),
            (
                CallError::Payload("a map".into()),
                "invalid_payload",
                "the payload is no JSON: a map",
            ),
            (Failure::Stopped.into(), "stopped", "the client was stopped"),
        ] {
            assert_eq!((error.code(), error.to_string().as_str()), (code, text));
        }
    }
}
