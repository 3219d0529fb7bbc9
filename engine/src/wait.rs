//! The two ways in which an application waits for an answer.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

/// Marks the handles of an application that awaits: what takes time is a future.
#[derive(Clone, Copy, Debug)]
pub enum Async {}

/// Marks the handles of an application that blocks: what takes time returns when it is done.
#[derive(Clone, Copy, Debug)]
pub enum Blocking {}

/// Wakes a thread that waits.
#[derive(Default)]
struct Alarm {
    is_rung: Mutex<bool>,
    rung: Condvar,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        *self.is_rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.rung.notify_one();
    }
}

/// Blocks this thread until `poll` is ready, or until the deadline, if there is one; then returns
/// `None`.
pub fn block_until<T>(
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
        let mut is_rung = alarm.is_rung.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_rung {
            let Some(deadline) = deadline else {
                is_rung = alarm.rung.wait(is_rung).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = alarm.rung.wait_timeout(is_rung, left);
            is_rung = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *is_rung = false;
    }
}

/// Blocks this thread until the future is ready.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Some(output) = block_until(None, |cx| future.as_mut().poll(cx)) {
            return output;
        }
    }
}
