//! The state of a client, and the causes of lost connections.

use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use super::event::CloseFrame;

/// The state of a client's connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Not started, or stopped.
    Idle,
    /// Connecting: waiting for a token, a socket, or the server's `connected`.
    Connecting,
    /// Connected: messages flow.
    Open,
    /// The connection was lost; there will be another.
    Waiting {
        /// The time until the next attempt.
        retry_in: Duration,
    },
    /// Ended, until the next [`MachineEvent::Connect`](super::MachineEvent::Connect).
    Closed,
}

/// Why a connection ended, or could not be established.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// The socket ended without a close frame, or could not be opened.
    Lost,
    /// The server, or an application's token, took too long.
    TimedOut,
    /// The server has been silent for too long.
    Stale,
    /// The application has no token, for this reason.
    NoToken(Arc<str>),
    /// A close frame arrived.
    Closed(CloseFrame),
    /// The upgrade was refused with this status.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The error code of the body; `None` if it was not Switchboard's own answer, but that of
        /// a proxy, say.
        code: Option<Arc<str>>,
    },
}

/// Whether the client reconnects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ComesBack {
    /// Yes, after a wait.
    Yes,
    /// Only with another token.
    WithAnotherToken,
    /// Never.
    No,
}

impl Cause {
    /// Returns whether it is worth trying again.
    ///
    /// ```
    /// use switchboard_core::client::{Cause, CloseFrame, ComesBack};
    ///
    /// let forbidden = Cause::Closed(CloseFrame { code: 4003, reason: None });
    /// assert_eq!(forbidden.comes_back(), ComesBack::No);
    /// assert_eq!(Cause::Lost.comes_back(), ComesBack::Yes);
    /// ```
    pub fn comes_back(&self) -> ComesBack {
        match self {
            Self::Lost | Self::TimedOut | Self::Stale | Self::NoToken(_) => ComesBack::Yes,
            Self::Closed(CloseFrame { code, .. }) => match code {
                1000 | 1002 | 1003 | 1007 | 1009 | 4003 | 4004 => ComesBack::No,
                4001 => ComesBack::WithAnotherToken,
                _ => ComesBack::Yes,
            },
            Self::Refused { code: None, .. } => ComesBack::Yes,
            Self::Refused { status, code: Some(_) } => match status {
                400 | 403 | 404 | 405 | 426 => ComesBack::No,
                401 => ComesBack::WithAnotherToken,
                _ => ComesBack::Yes,
            },
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => write!(f, "the connection was lost"),
            Self::TimedOut => write!(f, "connecting took too long"),
            Self::Stale => write!(f, "the server has not been heard of for too long"),
            Self::NoToken(why) => write!(f, "there is no token: {why}"),
            Self::Closed(CloseFrame { code, reason: Some(reason) }) => {
                write!(f, "the server closed the connection: {code} {reason}")
            }
            Self::Closed(CloseFrame { code, reason: None }) => {
                write!(f, "the server closed the connection: {code}")
            }
            Self::Refused { status, .. } => write!(f, "the server answered with status {status}"),
        }
    }
}
