//! What a failure to accept a socket means.

use std::io;

/// Why no socket was accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AcceptFailure {
    /// One peer went away before it was accepted; the next may be there already.
    OneSocket,
    /// Too many open files, no memory, the network's own errors that accept(2) passes on: it passes. Nothing tells when;
    /// until then the backlog keeps those who wait.
    ForNow,
    /// The listener is closed, does not listen any more, or never did (EBADF, EINVAL, ENOTSOCK).
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
