//! The library over real sockets: what clients, and the application around the server, get to see.
#![cfg(test)]

mod client;
mod harness;
mod runtime;

mod admission;
mod auth;
mod awaits;
mod bad_input;
mod drain;
mod endings;
mod files;
mod handle;
mod handlers;
mod http;
mod library;
mod observer;
mod panics;
mod rfc6455;
mod rooms;
mod slow;
mod streams;
