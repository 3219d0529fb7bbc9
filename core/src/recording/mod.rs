//! Records what a hub sees, and replays it.
//!
//! A hub decides from its events and from nothing else. So every event with its time, and the hub
//! as it was before the first of them, determine everything that happened: [`Recorder`] keeps them,
//! [`Replay`] applies them again.
//!
//! ```text
//!  Driver ── Tap ──▶ Recorder ── segments ──▶ Log (a file, a ring, a vector)
//!                                                  │
//!  what happened ◀── Hub ◀── Replay ◀──────────────┘
//! ```
//!
//! A recording is a sequence of **segments**. Each starts with a
//! [checkpoint](crate::Hub::checkpoint) of the whole hub, so it can be replayed after earlier ones
//! were dropped. Each event is preceded by part of a running hash of all actions so far: a replay
//! that decides otherwise is noticed at the next event.
//!
//! Payloads are kept, or replaced by their length and a digest ([`Payloads`]). The hub looks at
//! nothing else in them, so a replay makes the same decisions.
//!
//! [`mod@file`] lays segments out in a file of bounded size.

mod checkpoint;
mod decode;
mod encode;
pub mod file;
mod names;
mod recorder;
mod replay;
mod running;

pub use checkpoint::Damaged;
pub use recorder::{Log, Payloads, Recorder, Wants};
pub use replay::{Entry, Replay, Trouble};
