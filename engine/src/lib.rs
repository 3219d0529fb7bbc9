//! Switchboard's servers and clients without sockets: what lies between the pure state machines of
//! [`switchboard_core`] and a loop that has sockets and a clock. Bytes go in, bytes come out.
//!
//! * [`server::Engine`] is a whole server except for its sockets and its clock. You implement
//!   [`Outlet`](switchboard_core::Outlet) for your sockets and report what they read, as
//!   `examples/event_loop.rs` does. `switchboard-smol` is built on it, and `switchboard-std`, whose
//!   threads wait for one connection each, on its parts.
//! * [`client`] has what the clients of all runtimes share around [the client's
//!   machine](switchboard_core::client): addresses, the upgrade, frames, TLS, calls that are waited
//!   for, and events.

pub mod client;
pub mod server;
mod slots;
mod system;
mod wait;

pub use system::{Clock, bind, seed, unix_ms};
pub use wait::{Async, Blocking, block_until};
