//! What the clients of all runtimes share around the [state machine](switchboard_core::client):
//! addresses, the upgrade, frames and TLS without IO of their own, calls and their answers, and the
//! events for the application.
//!
//! A runtime provides a nonblocking socket, the time, and a task or thread: see [`Shell`] and
//! [`Link`].

mod address;
mod asynchronous;
mod attempts;
mod blocking;
mod call;
mod events;
mod handle;
mod lag;
mod link;
mod room;
mod setup;
mod shell;
mod stream;
mod tls;
mod upgrade;

pub use address::{Address, AddressError};
pub use attempts::{Attempt, Attempts};
pub use call::{Call, CallError};
pub use events::{ClientEvent, Events, NoEvent, ServerRequest};
pub use handle::{Client, Stopping};
pub use lag::{Lagged, MissedInRoom};
pub use link::{Arrived, Link, Over};
pub use room::Room;
pub use setup::{BuildClient, ClientSettings, Setup, StartError};
pub use shell::{DialOrder, Orders, Outside, Shell};
pub use stream::Stream;
pub use tls::{Tls, TlsError};
pub use upgrade::{ClientUpgrade, Upgraded};

pub use switchboard_core::client::{Accepted, Delivery, Members, RoomChange, RoomHistory};
