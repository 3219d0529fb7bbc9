//! The client's machine under any order of events: what can happen to it ([`ops`]), and what must
//! always hold ([`watch`]). Decoded from bytes, so that property tests and fuzzers share them.

pub mod ops;
pub mod watch;

use ops::Op;
use watch::Watch;

/// Runs the decoded operations and stops the machine at the end. The bytes are a seed, whether
/// there is a token provider, and operations.
///
/// # Panics
/// When a rule is broken.
pub fn play(bytes: &[u8]) {
    let (head, rest) = bytes.split_at(bytes.len().min(2));
    let (seed, flags) = (head.first().copied().unwrap_or(0), head.get(1).copied().unwrap_or(0));
    let mut watch = Watch::new(seed.into(), flags % 2 == 1);
    Op::decode_all(rest).into_iter().for_each(|op| watch.apply(op));
    watch.finish();
}
