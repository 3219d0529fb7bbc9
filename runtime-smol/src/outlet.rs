//! A socket, as the engine and the writers have it.

use std::io::{self, IoSlice, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::net::{RecvFlags, SendFlags, Shutdown};
use switchboard_core::{Outlet, Stall};
use switchboard_engine::server::write_parts;

/// A socket that does not wait. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Socket(Arc<OwnedFd>);

impl Socket {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self(Arc::new(fd))
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::net::recv(&*self.0, buffer, RecvFlags::empty())?.0)
    }
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Self::new(stream.into())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(&*self.0, bytes, SendFlags::NOSIGNAL)?)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        use rustix::net::{SendAncillaryBuffer, sendmsg};
        let flags = SendFlags::NOSIGNAL;
        Ok(sendmsg(&*self.0, parts, &mut SendAncillaryBuffer::default(), flags)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Outlet for Socket {
    fn write(&mut self, parts: &[&[u8]]) -> Result<usize, Stall> {
        write_parts(&*self, parts)
    }

    /// The poller tells when it takes bytes again, unasked.
    fn watch(&mut self) {}

    fn finish(&mut self) {
        // If it fails, the peer has disconnected.
        let _ = rustix::net::shutdown(&*self.0, Shutdown::Write);
    }
}
