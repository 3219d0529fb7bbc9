//! What it means that a socket could not be accepted.

use std::io;

/// Why no socket was accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AcceptFailure {
    /// One peer disconnected before it was accepted; the next one may be waiting.
    OneSocket,
    /// Too many open files, no memory, or an error of the network that accept(2) passes on. It
    /// passes, but nothing tells when; until then the backlog keeps the peers that wait.
    ForNow,
    /// The listener is closed, no longer listens, or never did (EBADF, EINVAL, ENOTSOCK).
    Listener,
}

impl AcceptFailure {
    /// What this error of `accept` means.
    pub fn of(error: &io::Error) -> Self {
        let is_one_socket = matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionRefused
                | io::ErrorKind::Interrupted
        );
        match error.raw_os_error() {
            _ if is_one_socket => Self::OneSocket,
            Some(9 | 22 | 88) => Self::Listener,
            _ => Self::ForNow,
        }
    }
}
