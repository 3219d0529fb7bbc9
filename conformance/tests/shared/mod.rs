//! The tests that every runtime passes, word for word. What differs between runtimes (waiting,
//! above all) is in the `runtime` of the crate that includes this.

pub(crate) mod harness;

mod application;
mod client;
