//! `switchboard-std` over real sockets: what the application around it observes.
#![cfg(test)]
#![expect(clippy::unit_arg, reason = "where other runtimes await, this one has the value already")]

mod runtime;
#[path = "../shared/mod.rs"]
mod shared;

mod crowd;
mod threads;
