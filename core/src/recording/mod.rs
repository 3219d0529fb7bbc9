//! What a hub saw, recorded and replayed.
//!
//! A hub decides from what it is told and from nothing else. So whoever keeps every event with its time, and the hub as it was
//! before the first of them, has everything that happened: [`Recorder`] keeps them, [`Replay`] lets them happen again.
//!
//! ```text
//!  Driver ── Witness ──▶ Recorder ── segments ──▶ Log (a file, a ring, a vector)
//!                                                  │
//!  what happened ◀── Hub ◀── Replay ◀──────────────┘
//! ```
//!
//! A recording is a row of **segments**. Each begins with a [checkpoint](crate::Hub::checkpoint) of the whole hub, so it can be
//! replayed although earlier ones have been thrown away. Before each event stands a piece of a running hash of all actions so
//! far: a replay that decides otherwise notices at the next event.
//!
//! Payloads are kept, or replaced by their length and a digest ([`Payloads`]). The hub looks at no more than that, so a replay
//! decides the same.
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
