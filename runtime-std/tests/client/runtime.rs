//! The runtime that these tests are about, as the scenarios need it. Those of other runtimes have the same names.

use std::net::SocketAddr;
use std::time::Duration;
use std::{io, thread};

pub(crate) use switchboard_std::*;

/// Serves on this address until the server has been drained.
pub(crate) fn serve(
    server: Server,
    address: SocketAddr,
) -> (SocketAddr, thread::JoinHandle<io::Result<()>>) {
    let listener = bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    (address, thread::spawn(move || server.serve(listener)))
}

/// What was waited for is there already.
pub(crate) fn done<T>(value: T) -> T {
    value
}

/// A call that is waited for later, or dropped.
macro_rules! post {
    ($room:expr, $kind:expr, $payload:expr) => {
        $room.post($kind, $payload)
    };
}
pub(crate) use post;

pub(crate) fn later<T>(call: Posted<T>) -> Result<T, CallError> {
    let Ok(result) = call.wait_timeout(crate::server::DEADLINE) else {
        panic!("it takes too long")
    };
    result
}

macro_rules! provider {
    ($tokens:expr) => {
        move || $tokens()
    };
}
pub(crate) use provider;

pub(crate) fn next_event(events: &mut Events) -> Option<Event> {
    events.next_event_within(crate::server::DEADLINE).expect("an event")
}

pub(crate) fn drain(handle: &Handle, timeout: Duration, spread: Duration) {
    handle.drain(timeout, spread);
}

/// What a handler or authenticator gives back.
pub(crate) fn handled<T>(value: T) -> T {
    value
}

/// A handler that does not come back while the other end of this is held.
pub(crate) fn stuck(
    held: Option<std::sync::mpsc::Receiver<()>>,
) -> Result<(), switchboard_core::Refusal> {
    if let Some(held) = held {
        let _ = held.recv();
    }
    Ok(())
}
