//! The library over real sockets: what clients, and the application around the server, get to see. The scenarios are
//! those of `switchboard-smol`, word for word.
#![cfg(test)]
#![expect(clippy::unit_arg, reason = "where other runtimes await, this one has the value already")]

mod runtime;

#[path = "../../../runtime-smol/tests/sockets/admission.rs"]
mod admission;
#[path = "../../../runtime-smol/tests/sockets/auth.rs"]
mod auth;
#[path = "../../../runtime-smol/tests/sockets/bad_input.rs"]
mod bad_input;
#[path = "../../../runtime-smol/tests/sockets/client.rs"]
mod client;
#[path = "../../../runtime-smol/tests/sockets/drain.rs"]
mod drain;
#[path = "../../../runtime-smol/tests/sockets/endings.rs"]
mod endings;
#[path = "../../../runtime-smol/tests/sockets/files.rs"]
mod files;
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
#[path = "../../../runtime-smol/tests/sockets/rfc6455.rs"]
mod rfc6455;
#[path = "../../../runtime-smol/tests/sockets/rooms.rs"]
mod rooms;
#[path = "../../../runtime-smol/tests/sockets/slow.rs"]
mod slow;

mod crowd;
mod threads;
