//! The library over real sockets: what clients, and the application around the server, get to see.
#![cfg(test)]

mod client;
mod harness;

mod rfc6455;
