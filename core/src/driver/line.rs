//! A socket and what waits for it.

use alloc::vec::Vec;

use super::queue::{PARTS, WriteQueue};
use super::{Outlet, Stall};
use crate::protocol::id::ConnectionId;

/// Up to so many bytes, several pieces are put into one: copying them is cheaper than a call with many pieces.
const GATHER: usize = 8 * 1024;

#[derive(Debug)]
pub(super) struct Line<O> {
    pub(super) outlet: O,
    pub(super) queue: WriteQueue,
    /// The socket was full; nothing is written until it is writable again.
    pub(super) stalled: bool,
    pub(super) broken: bool,
    /// The close frame is written.
    finished: bool,
}

impl<O> Line<O> {
    pub(super) fn new(outlet: O, queue: WriteQueue) -> Self {
        Self { outlet, queue, stalled: false, broken: false, finished: false }
    }

    /// Whether something waits that can be written now.
    pub(super) fn has_work(&self) -> bool {
        !self.stalled && !self.broken && !self.queue.is_empty()
    }
}

impl<O: Outlet> Line<O> {
    /// Writes until nothing waits or the socket takes no more. Answers how many bytes it took.
    pub(super) fn pump(&mut self, scratch: &mut Vec<u8>) -> u64 {
        let mut written = 0;
        while self.has_work() {
            let result = if let Some(piece) = self.queue.single() {
                self.outlet.write(&[piece])
            } else if self.queue.bytes() <= GATHER {
                self.queue.gather(scratch);
                self.outlet.write(&[scratch])
            } else {
                let mut parts: [&[u8]; PARTS] = [&[]; PARTS];
                let count = self.queue.fill(&mut parts);
                self.outlet.write(&parts[..count])
            };
            match result {
                // A socket that takes nothing and says nothing will not take anything later either.
                Ok(0) | Err(Stall::Broken) => self.broken = true,
                Ok(taken) => {
                    written += taken as u64;
                    self.queue.advance(taken);
                }
                Err(Stall::Full) => {
                    self.stalled = true;
                    self.outlet.watch();
                }
            }
        }
        if self.queue.is_closed() && self.queue.is_empty() && !self.finished {
            self.finished = true;
            self.outlet.finish();
        }
        written
    }
}

/// What one socket is to get, in the hands of whoever writes it, on another thread perhaps. It goes back by
/// [`Driver::bring_back`](super::Driver::bring_back), written or not.
#[derive(Debug)]
pub struct Delivery<O> {
    id: ConnectionId,
    line: Line<O>,
    written: u64,
}

impl<O> Delivery<O> {
    pub(super) fn new(id: ConnectionId, line: Line<O>) -> Self {
        Self { id, line, written: 0 }
    }

    pub(super) fn into_parts(self) -> (ConnectionId, Line<O>, u64) {
        (self.id, self.line, self.written)
    }
}

impl<O: Outlet> Delivery<O> {
    /// Writes as much as the socket takes now. `scratch` is anything, of which nothing is kept; it saves an allocation.
    pub fn write(&mut self, scratch: &mut Vec<u8>) {
        self.written += self.line.pump(scratch);
    }
}
