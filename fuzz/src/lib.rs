//! The naive model of the hub, and what holds the hub against it.
//!
//! [`ops`] is what can happen, [`setup`] under which rules; both are read from bytes, so that property tests and
//! fuzzers share them. [`check`] runs them: against the [`model`] in [`lockstep`], or against what an observer that
//! only sees events and actions can tell ([`watch`]).

pub mod answers;
pub mod apply;
pub mod blips;
pub mod check;
pub mod client;
pub mod clients;
pub mod desk;
pub mod drive;
pub mod finish;
pub mod hear;
pub mod lockstep;
pub mod log;
pub mod model;
pub mod ops;
pub mod perform;
pub mod seats;
pub mod setup;
pub mod targets;
pub mod transcript;
pub mod watch;
pub mod wire;
pub mod words;
