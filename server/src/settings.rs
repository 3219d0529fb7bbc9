//! Translates the configuration file's settings to the core's.

use switchboard_core::http::{InvalidOrigin, Origins};
use switchboard_core::{self as hub, Limit, Limits, Rate};

use crate::config::Config;

/// The largest message when the file sets no bound: no message may exceed the burst of bytes, which
/// the core counts in 32 bits.
const MAX_MESSAGE_BYTES: usize = u32::MAX as usize;

/// The most rooms per connection when the file sets no bound: the core counts them in 16 bits.
const MAX_ROOMS: u32 = 65_535;

/// Returns the configuration of the hub.
pub(crate) fn rules(config: &Config) -> hub::Config {
    hub::Config {
        limits: limits(&config.limits),
        heartbeat: config.heartbeat.clone(),
        recovery: config.recovery.clone(),
        rooms: config.rooms.clone().into_iter().collect(),
        ..hub::Config::default()
    }
}

/// Returns which pages may connect.
pub(crate) fn origins(config: &Config) -> Result<Origins, InvalidOrigin> {
    match &config.origins.allowed[..] {
        [] => Ok(Origins::SameHost),
        list if list.iter().any(|origin| origin == "*") => Ok(Origins::Any),
        list => Origins::list(list),
    }
}

fn limits(limits: &Limits) -> Limits {
    let max_rooms = limits.max_rooms_per_connection.get().map_or(MAX_ROOMS, |n| n.min(MAX_ROOMS));
    let max_message_bytes = limits.max_message_bytes.min(MAX_MESSAGE_BYTES);
    let Rate { per_second, burst } = limits.messages;
    Limits {
        max_rooms_per_connection: Limit::at_most(max_rooms),
        max_message_bytes,
        messages: Rate { per_second, burst: burst.max(1) },
        bytes: Rate {
            burst: limits.bytes.per_second.max(max_message_bytes as u32),
            ..limits.bytes
        },
        ..limits.clone()
    }
}

/// Converts a bound to a count of things in memory.
pub(crate) fn count(limit: Limit) -> usize {
    limit.get().map_or(usize::MAX, |n| n as usize)
}
