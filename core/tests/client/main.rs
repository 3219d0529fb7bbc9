//! The client's state machine.

mod read;
mod vectors;
mod words;
mod write;
