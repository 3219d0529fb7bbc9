//! The runtime that these tests are about, as the scenarios need it. Those of other runtimes have the same names.

use std::net::SocketAddr;
use std::time::Duration;
use std::{io, thread};

use smol::future::FutureExt;
pub(crate) use switchboard_smol::*;

/// Serves on this address until the server has been drained.
pub(crate) fn serve(
    server: Server,
    address: SocketAddr,
) -> (SocketAddr, thread::JoinHandle<io::Result<()>>) {
    let listener = bind(address).unwrap();
    let address = listener.get_ref().local_addr().unwrap();
    (address, thread::spawn(move || smol::block_on(server.serve(listener))))
}

/// Waits for an answer, but not for ever.
pub(crate) fn done<T>(call: impl Future<Output = T>) -> T {
    let timeout = async {
        smol::Timer::after(crate::server::DEADLINE).await;
        panic!("it takes too long");
    };
    smol::block_on(call.or(timeout))
}

/// A call that is waited for later, or dropped.
macro_rules! post {
    ($room:expr, $kind:expr, $payload:expr) => {
        $room.send($kind, $payload)
    };
}
pub(crate) use post;

pub(crate) fn later<T>(call: Call<T>) -> Result<T, CallError> {
    done(call)
}

macro_rules! provider {
    ($tokens:expr) => {
        move || {
            let token = $tokens();
            async move { token }
        }
    };
}
pub(crate) use provider;

pub(crate) fn next_event(events: &mut Events) -> Option<Event> {
    done(events.next_event())
}

pub(crate) fn drain(handle: &Handle, timeout: Duration, spread: Duration) {
    done(handle.drain(timeout, spread));
}

/// What a handler or authenticator gives back.
pub(crate) fn handled<T>(value: T) -> std::future::Ready<T> {
    std::future::ready(value)
}

/// A handler that does not come back while the other end of this is held.
pub(crate) async fn stuck(
    _: Option<std::sync::mpsc::Receiver<()>>,
) -> Result<(), switchboard_core::Refusal> {
    std::future::pending().await
}
