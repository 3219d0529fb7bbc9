//! Waiting for what the client's thread brings.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use switchboard_engine::client::{Call, CallError};

use crate::sync::lock;

/// Wakes one thread that waits.
#[derive(Default)]
struct Alarm {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        *lock(&self.rung) = true;
        self.heard.notify_one();
    }
}

/// Waits until something is there, at most until then.
pub(super) fn wait_until<T>(
    deadline: Option<Instant>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Option<T> {
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(alarm.clone());
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = poll(&mut cx) {
            return Some(value);
        }
        let mut rung = lock(&alarm.rung);
        while !*rung {
            let Some(deadline) = deadline else {
                rung = alarm.heard.wait(rung).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = alarm.heard.wait_timeout(rung, left);
            rung = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *rung = false;
    }
}

pub(super) fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Some(output) = wait_until(None, |cx| future.as_mut().poll(cx)) {
            return output;
        }
    }
}

/// A call under way, for those who do not want to wait: those that were made one after the other go out in that order.
///
/// To drop it is to cancel it: what has not been sent yet is not, and of what has been sent the answer is ignored, and it is
/// not sent again. [`detach`](Self::detach) lets it go on alone.
#[derive(Debug)]
#[must_use = "a call that is dropped is cancelled"]
pub struct Posted<T>(pub(super) Call<T>);

impl<T> Posted<T> {
    /// Waits for the answer.
    ///
    /// # Errors
    /// When the server refused, or could not be asked.
    pub fn wait(self) -> Result<T, CallError> {
        wait(self.0)
    }

    /// Waits no longer than this; gives the call back when there is no answer by then.
    ///
    /// # Errors
    /// With the call, to be waited for again or dropped.
    pub fn wait_timeout(mut self, timeout: Duration) -> Result<Result<T, CallError>, Self> {
        let deadline = Instant::now() + timeout;
        match wait_until(Some(deadline), |cx| std::pin::Pin::new(&mut self.0).poll(cx)) {
            Some(result) => Ok(result),
            None => Err(self),
        }
    }

    /// Lets it go on without anybody waiting for the answer.
    pub fn detach(self) {
        self.0.detach();
    }
}
