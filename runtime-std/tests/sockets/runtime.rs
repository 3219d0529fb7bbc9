//! The runtime that these tests are about, as the scenarios need it. Those of other runtimes have the same names.

use std::io;
use std::net::{SocketAddr, TcpListener};

pub(crate) use switchboard_std::*;

/// A listener on a port of its own.
pub(crate) fn listen() -> (SocketAddr, TcpListener) {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    (listener.local_addr().unwrap(), listener)
}

/// Serves until the server has been drained.
pub(crate) fn serve(server: &Server, listener: TcpListener) -> io::Result<()> {
    server.serve(listener)
}

/// What was waited for is there already.
pub(crate) fn within<T>(value: T) -> T {
    value
}

/// The body of a handler or authenticator.
macro_rules! later {
    ($($body:tt)*) => {{ $($body)* }};
}
pub(crate) use later;

/// In such a body: longer than the time-outs of these tests.
macro_rules! take_too_long {
    () => {
        std::thread::sleep(std::time::Duration::from_millis(600))
    };
}
pub(crate) use take_too_long;
