//! The events of a hub, recorded and replayed.
#![cfg(test)]

#[path = "../outlets/mod.rs"]
mod outlets;

mod damage;
mod incident;
