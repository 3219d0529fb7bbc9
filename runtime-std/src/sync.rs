//! What threads share data by. `threads.rs` and `waiting.rs` take it from here and nowhere else, so that
//! `tests/interleavings.rs` can include them with shuttle's in this place.

pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic};
pub(crate) use std::{thread, thread_local};

/// A panic in an observer or a view must not take the server along.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
