//! A socket and what waits for it, here or on loan.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::queue::{PARTS, WriteQueue};
use super::{Outlet, Stall};
use crate::protocol::id::ConnectionId;

/// Where a connection's socket is.
#[derive(Debug)]
pub(super) enum Sink<O> {
    Here(Socket<O>),
    /// Another thread may be writing to it. These are the frames that were sent meanwhile.
    Lent(Box<WriteQueue>),
}

/// Up to this many bytes, several pieces are put into one: copying them is cheaper than a call with
/// many pieces.
const GATHER: usize = 8 * 1024;

/// An outlet and the frames that it has not taken yet.
#[derive(Debug)]
pub(super) struct Socket<O> {
    pub(super) outlet: O,
    pub(super) queue: WriteQueue,
    /// The socket was full; nothing is written until it is writable again.
    pub(super) stalled: bool,
    pub(super) broken: bool,
    /// The close frame is written.
    finished: bool,
}

impl<O> Socket<O> {
    pub(super) fn new(outlet: O, queue: WriteQueue) -> Self {
        Self { outlet, queue, stalled: false, broken: false, finished: false }
    }

    /// Whether something waits that can be written now.
    pub(super) fn has_work(&self) -> bool {
        !self.stalled && !self.broken && !self.queue.is_empty()
    }

    /// Adds what happened while it was lent.
    pub(super) fn catch_up(&mut self, meanwhile: Sink<O>, resumed: bool) {
        if let Sink::Lent(queue) = meanwhile {
            self.queue.append(*queue);
        }
        self.stalled &= !resumed;
    }
}

impl<O: Outlet> Socket<O> {
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

/// A socket and the frames that wait for it, on loan from [`Driver::lend`](super::Driver::lend) to
/// be written on another thread. Return it with [`Driver::take_back`](super::Driver::take_back),
/// written or not.
#[derive(Debug)]
pub struct LentSocket<O> {
    id: ConnectionId,
    socket: Socket<O>,
    written: u64,
}

impl<O> LentSocket<O> {
    pub(super) fn new(id: ConnectionId, socket: Socket<O>) -> Self {
        Self { id, socket, written: 0 }
    }

    pub(super) fn into_parts(self) -> (ConnectionId, Socket<O>, u64) {
        (self.id, self.socket, self.written)
    }
}

impl<O: Outlet> LentSocket<O> {
    /// Writes as much as the socket takes now. `scratch` is a buffer to reuse, which saves an
    /// allocation; what it holds means nothing.
    pub fn write(&mut self, scratch: &mut Vec<u8>) {
        self.written += self.socket.pump(scratch);
    }
}
