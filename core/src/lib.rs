//! Switchboard's core: WebSocket connections, rooms and delivery as a pure state machine.
//!
//! It does no IO, reads no clock, starts no thread and takes all its randomness from one seed;
//! `#![no_std]` with `alloc`, no unsafe code. You bring sockets and time; it decides which
//! connections are admitted, what each gets, and which are dead or too slow. There are three ways
//! to use it.
//!
//! * The crate `switchboard-engine` has a whole server except for its sockets and its clock. You
//!   implement [`Outlet`] for your sockets (two methods) and report what they read, as its example
//!   `event_loop` does.
//! * [`Driver`] is the middle of a server: it owns a [`Hub`], the codecs and the write queues.
//!   Requests, time-outs and the parser are yours.
//! * [`Hub`] alone, when you handle frames and sockets yourself: events in, actions out.
//!
//! [`client`] is the other side: when to dial, what to send again, what was already seen.
//!
//! [`http`] checks upgrade requests and builds the responses, so that every loop gives the same
//! ones.
//!
//! # A hub by hand
//!
//! ```
//! use switchboard_core::*;
//!
//! let mut hub = Hub::new(Config::default(), 42, Timestamp::ZERO)?;
//! let lobby = RoomName::new("lobby")?;
//!
//! // Two people come in. The first answer to a `Connect` says whether there is a seat.
//! let mut connect = |name: &str, ms: u64| -> Result<ConnectionId, NameError> {
//!     let now = Timestamp::from_millis(ms);
//!     let (ticket, rooms) = (Ticket(ms), vec![(lobby.clone(), None)]);
//!     let attempt = Attempt { rooms, ..Attempt::new(UserName::new(name)?) };
//!     let connect = Event::Connect { ticket, attempt };
//!     let answer = hub.handle(now, connect).next();
//!     let Some(Action::Do(&Operation::Accept { connection, .. })) = answer else {
//!         panic!("the server is not full");
//!     };
//!     // Here the upgrade is answered. Then:
//!     for action in hub.handle(now, Event::Opened { connection }) {
//!         println!("{action:?}"); // Send to: connected … and, to those who were there, member_joined
//!     }
//!     Ok(connection)
//! };
//! let alice = connect("alice", 0)?;
//! let bob = connect("bob", 10)?;
//!
//! // Alice says something. One action tells it to everybody in the room.
//! let inbound = Codec::Json.decode_text(r#"{"type":"chat","room":"lobby","payload":"hi"}"#);
//! let received = Event::Received { connection: alice, bytes: 46, inbound };
//! let mut actions = hub.handle(Timestamp::from_millis(20), received);
//! let Some(Action::Send { to, message: Message::Publication(hi) }) = actions.next() else {
//!     panic!("it is published");
//! };
//! assert_eq!(to, [alice, bob]);
//! assert_eq!(hi.position.offset, 1);
//! drop(actions);
//!
//! // Nobody says anything for a while: the hub wants to ping.
//! let due = hub.next_deadline().expect("there are connections to watch");
//! let is_ping = |action| matches!(action, Action::Do(Operation::Ping { .. }));
//! assert!(hub.handle(due, Event::Tick).any(is_ping));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # Panics
//!
//! Nothing that a peer sends and no order of events makes the core panic; if it does, that is a
//! bug.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::std_instead_of_core, clippy::std_instead_of_alloc, clippy::alloc_instead_of_core)]

extern crate alloc;

pub mod client;
mod digest;
mod driver;
pub mod http;
mod hub;
mod network;
mod protocol;
mod random;
#[cfg(feature = "recording")]
pub mod recording;
mod time;

pub use driver::tap::Tap;
pub use driver::{Driver, LentSocket, Outlet, Stall};
pub use hub::action::{Action, Actions, Answer, Notice, Operation, Outcome, Output};
pub use hub::class::{History, Overflow, Publishers, RoomClass};
pub use hub::config::{
    Config, ConfigError, Handled, Heartbeat, HeartbeatMode, Limits, Loopback, Rate, Recovery,
    UserLimitPolicy,
};
pub use hub::event::{Attempt, Command, Event, Ticket};
pub use hub::limit::Limit;
pub use hub::setting::{Choice, Setting, Settings, Value};
pub use hub::stats::Stats;
pub use hub::{Bucket, ConnectionView, Hub, Refilling, Refills, RoomView, UserView};
pub use network::Network;
pub use protocol::close::{CloseReason, Disconnect, Ending, Rejection};
pub use protocol::codec::{Codec, Frame, Opcode};
pub use protocol::from_client::{Inbound, Request};
pub use protocol::id::ConnectionId;
pub use protocol::name::{ConflationKey, Kind, MessageId, NameError, RoomName, UserName};
pub use protocol::payload::{Json, Payload, RawFrame};
pub use protocol::position::{Beginning, Broken, Epoch, NoPosition, NoSession, Position, Session};
pub use protocol::refusal::{ErrorCode, Refusal};
pub use protocol::to_client::{Direct, Message, Publication, Terms, Welcome};
pub use protocol::version::{PROTOCOL_FEATURES, PROTOCOL_VERSION};
pub use time::{Timestamp, WallClock};
