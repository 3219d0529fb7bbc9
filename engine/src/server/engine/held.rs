//! The driver's end of a socket.

use std::sync::{Arc, Mutex, PoisonError};

use switchboard_core::{Outlet, Stall};

/// An outlet that the engine closes itself, after the last bytes have arrived.
#[derive(Debug)]
pub struct Held<O> {
    key: usize,
    outlet: O,
    ended: Ended,
}

/// The keys of sockets that the driver has dropped.
#[derive(Clone, Default, Debug)]
pub(super) struct Ended(Arc<Mutex<Vec<usize>>>);

impl Ended {
    pub(super) fn hold<O>(&self, key: usize, outlet: O) -> Held<O> {
        Held { key, outlet, ended: self.clone() }
    }

    pub(super) fn take(&self) -> Vec<usize> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<O: Outlet> Outlet for Held<O> {
    fn write(&mut self, parts: &[&[u8]]) -> Result<usize, Stall> {
        self.outlet.write(parts)
    }

    fn watch(&mut self) {
        self.outlet.watch();
    }

    fn finish(&mut self) {
        self.outlet.finish();
    }
}

impl<O> Drop for Held<O> {
    fn drop(&mut self) {
        self.ended.0.lock().unwrap_or_else(PoisonError::into_inner).push(self.key);
    }
}
