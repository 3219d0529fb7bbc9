//! Between the hub and the sockets.

#[path = "../outlets/mod.rs"]
mod outlets;

mod endings;
mod lending;
mod tap;
mod wall_clock;
mod writing;
