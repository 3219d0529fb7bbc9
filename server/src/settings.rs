//! From the configuration file's terms to those of the core.

use switchboard_core::http::{InvalidOrigin, Origins};
use switchboard_core::{self as hub, Limit, Limits, Rate};

use crate::config::Config;

/// The largest message where the file sets no bound: the core counts the burst of bytes, which no
/// message may exceed, in 32 bits.
const MAX_MESSAGE_BYTES: usize = u32::MAX as usize;

/// The most rooms of a connection where the file sets no bound: the core numbers them in 16 bits.
const MAX_ROOMS: u32 = 65_535;

/// What the hub is told.
pub(crate) fn rules(config: &Config) -> hub::Config {
    hub::Config {
        limits: limits(&config.limits),
        heartbeat: config.heartbeat.clone(),
        recovery: config.recovery.clone(),
        rooms: config.rooms.clone().into_iter().collect(),
        ..hub::Config::default()
    }
}

/// Which pages may connect.
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

/// A bound as a count of something that fits into memory.
pub(crate) fn count(limit: Limit) -> usize {
    limit.get().map_or(usize::MAX, |n| n as usize)
}
