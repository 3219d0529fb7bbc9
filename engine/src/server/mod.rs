//! What a runtime needs beside a [`Driver`](switchboard_core::Driver), and what is the same with async and with blocking calls: the
//! way from bytes to the driver, from a request to a seat or a refusal, from a payload to a handler's type, and the
//! application's means.
//!
//! Sockets, threads, tasks and time are the runtime's own.

use std::time::Duration;

mod accept;
mod admission;
mod asked;
mod auth;
mod context;
mod control;
mod engine;
mod entrance;
mod framing;
mod head;
mod header;
mod outlet;
mod payload;
mod settings;

pub use accept::AcceptFailure;
pub use admission::Admission;
pub use asked::{RequestError, read_answer};
pub use auth::{Claims, Credentials, Identity, Verdict, anonymous};
pub use context::Context;
pub use control::{Control, Hosted, Published, json, name};
pub use engine::{Application, Engine, Held, Question, Visit};
pub use entrance::{Answer, Entrance, Guest, Refused, Visitor, failed};
pub use framing::{Framing, Stop};
pub use head::Head;
pub use outlet::write_parts;
pub use payload::{Reply, answer, panicked, read, state, write};
pub use settings::{BuildError, Observer, RawService, Settings};

/// How long a peer that has heard our last word may take to read it.
pub const FAREWELL: Duration = Duration::from_secs(2);

/// The same when the server goes away: a drain has had its time.
pub const LAST_FAREWELL: Duration = Duration::from_millis(250);

/// How much of what a peer still sends is read meanwhile, so that our last word is not destroyed by a reset.
pub const FAREWELL_BYTES: usize = 4 * 1024 * 1024;

/// How long those who wait are left to the kernel when no socket can be accepted ([`AcceptFailure::ForNow`]).
pub const SHORTAGE: Duration = Duration::from_millis(100);
