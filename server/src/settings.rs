//! Translates the configuration file's settings to the core's.

use std::time::Duration;

use switchboard_core::http::{Hosts, InvalidHost, InvalidOrigin, Origins};
use switchboard_core::{self as hub, Limit, Limits, Rate};

use crate::config::{Config, MoreLimits};

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

/// Returns which pages may connect. A local server listens on loopback and asks for no token.
pub(crate) fn origins(config: &Config, is_local: bool) -> Result<Origins, InvalidOrigin> {
    match &config.origins.allowed[..] {
        [] if is_local => Ok(Origins::SameHostOrLoopback),
        [] => Ok(Origins::SameHost),
        list if list.iter().any(|origin| origin == "*") => Ok(Origins::Any),
        list => Origins::list(list),
    }
}

/// Returns which hosts requests may name.
pub(crate) fn hosts(config: &Config, is_local: bool) -> Result<Hosts, InvalidHost> {
    let listed = config.origins.hosts.iter().map(|host| host.parse()).collect::<Result<_, _>>()?;
    Ok(match config.origins.hosts[..] {
        _ if is_local => Hosts::LoopbackOr(listed),
        [] => Hosts::Any,
        _ => Hosts::Only(listed),
    })
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

/// Returns how often an address may connect; 0 a second is no limit, whatever the burst.
pub(crate) fn connects(limits: &MoreLimits) -> Rate {
    let per_second = limits.connects_per_address.get().unwrap_or(0);
    Rate { per_second, burst: limits.connect_burst.get().unwrap_or(u32::MAX) }
}

/// Returns the times for the first byte of a request and for the whole handshake.
pub(crate) fn handshake_times(limits: &MoreLimits) -> (Duration, Duration) {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    let or_longest = |time: Duration| if time.is_zero() { YEAR } else { time.min(YEAR) };
    (or_longest(limits.first_byte_timeout), or_longest(limits.handshake_timeout))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::from_text("c.toml", text, [], &[]).unwrap()
    }

    #[test]
    fn zero_switches_the_limits_of_the_door_off() {
        let default = config("").more_limits;
        let library = switchboard_smol::ServerSettings::default();
        assert_eq!(connects(&default), library.connects_per_address);
        let times = (library.first_byte_timeout, library.handshake_timeout);
        assert_eq!(handshake_times(&default), times);
        assert_eq!(count(default.max_head_bytes), library.max_head_bytes);
        assert_eq!(count(default.max_handshakes), library.max_handshakes);
        assert_eq!(default.handshakes_per_address, library.handshakes_per_address);
        assert_eq!(default.connections_per_address, library.connections_per_address);

        let off = "[limits]\nconnects_per_address = 0\nconnections_per_address = 0\n\
                   first_byte_timeout = 0\nmax_head_bytes = 0";
        let off = config(off).more_limits;
        assert_eq!(connects(&off).per_second, 0);
        assert_eq!(off.connections_per_address, Limit::NONE);
        assert_eq!(count(off.max_head_bytes), usize::MAX);
        let (first_byte, whole) = handshake_times(&off);
        assert!(first_byte > whole);
    }

    #[test]
    fn a_local_server_is_for_the_pages_and_names_of_this_machine() {
        let default = config("");
        assert_eq!(origins(&default, true), Ok(Origins::SameHostOrLoopback));
        assert_eq!(origins(&default, false), Ok(Origins::SameHost));
        assert_eq!(hosts(&default, true), Ok(Hosts::LoopbackOr(Vec::new())));
        assert_eq!(hosts(&default, false), Ok(Hosts::Any));

        let listed = config("[origins]\nallowed = [\"https://a.test\"]\nhosts = [\"a.test\"]");
        let pages = Origins::list(["https://a.test"]).unwrap();
        let names = vec!["a.test".parse().unwrap()];
        assert_eq!(origins(&listed, true), Ok(pages.clone()), "a list is the whole list");
        assert_eq!(origins(&listed, false), Ok(pages));
        assert_eq!(hosts(&listed, true), Ok(Hosts::LoopbackOr(names.clone())));
        assert_eq!(hosts(&listed, false), Ok(Hosts::Only(names)));
    }
}
