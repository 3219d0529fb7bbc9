//! The naive model of the hub, and the checks of the hub against it.
//!
//! [`ops`] is what can happen, [`setup`] the configuration; both are decoded from bytes, so that
//! property tests and fuzzers share them. [`check`] runs them before a list of [`observers`]: one
//! runs the [`model`] in lockstep, the others check events, actions and the hub's state.

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
