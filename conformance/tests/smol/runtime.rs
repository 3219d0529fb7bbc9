//! What the shared tests need from `switchboard-smol`. The `runtime` of other runtimes has the same
//! names.

use std::io;
use std::net::{SocketAddr, TcpListener};

use smol::Async;
use smol::future::FutureExt;
pub(crate) use switchboard_smol::*;

use crate::shared::harness::DEADLINE;

pub(crate) type Listener = Async<TcpListener>;

/// A listener on this address.
pub(crate) fn listen_at(address: SocketAddr) -> (SocketAddr, Listener) {
    let listener = bind(address).unwrap();
    (listener.get_ref().local_addr().unwrap(), listener)
}

/// Serves until the server has been drained.
pub(crate) fn serve(server: &Server, listener: Listener) -> io::Result<()> {
    smol::block_on(server.serve(listener))
}

/// Waits for the outcome, up to a deadline.
pub(crate) fn done<T>(future: impl Future<Output = T>) -> T {
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

/// For such a body: longer than any timeout.
macro_rules! take_too_long {
    () => {
        std::future::pending::<()>().await
    };
}
pub(crate) use take_too_long;

/// Blocks its waiters until it is opened by dropping the sender.
pub(crate) type Gate = smol::channel::Receiver<()>;

/// Creates a gate, and the sender that opens it.
pub(crate) fn gate() -> (smol::channel::Sender<()>, Gate) {
    smol::channel::bounded(1)
}

/// For the body of a handler: waits until the gate is open.
macro_rules! wait_at {
    ($gate:expr) => {
        let _ = $gate.recv().await;
    };
}
pub(crate) use wait_at;

/// Starts to send, without waiting.
macro_rules! post {
    ($room:expr, $kind:expr, $payload:expr) => {
        $room.send($kind, $payload)
    };
}
pub(crate) use post;

/// Waits for the answer to what was posted.
pub(crate) fn answer<T>(call: Call<T>) -> Result<T, CallError> {
    done(call)
}

/// Makes a token provider from a function that returns a token.
macro_rules! provider {
    ($tokens:expr) => {
        move || {
            let token = $tokens();
            async move { token }
        }
    };
}
pub(crate) use provider;

pub(crate) fn next_event(events: &mut Events) -> Option<ClientEvent> {
    done(events.next_event())
}
