//! The runtime that these tests are about, as the scenarios need it. Those of other runtimes have the same names.

use std::io;
use std::net::{SocketAddr, TcpListener};

use smol::Async;
use smol::future::FutureExt;
pub(crate) use switchboard_smol::*;

use crate::harness::DEADLINE;

/// A listener on a port of its own.
pub(crate) fn listen() -> (SocketAddr, Async<TcpListener>) {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    (listener.get_ref().local_addr().unwrap(), listener)
}

/// Serves until the server has been drained.
pub(crate) fn serve(server: &Server, listener: Async<TcpListener>) -> io::Result<()> {
    smol::block_on(server.serve(listener))
}

/// Awaits, but not for ever.
pub(crate) fn within<T>(future: impl Future<Output = T>) -> T {
    let timeout = async {
        smol::Timer::after(DEADLINE).await;
        panic!("it takes too long");
    };
    smol::block_on(future.or(timeout))
}

/// The body of a handler or authenticator.
macro_rules! later {
    ($($body:tt)*) => { async move { $($body)* } };
}
pub(crate) use later;

/// In such a body: longer than any time-out.
macro_rules! take_too_long {
    () => {
        std::future::pending::<()>().await
    };
}
pub(crate) use take_too_long;
