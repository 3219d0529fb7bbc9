//! The server program as a library, so that others than `main` can ask it what a configuration means: a fuzzer does.
//!
//! The feature `program`, which is on by default, is all that needs sockets, signals and tokens; without it only the
//! configuration is left.
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
mod logging;
#[cfg(feature = "program")]
mod memory;
#[cfg(feature = "program")]
mod os;
#[cfg(feature = "program")]
mod page;
#[cfg(feature = "program")]
mod program;
#[cfg(feature = "program")]
mod record;
#[cfg(feature = "program")]
mod replay;
#[cfg(feature = "program")]
mod serve;
mod settings;

use std::ffi::OsString;

use config::Config;
use switchboard_core::http::{InvalidOrigin, Origins};

#[cfg(feature = "program")]
pub use program::main;

/// What a configuration means.
#[derive(Clone, PartialEq, Debug)]
pub struct Meaning {
    /// The whole of it as a configuration file, the secret left out.
    pub shown: String,
    /// The secret.
    pub secret: Option<String>,
    /// What the hub is told.
    pub rules: switchboard_core::Config,
    /// Which pages may connect, if that can be said.
    pub origins: Result<Origins, InvalidOrigin>,
}

/// Reads a configuration as the program does: the text of a file, with these variables over it.
///
/// # Errors
/// All that is wrong with it, as the program would print it.
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
        origins: settings::origins(&config),
    })
}
