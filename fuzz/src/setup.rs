//! The configurations that the tests use.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use switchboard_core::{
    Attempt, Config, Handled, Heartbeat, HeartbeatMode, History, Kind, Limit, Limits, Loopback,
    Network, Overflow, Publishers, Rate, Recovery, RoomClass, UserLimitPolicy,
};

use crate::seats::Payer;

/// The number of bytes that encode one configuration.
pub const SETUP_BYTES: usize = 20;

/// What the wall clock says at the start, in milliseconds since the Unix epoch.
pub const UNIX_MS: u64 = 1_790_000_000_000;

/// A configuration whose bounds are close.
#[derive(Clone, PartialEq, Eq)]
pub struct Setup(pub Config);

impl Setup {
    /// Decodes a configuration. Zeroes give the one with the fewest rules.
    pub fn decode(bytes: [u8; SETUP_BYTES]) -> Self {
        let pick = |at: usize, choices: &[u32]| choices[usize::from(bytes[at]) % choices.len()];
        let limit = |at: usize, choices: &[u32]| Limit::zero_is_none(pick(at, choices));
        let second = |n| Duration::from_secs(n);
        let history = |byte: u8| History {
            events: [0, 1, 3, 100][usize::from(byte % 4)],
            age: second([3_600, 1, 5, 3_600][usize::from(byte / 4 % 4)]),
            bytes: [1024 * 1024, 40, 200, 1024 * 1024][usize::from(byte / 16 % 4)],
        };
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
            history: history(bytes[at + 7]),
            messages_per_second: 0,
            operators_only: at == 6 && bytes[14] & 12 == 12,
            provides_state: bytes[14] >> (at - 5) & 1 == 1,
        };
        let high_water = [64 * 1024, 150, 400][usize::from(bytes[9]) % 3];
        Self(Config {
            limits: Limits {
                max_connections: limit(0, &[0, 8, 5, 12, 3, 2, 1, 0, 8, 12]),
                max_per_user: limit(1, &[0, 1, 2, 3]),
                user_limit_policy: if bytes[1] & 4 == 0 {
                    UserLimitPolicy::Reject
                } else {
                    UserLimitPolicy::ReplaceOldest
                },
                max_rooms_per_connection: Limit::at_most(pick(2, &[50, 2, 50, 50, 1])),
                messages: [
                    Rate::NONE,
                    Rate { per_second: 2, burst: 3 },
                    Rate { per_second: 50, burst: 8 },
                ][usize::from(bytes[3]) % 3],
                user_messages_per_second: [None, Some(0), None, Some(4), None]
                    [usize::from(bytes[3] / 3) % 5],
                address_messages_per_second: [1_000, 0, 1_000, 2][usize::from(bytes[3] / 16) % 4],
                loopback: if bytes[3] & 64 == 0 { Loopback::Exempt } else { Loopback::Count },
                rate_limit_strikes: pick(4, &[2, 0, 5]),
                outbox_messages: [256, 4, 1, 3, 8][usize::from(bytes[8] % 5)],
                outbox_bytes: [1024 * 1024, 600, 1024 * 1024, 250][usize::from(bytes[8] >> 6)],
                outlet_high_water: high_water,
                outlet_low_water: high_water / 4,
                work_per_tick: [1_024, 1, 2][usize::from(bytes[10]) % 3],
                members_listed: [1_000, 1][usize::from(bytes[10] / 4) % 2],
                state_timeout: Duration::from_millis(pick(14, &[2_000, 2_000, 200]).into()),
                max_requests: pick(19, &[10_000, 1, 3, 10_000]) as usize,
                ..Limits::default()
            },
            recovery: Recovery {
                history_bytes: pick(18, &[64 * 1024 * 1024, 100, 400, 64 * 1024 * 1024]) as usize,
                max_kept_rooms: pick(17, &[10_000, 0, 1, 3, 10_000]) as usize,
                session_window: second(u64::from(pick(15, &[0, 5, 1, 5]))),
                remembered_ids: pick(16, &[0, 2, 256, 256]) as usize,
                remember_for: second([120, 1, 10, 120][usize::from(bytes[16] / 4 % 4)]),
                remembered_in_all: [1_000_000, 1_000_000, 1_000_000, 3]
                    [usize::from(bytes[16] / 16 % 4)],
            },
            heartbeat: Heartbeat {
                interval: second([0, 30, 10, 30][usize::from(bytes[11] % 4)]),
                stale_after: second(45),
                idle_timeout: second(if bytes[10] & 0xf0 == 0xf0 { 20 } else { 0 }),
                probe_timeout: second(2),
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
            unix_ms_at_start: UNIX_MS,
        })
    }

    /// Returns the same configuration without features unknown to the model: history, sessions,
    /// remembered ids.
    pub fn plain(mut self) -> Self {
        for (_, class) in &mut self.0.rooms {
            (class.history, class.provides_state) = (History::NONE, false);
        }
        self.0.recovery.session_window = Duration::ZERO;
        self.0.recovery.remembered_ids = 0;
        self
    }

    /// Returns the same configuration with room for everybody, so that more happens to the
    /// connections.
    pub fn roomy(mut self) -> Self {
        let limits = &mut self.0.limits;
        (limits.max_connections, limits.max_per_user) = (Limit::NONE, Limit::NONE);
        limits.max_rooms_per_connection = Limit::at_most(50);
        limits.messages = Rate::NONE;
        limits.user_messages_per_second = None;
        limits.address_messages_per_second = 0;
        for (_, class) in &mut self.0.rooms {
            class.max_members = Limit::NONE;
            if class.overflow == Overflow::Close && class.echo {
                class.overflow = Overflow::DropOldest;
            }
            if class.publish == Publishers::Server {
                class.publish = Publishers::Members;
            }
        }
        self
    }

    /// Returns what a connection's messages count against.
    pub fn payer(&self, attempt: &Attempt) -> Payer {
        let network = attempt.address.map(Network::from);
        match network {
            _ if !attempt.is_guest => Payer::User(attempt.user.to_string()),
            Some(network)
                if self.0.limits.loopback == Loopback::Count || !network.is_loopback() =>
            {
                Payer::Guests(network)
            }
            Some(_) | None => Payer::Nobody,
        }
    }

    /// Returns the rate of all that one payer pays for.
    pub fn rate_of(&self, payer: &Payer) -> Rate {
        let limits = &self.0.limits;
        let twice = |per_second| Rate { per_second, burst: per_second * 2 };
        match payer {
            Payer::User(_) => limits.user_messages_per_second.map_or(
                Rate {
                    per_second: 5 * limits.messages.per_second,
                    burst: 5 * limits.messages.burst,
                },
                twice,
            ),
            Payer::Guests(_) => twice(limits.address_messages_per_second),
            Payer::Nobody => Rate::NONE,
        }
    }

    /// Returns the class of a room, computed from its name.
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
