//! Switchboard on [smol]: a WebSocket server with rooms, presence and exact limits, in a few lines.
//!
//! Every decision is made by [`switchboard_core`], a state machine without IO; this crate gives it
//! sockets, time and an executor. `switchboard-std` does the same with blocking threads, and has
//! the same file names for the same roles.
//!
//! ```no_run
//! use serde::Deserialize;
//! use switchboard_smol::{Context, Server};
//!
//! #[derive(Deserialize)]
//! struct Shout {
//!     text: String,
//! }
//!
//! let server = Server::builder()
//!     .on("shout", |context: Context, shout: Shout| async move {
//!         context.publish("lobby", "chat", &shout.text.to_uppercase())?;
//!         Ok(())
//!     })
//!     .build()?;
//! let listener = switchboard_smol::bind("127.0.0.1:8080".parse()?)?;
//! smol::block_on(server.serve(listener))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Threads
//!
//! While [`Server::serve`] or [`Server::run`] is awaited, the server has a thread of its own, which
//! accepts, reads, writes and keeps time ([`Builder::threads`] gives it help with the writing).
//! Authenticators, handlers and pages are begun on that thread: what they do before their first
//! `await` that has to wait keeps the sockets waiting. One that has to wait becomes a task, which
//! runs where the server is awaited. Waiting for sockets is done with epoll, so this runtime needs
//! Linux.
//!
//! # How bytes flow
//!
//! Everything that is read in one turn is decided first, and then each socket gets what the turn
//! has for it in one call. Messages are encoded once and shared down to the socket. A socket that
//! is full costs nothing until it takes bytes again; a large room is written to 256 sockets at a
//! time, about a millisecond, between which everything else has a turn.

mod alarm;
mod auth;
mod builder;
pub mod client;
mod outlet;
mod poller;
mod reactor;
mod running;
mod server;
mod shared;
mod sync;
mod waiting;
mod writers;

pub use builder::Builder;
pub use client::{Client, ClientBuilder, Events, Room};
pub use server::{Server, bind};
pub use switchboard_core::http;
pub use switchboard_core::{
    CloseReason, Codec, Command, Config, ConnectionId, Direct, Ending, Epoch, ErrorCode, Heartbeat,
    HeartbeatMode, History, Json, Kind, Limit, Limits, MessageId, NameError, Notice, Outcome,
    Output, Overflow, Payload, Position, Publication, Publishers, Rate, RawFrame, Recovery,
    Refusal, Rejection, RoomClass, RoomName, Stats, Tap, Ticket, UserLimitPolicy, UserName,
};
pub use switchboard_engine::client::{
    Accepted, Call, CallError, ClientEvent, ClientSettings, Delivery, Lagged, Members,
    MissedInRoom, RoomChange, RoomHistory, ServerRequest, StartError, Stopping, Tls, TlsError,
};
pub use switchboard_engine::server::{
    BuildError, Claims, Credentials, Identity, Published, RefuseBy, RequestError, Reservation,
    ServerSettings,
};

/// What a handler knows and can do.
pub type Context = switchboard_engine::server::Context<switchboard_engine::Async>;

/// A server in the hands of the rest of the application.
pub type Handle = switchboard_engine::server::Handle<switchboard_engine::Async>;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
