//! A client's machine under any order of events, and any text and bytes from a server.
//!
//! The input is a seed, flags, and [operations](crate::client::ops).
//!
//! **Oracle.** An observer that sees only input and output
//! ([`Watch`](crate::client::watch::Watch)): each call is settled once, and all are by the end;
//! nothing is transmitted or delivered except on an open connection, no request twice, no two
//! messages under one id; publications arrive in order, each once; every queue is bounded; a tick
//! makes progress; a second machine with the same seed behaves the same. Nothing panics.

/// Runs one input.
///
/// # Panics
/// When the oracle is violated.
pub fn run(bytes: &[u8]) {
    crate::client::play(bytes);
}
