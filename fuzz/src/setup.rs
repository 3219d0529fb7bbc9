//! The configurations that the tests run under.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use switchboard_core::{
    Config, Handled, Heartbeat, HeartbeatMode, History, Kind, Limit, Limits, Overflow, Publishers,
    Rate, RoomClass, UserLimitPolicy,
};

/// How many bytes make one configuration.
pub const SETUP_BYTES: usize = 12;

/// A configuration that brings the bounds close.
#[derive(Clone, PartialEq, Eq)]
pub struct Setup(pub Config);

impl Setup {
    /// Reads a configuration. Zeroes are the one with the fewest rules.
    pub fn decode(bytes: [u8; SETUP_BYTES]) -> Self {
        let pick = |at: usize, choices: &[u32]| choices[usize::from(bytes[at]) % choices.len()];
        let limit = |at: usize, choices: &[u32]| Limit::zero_is_none(pick(at, choices));
        let second = |n| Duration::from_secs(n);
        let class = |at: usize| RoomClass {
            max_members: limit(at, &[0, 4, 2, 1]),
            presence: bytes[at] & 4 != 0,
            presence_grace: second(if bytes[at] & 8 != 0 { 3 } else { 0 }),
            publish: match bytes[at] >> 4 & 7 {
                1 => Publishers::Anyone,
                2 => Publishers::Server,
                _ => Publishers::Members,
            },
            echo: bytes[at] & 128 == 0,
            overflow: match bytes[at + 1] % 3 {
                0 => Overflow::Close,
                1 => Overflow::DropOldest,
                _ => Overflow::Conflate,
            },
            history: History::NONE,
            provides_state: false,
        };
        let high_water = [64 * 1024, 150, 400][usize::from(bytes[9]) % 3];
        Self(Config {
            limits: Limits {
                max_connections: limit(0, &[0, 8, 5, 12, 3, 2, 1, 0, 8, 12]),
                max_per_user: limit(1, &[0, 1, 2, 3]),
                user_limit_policy: if bytes[1] & 4 == 0 {
                    UserLimitPolicy::RejectNew
                } else {
                    UserLimitPolicy::ReplaceOldest
                },
                max_rooms_per_connection: Limit::at_most(pick(2, &[50, 2, 50, 50, 1])),
                messages: [
                    Rate::NONE,
                    Rate { per_second: 2, burst: 3 },
                    Rate { per_second: 50, burst: 8 },
                ][usize::from(bytes[3]) % 3],
                rate_strikes: pick(4, &[2, 0, 5]),
                outbox_messages: [256, 4, 1, 3, 8][usize::from(bytes[8] % 5)],
                outbox_bytes: [1024 * 1024, 600, 1024 * 1024, 250][usize::from(bytes[8] >> 6)],
                outlet_high_water: high_water,
                outlet_low_water: high_water / 4,
                work_per_tick: [1_024, 1, 2][usize::from(bytes[10]) % 3],
                members_listed: [1_000, 1][usize::from(bytes[10] / 4) % 2],
                remembered: 0,
                idle_timeout: second(if bytes[10] & 0xf0 == 0xf0 { 20 } else { 0 }),
                ..Limits::default()
            },
            heartbeat: Heartbeat {
                interval: second([0, 30, 10, 30][usize::from(bytes[11] % 4)]),
                stale_after: second(45),
                mode: match bytes[11] / 4 % 3 {
                    0 => HeartbeatMode::Both,
                    1 => HeartbeatMode::Protocol,
                    _ => HeartbeatMode::Application,
                },
            },
            rooms: vec![(String::new(), class(5)), ("room2".to_owned(), class(6))],
            handled: match Kind::new("ask") {
                Ok(ask) if bytes[11] & 64 != 0 => Handled::Kinds(BTreeSet::from([ask])),
                Ok(_) | Err(_) => Handled::None,
            },
            unix_ms_at_start: 1_790_000_000_000,
        })
    }

    /// The rules of a room, found the long way.
    pub fn class(&self, room: &str) -> &RoomClass {
        let at = usize::from(room.starts_with("room2"));
        &self.0.rooms[at].1
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:#?}", self.0)
    }
}
