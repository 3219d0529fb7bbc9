//! The tests that every runtime passes unchanged. What differs between runtimes, mostly waiting, is
//! in the `runtime` of the including crate.

pub(crate) mod harness;

mod application;
mod client;
