//! The naive model of the hub, and what holds the hub against it.
//!
//! [`ops`] is what can happen, [`setup`] under which rules; both are read from bytes, so that
//! property tests and fuzzers share them. [`check`] runs them before a list of [`observers`]: one
//! goes in lockstep with the [`model`], the others tell what is wrong from events, actions and what
//! the hub shows.

pub mod apply;
pub mod check;
pub mod client;
pub mod clients;
pub mod desk;
pub mod drive;
pub mod facts;
pub mod finish;
pub mod hear;
pub mod log;
pub mod model;
pub mod observers;
pub mod ops;
pub mod perform;
pub mod seats;
pub mod setup;
pub mod targets;
pub mod transcript;
pub mod wire;
pub mod words;
