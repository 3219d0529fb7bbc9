//! Switchboard core.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod action;
mod close;
mod codec;
mod config;
mod driver;
mod event;
pub mod http;
mod hub;
mod id;
mod message;
mod name;
mod random;
mod stats;
mod time;

pub use action::{Action, Actions, Notice, Outcome};
pub use close::{CloseReason, Disconnect, Ending, Rejection};
pub use codec::{Codec, Frame, Opcode};
pub use config::{
    Config, ConfigError, Handled, Heartbeat, HeartbeatMode, Limit, Limits, Overflow, Publishers,
    Rate, RoomClass, UserLimitPolicy,
};
pub use driver::{Driver, Outlet, Output, Stall};
pub use event::{Command, Event, Inbound, Request};
pub use hub::{ConnectionView, Hub, RoomView, UserView};
pub use id::{ConnectionId, Ticket};
pub use message::{
    Direct, Epoch, ErrorCode, Json, Message, Payload, Position, Publication, RawFrame, Refusal,
    Welcome,
};
pub use name::{ConflationKey, Kind, MessageId, NameError, RoomName, UserName};
pub use stats::Stats;
pub use time::Timestamp;
