//! A world around Switchboard's real parts: the real [`Driver`](switchboard_core::Driver) with its
//! hub and codec as the server, the real client machines, and between them networks that break,
//! stall and slow down, clocks that drift and jump, laptops that sleep, and servers that die, drain
//! and return without memory. No thread, no clock, no socket: everything follows from one seed, and
//! simulated hours pass in seconds.
//!
//! A [`Plan`] is drawn from a seed: the server's configuration, the people with what they do and
//! when, and the faults. The [`World`] plays it, on one time line. After each step it checks what
//! can be seen from outside:
//!
//! * every client's stream of every room is in order, without repeats, complete, and made of what
//!   was accepted; or a `gap` or `refresh` says exactly where it is not, and only where something
//!   is lost;
//! * an accepted message is in its room's log once, however often it was sent; a refused one is
//!   not;
//! * each call is settled once, each accepted connection closed once, each question answered once;
//! * no client that reconnects is closed by its own past; nothing follows a close frame; seats,
//!   outboxes and turns are bounded; a user reported as joining was not there, and one reported as
//!   leaving was.
//!
//! Every fourth world has several servers behind one name, each on a machine with its own clock
//! that drifts and is set. They know nothing of each other, as there is no backplane yet: clients
//! whose server dies or drains are sent to another one, where their session and positions mean
//! nothing. There, everything above holds for each server separately: streams are complete and in
//! order for each epoch of each server, a change of servers is announced by a `refresh`, limits and
//! presence are per server, and nothing is left on any of them.
//!
//! Then the faults end, and everybody must reconnect, have everything and know who is there; and
//! when all have stopped, nothing of them may be left in the hub.
//!
//! ```
//! let figures = switchboard_simulator::simulate(7)?;
//! assert!(figures.published > 0);
//! # Ok::<(), Box<switchboard_simulator::Failure>>(())
//! ```
//!
//! A [`Failure`] has the seed and the story of the smallest world that breaks the same rule. The
//! tests run a published set of seeds; `SWITCHBOARD_SEEDS=10000` runs that many,
//! `SWITCHBOARD_SEED=7` that one.

mod chance;
mod checks;
mod client_side;
mod faults;
pub mod frames;
mod link;
mod minimise;
mod mischief;
mod nodes;
mod person;
mod plan;
mod server;
mod server_side;
mod settled;
mod story;
mod world;

pub use chance::Chance;
pub use checks::Violation;
pub use faults::Fault;
pub use minimise::{Failure, simulate};
pub use plan::{Act, NodePlan, PersonPlan, Plan};
pub use story::Story;
pub use world::{Figures, World};
