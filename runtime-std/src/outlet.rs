//! The driver's side of a socket.

use std::io::{self, IoSlice, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use socket2::SockRef;
use switchboard_core::{ConnectionId, Outlet, Stall};
use switchboard_engine::server::write_parts;

use crate::background::Writer;
use crate::sync::lock;

/// A blocking socket, and what the driver tells the connection's thread about it. The driver writes
/// without waiting, and the thread reads; they share no lock.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) socket: Arc<TcpStream>,
    pub(crate) id: ConnectionId,
    ended: AtomicBool,
    end: (Mutex<()>, Condvar),
    /// Bytes that the connection's thread has read, and those of them that the driver has.
    taken: AtomicU64,
    given: AtomicU64,
}

impl Link {
    pub(crate) fn new(socket: Arc<TcpStream>, id: ConnectionId) -> Self {
        let (taken, given) = (AtomicU64::new(0), AtomicU64::new(0));
        let end = (Mutex::new(()), Condvar::new());
        Self { socket, id, ended: AtomicBool::new(false), end, taken, given }
    }

    /// The connection's thread has read this many bytes.
    pub(crate) fn took(&self, bytes: usize) {
        self.taken.fetch_add(bytes as u64, Ordering::AcqRel);
    }

    /// The driver has all bytes that were read.
    pub(crate) fn gave(&self) {
        self.given.store(self.taken(), Ordering::Release);
    }

    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Acquire)
    }

    pub(crate) fn given(&self) -> u64 {
        self.given.load(Ordering::Acquire)
    }

    /// Whether the driver has dropped the socket.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Waits until the driver has dropped the socket, for this long at most.
    pub(crate) fn wait_for_end(&self, timeout: Duration) {
        let (mutex, ended) = &self.end;
        drop(ended.wait_timeout_while(lock(mutex), timeout, |()| !self.is_ended()));
    }

    fn set_ended(&self) {
        self.ended.store(true, Ordering::Release);
        // A thread that has just looked is waiting by then.
        drop(lock(&self.end.0));
        self.end.1.notify_all();
    }

    /// Ends both directions, so that no thread waits for the socket any longer.
    pub(crate) fn cut(&self) {
        // If it fails, the peer has disconnected.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// The driver's end of a connection. Dropping it ends the socket, and with that the connection's
/// thread.
#[derive(Debug)]
pub(crate) struct SocketOutlet {
    pub(crate) link: Arc<Link>,
    pub(crate) writer: Arc<Writer>,
}

/// A blocking socket, written to as if it were not.
struct WithoutWaiting<'a>(SockRef<'a>);

const FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

impl Write for WithoutWaiting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send_with_flags(bytes, FLAGS)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.send_vectored_with_flags(parts, FLAGS)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Outlet for SocketOutlet {
    fn write(&mut self, parts: &[&[u8]]) -> Result<usize, Stall> {
        write_parts(WithoutWaiting(SockRef::from(&*self.link.socket)), parts)
    }

    fn watch(&mut self) {
        if let Err(error) = self.writer.watch(&self.link) {
            tracing::warn!(%error, "a full socket cannot be watched, and is closed");
            self.link.cut();
        }
    }

    fn finish(&mut self) {
        // If it fails, the peer has disconnected.
        let _ = self.link.socket.shutdown(Shutdown::Write);
    }
}

impl Drop for SocketOutlet {
    fn drop(&mut self) {
        self.link.set_ended();
        self.writer.forget(&self.link);
        self.link.cut();
    }
}
