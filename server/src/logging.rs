//! Log lines go to stderr: stdout is for the output of commands.
//!
//! The `log` crate is capped at debug level at compile time (see the workspace's manifest), since
//! tungstenite logs whole payloads at trace level. No filter can enable those.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{self, LogFormat, nearest};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Starts logging for the whole process.
///
/// # Errors
/// If the filter is invalid, or logging was started before.
pub(crate) fn init(log: &config::Log) -> Result<(), String> {
    let builder = tracing_subscriber::fmt().with_env_filter(filter(&log.level)?);
    let builder = builder.with_writer(io::stderr);
    let started = match log.format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    started.map_err(|error| format!("cannot start logging: {error}"))
}

/// Checks a level or filter directives.
pub(crate) fn check_level(level: &str) -> Result<(), String> {
    filter(level).map(drop)
}

fn filter(level: &str) -> Result<EnvFilter, String> {
    for word in level.split(',').map(str::trim) {
        // The filter takes a bare word as a module's name and then logs all of it, so a misspelled
        // level would be the most verbose one.
        if !word.contains('=') && !LEVELS.contains(&word.to_lowercase().as_str()) {
            let hint = match nearest(word, LEVELS) {
                Some(name) => format!("did you mean {name:?}?"),
                None => format!("the levels are {}", LEVELS.join(", ")),
            };
            return Err(format!(
                "{word:?} is not a log level; {hint} (for one module: name=level)"
            ));
        }
    }
    EnvFilter::builder()
        .parse(level)
        .map_err(|error| format!("{level:?} is neither a level nor filter directives: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_directives_are_taken() {
        for level in ["info", "WARN", "off", "info,switchboard=debug", "switchboard_core=trace"] {
            assert_eq!(check_level(level), Ok(()), "{level}");
        }
    }

    #[test]
    fn a_misspelt_level_is_not_a_module() {
        let what = check_level("inof").unwrap_err();
        assert!(what.contains("\"inof\" is not a log level; did you mean \"info\"?"), "{what}");
        let what = check_level("loud").unwrap_err();
        assert!(what.contains("the levels are off, error, warn, info, debug, trace"), "{what}");
        let what = check_level("switchboard=loud").unwrap_err();
        assert!(what.contains("neither a level nor filter directives"), "{what}");
    }

    #[test]
    fn payload_traces_are_compiled_out() {
        assert_eq!(log::STATIC_MAX_LEVEL, log::LevelFilter::Debug);
    }
}
