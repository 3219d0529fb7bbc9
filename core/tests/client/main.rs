//! The client's state machine.

mod features;
mod read;
mod vectors;
mod words;
mod write;
