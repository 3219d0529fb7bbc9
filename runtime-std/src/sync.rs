//! What threads share data with. `threads.rs` and `waiting.rs` import it only from here, so that
//! `tests/interleavings.rs` can include them with shuttle's types instead.

pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic};
pub(crate) use std::{thread, thread_local};

/// A panic in an observer or a view must not end the server.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
