//! The library over real sockets: what the application around the server gets to see. Most tests are those
//! of `switchboard-smol`, word for word; what only the wire shows is in `switchboard-conformance`.
#![cfg(test)]
#![expect(clippy::unit_arg, reason = "where other runtimes await, this one has the value already")]

use switchboard_conformance::client;

mod runtime;

#[path = "../../../runtime-smol/tests/sockets/asking.rs"]
mod asking;
#[path = "../../../runtime-smol/tests/sockets/auth.rs"]
mod auth;
#[path = "../../../runtime-smol/tests/sockets/drain.rs"]
mod drain;
#[path = "../../../runtime-smol/tests/sockets/endings.rs"]
mod endings;
#[path = "../../../runtime-smol/tests/sockets/handle.rs"]
mod handle;
#[path = "../../../runtime-smol/tests/sockets/handlers.rs"]
mod handlers;
#[path = "../../../runtime-smol/tests/sockets/harness.rs"]
mod harness;
#[path = "../../../runtime-smol/tests/sockets/http.rs"]
mod http;
#[path = "../../../runtime-smol/tests/sockets/observer.rs"]
mod observer;
#[path = "../../../runtime-smol/tests/sockets/panics.rs"]
mod panics;

mod crowd;
mod threads;
