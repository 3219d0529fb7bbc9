//! The library over real sockets: what the application around the server gets to see. What only the wire shows is in
//! `switchboard-conformance`.
#![cfg(test)]

use switchboard_conformance::client;

mod harness;
mod runtime;

mod asking;
mod auth;
mod awaits;
mod drain;
mod endings;
mod handle;
mod handlers;
mod http;
mod library;
mod observer;
mod panics;
mod streams;
mod writers;
