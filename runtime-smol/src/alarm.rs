//! What wakes the server's thread.

// `tests/alarm.rs` includes this file, with loom's in this place.
use super::sync::{AtomicBool, Ordering};

/// Wakes the server's thread, which sleeps in the kernel: at most once for each sleep.
///
/// All accesses are swaps: one that finds the thread awake does not ring, and the thread's next
/// swap sees what was done before it. A plain store by the thread would come between the two.
#[derive(Debug)]
pub(crate) struct Alarm {
    /// The thread is awake, or about to be.
    is_awake: AtomicBool,
}

impl Default for Alarm {
    fn default() -> Self {
        Self { is_awake: AtomicBool::new(true) }
    }
}

impl Alarm {
    /// There is something to do. Returns whether the thread has to be woken up for it.
    pub(crate) fn ring(&self) -> bool {
        !self.is_awake.swap(true, Ordering::AcqRel)
    }

    /// The thread is about to sleep. Comes before it looks for the last time whether there is
    /// something to do.
    pub(crate) fn going_to_sleep(&self) {
        self.is_awake.swap(false, Ordering::AcqRel);
    }

    /// The thread has woken up by itself.
    pub(crate) fn awake(&self) {
        self.is_awake.swap(true, Ordering::AcqRel);
    }
}
