//! Log lines go to stderr, by a thread of their own: stdout is for the output of commands.
//!
//! The `log` crate is capped at debug level at compile time (see the workspace's manifest), since
//! tungstenite logs whole payloads at trace level. No filter can enable those.

mod lines;
mod queue;

use std::ffi::OsStr;
use std::io::{self, IsTerminal};
use std::{env, panic};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{self, LogFormat, nearest};
use lines::{Escape, Lines};
use queue::{Flush, Queue};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Starts logging for the whole process, until the returned value is dropped. Neither a slow nor a
/// failing stderr holds up the threads that log.
///
/// # Errors
/// If the filter is invalid, if there is no thread, or if logging was started before.
pub(crate) fn init(log: &config::Log) -> Result<Flush, String> {
    let cannot = |error: &dyn std::fmt::Display| format!("cannot start logging: {error}");
    let filter = filter(&log.level)?;
    let (queue, flush) = Queue::start(io::stderr(), report).map_err(|error| cannot(&error))?;
    // Otherwise the layer reports its own errors by `eprintln`, which waits and panics.
    let builder = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
    let has_color = wants_color();
    let escape = match log.format {
        LogFormat::Text if has_color => Escape::Colored,
        LogFormat::Text => Escape::Text,
        LogFormat::Json => Escape::Json,
    };
    let builder = builder.with_writer(Lines { queue, escape });
    let started = match log.format {
        LogFormat::Text => builder.with_ansi(has_color).finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    started.map_err(|error| cannot(&error))?;
    // The usual hook writes to stderr, which may block the thread that panicked.
    panic::set_hook(Box::new(|panicked| tracing::error!("{panicked}")));
    Ok(flush)
}

/// Writes a line to stderr, and returns after a while even if nobody reads it.
pub(crate) fn say(line: &str) {
    // Without a thread there is nothing left to say it with.
    if let Ok((queue, _flush)) = Queue::start(io::stderr(), |_| ()) {
        queue.push(format!("{line}\n").as_bytes());
    }
}

fn report(lost: u64) {
    tracing::warn!(lines = lost, "the log could not be written fast enough: lines were lost");
}

fn wants_color() -> bool {
    io::stderr().is_terminal() && allows_color(env::var_os("NO_COLOR").as_deref())
}

/// Interprets `NO_COLOR` (<https://no-color.org>), which counts unless it is empty.
fn allows_color(no_color: Option<&OsStr>) -> bool {
    no_color.is_none_or(OsStr::is_empty)
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
    fn color_is_switched_off_by_any_text() {
        assert!(allows_color(None));
        assert!(allows_color(Some("".as_ref())));
        assert!(!allows_color(Some("1".as_ref())));
        assert!(!allows_color(Some("0".as_ref())));
    }

    #[test]
    fn payload_traces_are_compiled_out() {
        assert_eq!(log::STATIC_MAX_LEVEL, log::LevelFilter::Debug);
    }
}
