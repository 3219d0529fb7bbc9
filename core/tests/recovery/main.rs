//! Resuming in a room.

#[path = "../transcript/mod.rs"]
mod transcript;

mod missed;
mod state;
