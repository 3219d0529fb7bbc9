//! The client over real sockets, against a real server. The scenarios are those of `switchboard-std`, word for word.
#![cfg(test)]
#![expect(clippy::wildcard_enum_match_arm, reason = "a scenario waits for one kind of event")]

mod proxy;
mod runtime;
mod server;

mod calls;
mod endings;
mod losses;
#[cfg(feature = "tls")]
mod secure;
