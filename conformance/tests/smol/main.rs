//! `switchboard-smol` over real sockets: what the application around it observes.
#![cfg(test)]

mod runtime;
#[path = "../shared/mod.rs"]
mod shared;

mod awaits;
mod library;
mod streams;
mod writers;
