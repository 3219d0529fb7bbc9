//! The server program as a library, so that a fuzzer can parse configurations as `main` does.
//!
//! Only the feature `program`, which is on by default, needs sockets, signals and tokens. Without
//! it, just the configuration remains.
#![cfg_attr(not(feature = "program"), allow(dead_code, unused_imports))]

#[cfg(feature = "program")]
mod auth;
#[cfg(feature = "program")]
mod bench;
mod bind;
#[cfg(feature = "program")]
mod cli;
mod config;
#[cfg(feature = "program")]
mod connect;
#[cfg(feature = "program")]
mod dashboard;
#[cfg(feature = "program")]
mod journal;
#[cfg(feature = "program")]
mod listen;
mod logging;
#[cfg(feature = "program")]
mod memory;
#[cfg(feature = "program")]
mod numbers;
#[cfg(feature = "program")]
mod os;
#[cfg(feature = "program")]
mod page;
mod printable;
#[cfg(feature = "program")]
mod program;
#[cfg(feature = "program")]
mod record;
#[cfg(feature = "program")]
mod replay;
#[cfg(feature = "program")]
mod serve;
mod settings;
#[cfg(feature = "program")]
mod site;

use std::ffi::OsString;

use config::Config;
use switchboard_core::http::{InvalidOrigin, Origins};

#[cfg(feature = "program")]
pub use program::main;

/// The meaning of a configuration.
#[derive(Clone, PartialEq, Debug)]
pub struct Meaning {
    /// The complete configuration as a file, with the secret redacted.
    pub shown: String,
    /// The key that tokens are signed with, if one is set.
    pub secret: Option<String>,
    /// The configuration of the hub.
    pub rules: switchboard_core::Config,
    /// Which pages may connect to a server that others can reach, or why an entry is invalid.
    pub origins: Result<Origins, InvalidOrigin>,
}

/// Reads a configuration as the program does: the text of a file, overridden by variables.
///
/// # Errors
/// Returns all problems, as the program prints them.
pub fn read_config(
    name: &str,
    text: &str,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Meaning, String> {
    let config =
        Config::from_text(name, text, environment, &[]).map_err(|problems| problems.to_string())?;
    Ok(Meaning {
        shown: config.to_string(),
        secret: config.secret.as_ref().map(|secret| secret.0.clone()),
        rules: settings::rules(&config),
        origins: settings::origins(&config, false),
    })
}
