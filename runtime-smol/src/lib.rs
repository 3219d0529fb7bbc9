//! Switchboard on [smol]: a WebSocket server with rooms, presence and honest limits, in a few lines.
//!
//! Every decision is made by [`switchboard_core`], a state machine without IO; this crate brings it sockets, time and an
//! executor. `switchboard-std` does the same with blocking threads, and has the same file names for the same roles.
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
//! [`Server::serve`] and [`Server::run`] run all tasks of the server on the thread that awaits them. smol starts one more
//! thread for its reactor, as it always does.
//!
//! # How bytes flow
//!
//! Reading belongs to a task of each connection; it parses with tungstenite from a buffer that all connections share, so
//! that an idle one has nearly none of its own. Writing belongs to nobody's task: whoever causes messages has them
//! encoded once and written straight to the sockets, and only a socket that is full is left to its own task to finish.

mod auth;
mod builder;
mod client;
mod connection;
mod context;
mod handle;
mod handlers;
mod handshake;
mod outlet;
mod server;
mod shared;
mod turn;

pub use builder::Builder;
pub use client::{Client, ClientBuilder, Events, StartError};
pub use context::Context;
pub use handle::Handle;
pub use server::{Server, bind};
pub use switchboard_core as core;
pub use switchboard_core::calling::{
    Accepted, Call, CallError, Caller, Event, History, Lagged, Members, MissedInRoom, Request,
    Room, Stopping, Tls, TlsError,
};
pub use switchboard_core::serving::{
    Admission, Answer, BuildError, Claims, Control, Credentials, Identity, Published, RequestError,
};

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
