//! A client's machine under any order of events, and under any text and bytes of a server.
//!
//! The bytes are a seed, flags, and [operations](crate::client::ops).
//!
//! **Oracle.** An observer that sees only what goes in and comes out ([`Watch`](crate::client::watch::Watch)): each call is
//! settled once, and all are by the end; nothing is transmitted or delivered but on an open connection, no request twice, no
//! two messages under one id; publications come in order, each once; every queue is bounded; a tick makes progress; a second
//! machine with the same seed does the same. Nothing panics.

/// Runs one input.
///
/// # Panics
/// When the oracle disagrees.
pub fn run(bytes: &[u8]) {
    crate::client::play(bytes);
}
