//! What a runtime needs beside a [`Driver`](switchboard_core::Driver): the way from bytes to the
//! driver, from a request to a seat or a refusal, from a payload to a handler's type, and the
//! application's handles.
//!
//! Sockets, threads, tasks and time are the runtime's.

mod accept;
mod asked;
mod auth;
mod context;
mod door;
mod engine;
mod entrance;
mod framing;
mod handle;
mod handlers;
mod head;
mod header;
mod host;
mod outlet;
mod payload;
mod refusals;
mod reservation;
mod settings;

pub use accept::AcceptFailure;
pub use asked::RequestError;
pub use auth::{Claims, Credentials, Identity, Verdict, anonymous};
pub use context::Context;
pub use door::{Door, Place, TooMany, evicted};
pub use engine::{Engine, HandshakeId, Held, LINGER, LINGER_BYTES, SHORTAGE, Task};
pub use entrance::{
    Authenticated, Entrance, RefuseBy, RefusedUpgrade, UpgradeRequest, ended, failed,
};
pub use framing::{Framing, Stop};
pub use handle::{Handle, Published};
pub use handlers::{Handlers, Observer, observe};
pub use head::HeadReader;
pub use host::{Host, Pending, Probed};
pub use outlet::write_parts;
pub use payload::{Reply, answer, panicked, read, state, write};
pub use reservation::{Entry, Reservation};
pub use settings::{BuildError, RawService, ServerSettings};
