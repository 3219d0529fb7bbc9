//! Switchboard on plain threads: a WebSocket server with rooms, presence and exact limits, in a few
//! lines and without an executor.
//!
//! Every decision is made by [`switchboard_core`], a state machine without IO; this crate gives it
//! sockets, time and threads. `switchboard-smol` does the same with async tasks, and has the same
//! file names for the same roles.
//!
//! ```no_run
//! use serde::Deserialize;
//! use switchboard_std::{Context, Server};
//!
//! #[derive(Deserialize)]
//! struct Shout {
//!     text: String,
//! }
//!
//! let server = Server::builder()
//!     .on("shout", |context: Context, shout: Shout| {
//!         context.publish("lobby", "chat", &shout.text.to_uppercase())?;
//!         Ok(())
//!     })
//!     .build()?;
//! let listener = switchboard_std::bind("127.0.0.1:8080".parse()?)?;
//! server.serve(listener)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Threads
//!
//! | thread | how many | what it does |
//! | --- | --- | --- |
//! | the caller of [`Server::serve`] | one a listener | accepts |
//! | `switchboard-conn` | one a connection | handshake, then reads and runs this connection's handlers |
//! | `switchboard-time` | one | heartbeats, time-outs, the drain's deadline |
//! | `switchboard-state` | at most 16, while needed | finds the [state](Builder::state) of a room |
//! | `switchboard-write` | one | goes on writing to sockets that were full |
//!
//! So there are never more than
//! [`Limits::max_connections`](switchboard_core::Limits::max_connections) +
//! 2 × [`max_handshakes`](ServerSettings::max_handshakes) + 18 threads, beside those that serve, but
//! for those that are about to end: handshakes have a thread each, and refused sockets until they
//! are closed. All of them have been joined when a [drain](Handle::drain) is over.
//!
//! # How bytes flow
//!
//! Reading blocks, on each connection's own thread. Writing never does: the thread that causes
//! messages encodes them once and sends them straight to the sockets with `MSG_DONTWAIT`, 256
//! sockets at a time, between which the lock is released. What a full socket does not take waits,
//! bounded, and the writer thread goes on when the socket takes bytes again. A client that does not
//! read therefore delays no other, no reader and no heartbeat; its pings and pongs pass the data
//! that waits.
//!
//! While a handler runs, its connection is not read, and so does not hear pongs: let handlers be
//! shorter than [`Heartbeat::stale_after`](switchboard_core::Heartbeat::stale_after), or start a
//! thread of your own. There is no time-out for handlers, because a thread cannot be interrupted.
//!
//! # Cost
//!
//! An idle connection costs one thread: its stack takes
//! [`thread_stack_bytes`](Builder::thread_stack_bytes) of address space, of which the pages that
//! were used are memory, and the kernel's own part of the thread; one file; and what the core
//! keeps. Measured with `examples/blocking_echo.rs` and 2,000 connections: 20 KiB of resident
//! memory for one that is idle, 25 KiB after its first message, most of it stack. Thousands of
//! connections are fine; for tens of thousands take `switchboard-smol`.

mod auth;
mod background;
mod builder;
pub mod client;
mod connection;
mod guest;
mod handshake;
mod outlet;
mod readers;
mod server;
mod shared;
mod sync;
mod threads;
mod waiting;

pub use builder::Builder;
pub use client::{Client, ClientBuilder, Events, Room};
pub use server::Server;
pub use switchboard_core::http;
pub use switchboard_core::{
    CloseReason, Codec, Command, Config, ConnectionId, Direct, Ending, Epoch, ErrorCode, Heartbeat,
    HeartbeatMode, History, Json, Kind, Limit, Limits, MessageId, NameError, Notice, Outcome,
    Output, Overflow, Payload, Position, Publication, Publishers, Rate, RawFrame, Recovery,
    Refusal, Rejection, RoomClass, RoomName, Stats, Tap, Ticket, UserLimitPolicy, UserName,
};
pub use switchboard_engine::bind;
pub use switchboard_engine::client::{
    Accepted, Call, CallError, ClientEvent, ClientSettings, Delivery, Lagged, Members,
    MissedInRoom, NoEvent, RoomChange, RoomHistory, ServerRequest, StartError, Tls, TlsError,
};
pub use switchboard_engine::server::{
    BuildError, Claims, Credentials, Identity, Published, RefuseBy, RequestError, Reservation,
    ServerSettings,
};

/// What a handler knows and can do.
pub type Context = switchboard_engine::server::Context<switchboard_engine::Blocking>;

/// A server in the hands of the rest of the application.
pub type Handle = switchboard_engine::server::Handle<switchboard_engine::Blocking>;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
