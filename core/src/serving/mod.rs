//! What a runtime needs beside a [`Driver`](crate::Driver), and what is the same with async and with blocking calls: the
//! way from bytes to the driver, from a request to a seat or a refusal, from a payload to a handler's type, and the
//! application's means. Only with the feature `serving`, which needs the standard library.
//!
//! Sockets, threads, tasks and time are the runtime's own.

extern crate std;

mod accept;
mod asked;
mod auth;
mod context;
mod control;
mod entrance;
mod framing;
mod payload;
mod settings;

pub use accept::AcceptFailure;
pub use asked::{RequestError, read_answer};
pub use auth::{Claims, Credentials, Identity, Verdict, anonymous};
pub use context::Context;
pub use control::{Control, Hosted, Published, json, name};
pub use entrance::{Answer, Entrance, Guest, Refused, Visitor, failed};
pub use framing::{Framing, Stop};
pub use payload::{Reply, answer, panicked, read, state, write};
pub use settings::{BuildError, Observer, RawService, Settings};
