//! What the shared tests need from `switchboard-std`. The `runtime` of other runtimes has the same
//! names.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

pub(crate) use switchboard_std::*;

use crate::shared::harness::DEADLINE;

pub(crate) type Listener = TcpListener;

/// A listener on this address.
pub(crate) fn listen_at(address: SocketAddr) -> (SocketAddr, Listener) {
    let listener = bind(address).unwrap();
    (listener.local_addr().unwrap(), listener)
}

/// Serves until the server has been drained.
pub(crate) fn serve(server: &Server, listener: Listener) -> io::Result<()> {
    server.serve(listener)
}

/// The outcome is already available.
pub(crate) fn done<T>(value: T) -> T {
    value
}

/// The body of a handler or authenticator.
macro_rules! later {
    ($($body:tt)*) => {{ $($body)* }};
}
pub(crate) use later;

/// For such a body: longer than the timeouts of these tests.
macro_rules! take_too_long {
    () => {
        std::thread::sleep(std::time::Duration::from_millis(600))
    };
}
pub(crate) use take_too_long;

/// Blocks its waiters until it is opened by dropping the sender.
pub(crate) type Gate = Arc<Mutex<Receiver<()>>>;

/// Creates a gate, and the sender that opens it.
pub(crate) fn gate() -> (Sender<()>, Gate) {
    let (sender, receiver) = channel();
    (sender, Arc::new(Mutex::new(receiver)))
}

/// For the body of a handler: waits until the gate is open.
macro_rules! wait_at {
    ($gate:expr) => {
        let _ = $gate.lock().unwrap().recv();
    };
}
pub(crate) use wait_at;

/// Starts to send, without waiting.
macro_rules! post {
    ($room:expr, $kind:expr, $payload:expr) => {
        $room.post($kind, $payload)
    };
}
pub(crate) use post;

/// Waits for the answer to what was posted.
pub(crate) fn answer<T>(call: Call<T>) -> Result<T, CallError> {
    let Ok(result) = call.wait_timeout(DEADLINE) else { panic!("it takes too long") };
    result
}

/// Makes a token provider from a function that returns a token.
macro_rules! provider {
    ($tokens:expr) => {
        move || $tokens()
    };
}
pub(crate) use provider;

pub(crate) fn next_event(events: &mut Events) -> Option<ClientEvent> {
    events.next_event_within(DEADLINE).expect("an event")
}
