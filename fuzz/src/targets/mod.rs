//! The fuzzers' targets: functions from bytes, each documenting its oracle.
//!
//! They are plain functions, so that `tests/corpus.rs` replays the committed corpus on stable Rust,
//! without a fuzzer.

pub mod binary_codec;
pub mod client_events;
pub mod config;
pub mod http_upgrade;
pub mod hub_and_client;
pub mod hub_events;
pub mod json_codec;

/// Runs one input; panics when its oracle is violated.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const ALL: [(&str, Target); 7] = [
    ("binary_codec", binary_codec::run),
    ("client_events", client_events::run),
    ("config", config::run),
    ("http_upgrade", http_upgrade::run),
    ("hub_and_client", hub_and_client::run),
    ("hub_events", hub_events::run),
    ("json_codec", json_codec::run),
];
