//! The client's machine.

mod read;
mod vectors;
mod words;
mod write;
