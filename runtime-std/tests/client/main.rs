//! The client over real sockets, against a real server. The scenarios are those of `switchboard-smol`, word for word.
#![cfg(test)]
#![expect(clippy::wildcard_enum_match_arm, reason = "a scenario waits for one kind of event")]
#![expect(clippy::unit_arg, reason = "where other runtimes await, this one has the value already")]

mod runtime;

#[path = "../../../runtime-smol/tests/client/calls.rs"]
mod calls;
#[path = "../../../runtime-smol/tests/client/endings.rs"]
mod endings;
#[path = "../../../runtime-smol/tests/client/losses.rs"]
mod losses;
#[path = "../../../runtime-smol/tests/client/proxy.rs"]
mod proxy;
#[cfg(feature = "tls")]
#[path = "../../../runtime-smol/tests/client/secure.rs"]
mod secure;
#[path = "../../../runtime-smol/tests/client/server.rs"]
mod server;
