//! The driver's side of a socket.

use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use atomic_waker::AtomicWaker;
use smol::Async;
use switchboard_core::serving::write_parts;
use switchboard_core::{Outlet, Stall};

const WATCH: u8 = 1;
const ENDED: u8 = 2;

/// A socket, and how the driver and the connection's task tell each other about it. The driver writes and the task
/// reads, both without waiting; they share no lock.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) socket: Async<TcpStream>,
    /// The connection's task.
    task: AtomicWaker,
    flags: AtomicU8,
}

impl Link {
    pub(crate) fn new(socket: Async<TcpStream>) -> Self {
        Self { socket, task: AtomicWaker::new(), flags: AtomicU8::new(0) }
    }

    pub(crate) fn register(&self, waker: &std::task::Waker) {
        self.task.register(waker);
    }

    /// Whether the driver has let go of the socket.
    pub(crate) fn is_ended(&self) -> bool {
        self.flags.load(Ordering::Acquire) & ENDED != 0
    }

    /// Whether the driver waits for the socket to take bytes again.
    pub(crate) fn is_watched(&self) -> bool {
        self.flags.load(Ordering::Acquire) & WATCH != 0
    }

    /// The socket takes bytes again: the driver is about to be told.
    pub(crate) fn unwatch(&self) {
        self.flags.fetch_and(!WATCH, Ordering::AcqRel);
    }

    fn raise(&self, flag: u8) {
        self.flags.fetch_or(flag, Ordering::AcqRel);
        self.task.wake();
    }
}

/// What the driver has of a connection. The task is woken only when the socket is full, or the end has come.
#[derive(Debug)]
pub(crate) struct SocketOutlet(pub(crate) Arc<Link>);

impl Outlet for SocketOutlet {
    fn write(&mut self, parts: &[&[u8]]) -> Result<usize, Stall> {
        write_parts(self.0.socket.get_ref(), parts)
    }

    fn watch(&mut self) {
        self.0.raise(WATCH);
    }

    fn finish(&mut self) {
        // If it fails, the peer is gone already.
        let _ = self.0.socket.get_ref().shutdown(Shutdown::Write);
    }

    fn end(&mut self) {
        self.0.raise(ENDED);
    }
}
