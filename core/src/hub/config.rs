//! Every limit and rule of a hub, with its default.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::hub::class::{History, RoomClass};
use crate::hub::limit::Limit;
use crate::hub::setting::{choice, settings};
use crate::network::Network;
use crate::protocol::name::Kind;
use crate::protocol::to_client::Terms;

choice! {
    /// What happens when a user who has [`Limits::max_per_user`] connections opens one more.
    pub enum UserLimitPolicy {
        /// The new one is rejected with `user_limit`.
        #[default]
        Reject = "reject",
        /// The oldest is closed with 4004 `replaced`, and the new one takes its seat.
        ReplaceOldest = "replace_oldest",
    }
}

choice! {
    /// Whether the limits per address hold for clients on this machine.
    pub enum Loopback {
        /// They do not.
        #[default]
        Exempt = "exempt",
        /// They do.
        Count = "count",
    }
}

impl Loopback {
    /// Returns whether the limits per address hold for this network.
    pub fn limits(self, network: Network) -> bool {
        self == Self::Count || !network.is_loopback()
    }
}

settings! {
    /// What one client, one user and the whole server may use.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Limits {
        /// Connections in all; handshakes in flight and connections that are being closed count.
        pub max_connections: Limit = Limit::at_most(500);
        /// Connections of one user.
        pub max_per_user: Limit = Limit::at_most(5);
        /// What happens to one more connection of that user: reject it, or replace the oldest.
        pub user_limit_policy: UserLimitPolicy = UserLimitPolicy::Reject => Choice;
        /// Rooms that one connection can be in at a time; at most 65,535.
        pub max_rooms_per_connection: Limit = Limit::at_most(50);
        /// Bytes of one message after reassembly, header and names included.
        pub max_message_bytes: usize = 64 * 1024 => Bound;
        /// Frames that one message can be cut into, roughly: a message whose frames have more bytes
        /// than [`max_message_bytes`](Self::max_message_bytes) and this many of the longest headers
        /// is too big. Without this bound, a message of empty frames would never end. The parser of
        /// frames enforces it, as the engine's `Framing` does.
        pub max_fragments: usize = 1_024 => Library;
        /// Messages that one connection may send.
        pub messages: Rate = Rate { per_second: 50, burst: 100 }
            => Nested("messages_per_second", "message_burst");
        /// Bytes that one connection may send.
        pub bytes: Rate = Rate::NONE => Nested("bytes_per_second");
        /// Messages that one authenticated user may send in a second, over all connections together
        /// and one after another; after a pause, twice as many at once. Left out, it is five times
        /// the rate of a connection. 0 switches the limit off.
        pub user_messages_per_second: Option<u32> = None => Automatic;
        /// Messages that all guests at one address may send in a second; after a pause, twice as
        /// many at once. An address is an IPv4 address, or the first 64 bits of an IPv6 address. 0
        /// switches the limit off.
        pub address_messages_per_second: u32 = 1_000;
        /// Bytes of answers to history and members requests, and of replays, that one user, or the
        /// guests of one address, get in a second; after a pause, four times as many at once. An
        /// answer beyond it is refused; what a member missed is only delayed. 0 switches the limit
        /// off.
        pub answer_bytes_per_second: u32 = 2 * 1024 * 1024;
        /// Whether the limits per address hold for clients on this machine, such as a proxy or a
        /// load test: they are exempt, or they count.
        pub loopback: Loopback = Loopback::Exempt => Choice;
        /// Messages over the rate that are answered with an error; the next one closes the
        /// connection with 4029. The count starts anew once the connection has been quiet long
        /// enough to have its whole burst back.
        pub rate_limit_strikes: u32 = 10 => Strikes;
        /// Messages that wait for one connection whose socket is full.
        pub outbox_messages: usize = 1_024 => Bound;
        /// Bytes that wait for one connection whose socket is full.
        pub outbox_bytes: usize = 1024 * 1024 => Bound;
        /// When more bytes than this wait in a connection's write queue, it is blocked, and the
        /// rest waits in the hub.
        pub outlet_high_water: usize = 64 * 1024 => Library;
        /// When no more than this many bytes are left there, it is writable again.
        pub outlet_low_water: usize = 16 * 1024 => Library;
        /// Names in one answer to `members`.
        pub members_listed: usize = 1_000 => Library;
        /// Publications in one answer to `history`.
        pub history_listed: usize = 100 => Library;
        /// How long to wait for the application's state of a room.
        pub state_timeout: Duration = Duration::from_secs(2) => Library;
        /// Requests to clients that are under way at once.
        pub max_requests: usize = 10_000 => Library;
        /// Probes of users that are under way at once.
        pub max_probes: usize = 1_024 => Library;
        /// Deadlines handled in one [`Event::Tick`](crate::Event::Tick), so that no tick is long.
        pub work_per_tick: usize = 1_024 => Library;
        /// Time from the admission to the completed upgrade; afterwards the seat is given back.
        pub handshake_timeout: Duration = Duration::from_secs(10) => Library;
        /// Time for a close to be answered, and for accepted data to be sent before it.
        pub close_timeout: Duration = Duration::from_secs(5) => Library;
    }
}

choice! {
    /// How the hub finds out whether a peer is alive.
    pub enum HeartbeatMode {
        /// Protocol pings (RFC 6455, 5.5.2), which every WebSocket library answers by itself.
        Protocol = "protocol",
        /// `health_ping` messages, which only the application's own code answers: the one to choose
        /// behind an intermediary that answers protocol pings for clients that are gone.
        Application = "application",
        /// Both; either answer is a sign of life.
        #[default]
        Both = "both",
    }
}

settings! {
    /// How much one connection may send: on average, and at once.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Rate {
        /// in a second, on average; 0 switches the limit off.
        pub per_second: u32 = 0;
        /// at once, after a pause.
        pub burst: u32 = 0;
    }
}

impl Rate {
    /// No limit.
    pub const NONE: Self = Self { per_second: 0, burst: 0 };

    /// As many in a second, and after a pause twice as many at once.
    pub const fn per_second(per_second: u32) -> Self {
        Self { per_second, burst: per_second.saturating_mul(2) }
    }

    /// Returns what a request takes that counts as `n`: no more than the burst, because it could
    /// never be met otherwise.
    pub(crate) fn within_burst(self, n: usize) -> usize {
        n.min(self.burst as usize)
    }
}

impl Limits {
    /// Returns the rate of bytes in answers and replays.
    pub(crate) fn answer_bytes(&self) -> Rate {
        let per_second = self.answer_bytes_per_second;
        Rate { per_second, burst: per_second.saturating_mul(4) }
    }

    /// Returns the rate of one authenticated user.
    pub(crate) fn user_messages(&self) -> Rate {
        let Rate { per_second, burst } = self.messages;
        match self.user_messages_per_second {
            Some(per_second) => Rate::per_second(per_second),
            None => {
                Rate { per_second: per_second.saturating_mul(5), burst: burst.saturating_mul(5) }
            }
        }
    }
}

settings! {
    /// How a dead peer is noticed.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Heartbeat {
        /// Time between two pings of one connection.
        pub interval: Duration = Duration::from_secs(30);
        /// Time without a sign of life after which a connection is closed with 4010; more than the
        /// interval.
        pub stale_after: Duration = Duration::from_secs(45);
        /// How long a probe waits for an answer if it does not say so itself.
        pub probe_timeout: Duration = Duration::from_secs(2);
        /// Closes a connection that sends no message for this long; pings and pongs do not count.
        /// 0 is never.
        pub idle_timeout: Duration = Duration::ZERO;
        /// Which pings are sent: those of the WebSocket protocol, health_ping messages of the
        /// application, or both.
        pub mode: HeartbeatMode = HeartbeatMode::Both => Choice;
    }
}

settings! {
    /// What is kept for returning clients.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Recovery {
        /// How long the seats of a lost connection are held for its session to come back, during
        /// which nobody hears that the user left. 0 is not at all.
        pub session_window: Duration = Duration::ZERO;
        /// How long the id of a message is remembered for its user, so that the same message sent
        /// again is handled once.
        pub remember_for: Duration = Duration::from_secs(120);
        /// Ids that are remembered for one user; one more forgets the oldest. 0 is none.
        pub remembered_ids: usize = 256;
        /// Ids that are remembered for all users together; one more is not remembered.
        pub remembered_in_all: usize = 1_000_000 => Library;
        /// Bytes that all rooms together keep of what was published. Beyond that, rooms that nobody
        /// is in are given up, those first that have been empty longest, and then the oldest
        /// publications of the room that would keep one more.
        pub history_bytes: usize = 64 * 1024 * 1024 => Bound;
        /// Rooms that nobody is in and that are kept for clients that come back; one more gives up
        /// the one that has been empty longest.
        pub max_kept_rooms: usize = 10_000 => Bound;
    }
}

/// The message types that go to the application instead of into a room.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Handled {
    /// Every message is published.
    #[default]
    None,
    /// Messages of these types go to the application.
    Kinds(BTreeSet<Kind>),
}

impl Handled {
    pub(crate) fn contains(&self, kind: &Kind) -> bool {
        match self {
            Self::None => false,
            Self::Kinds(kinds) => kinds.contains(kind),
        }
    }
}

/// The configuration of a hub.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Config {
    /// What clients, users and the server may use.
    pub limits: Limits,
    /// When a peer counts as dead.
    pub heartbeat: Heartbeat,
    /// What is kept for returning clients.
    pub recovery: Recovery,
    /// Room classes by prefix, in any order. Without a class for the prefix `""`, the default class
    /// serves the remaining rooms.
    pub rooms: Vec<(String, RoomClass)>,
    /// Message types that the application handles.
    pub handled: Handled,
    /// The wall clock's time at [`Timestamp::ZERO`](crate::Timestamp::ZERO), in milliseconds since
    /// the Unix epoch. Publications are stamped with this plus the hub's time, until an
    /// [`Event::WallClock`](crate::Event::WallClock) tells another one.
    pub unix_ms_at_start: u64,
}

impl Config {
    /// The part of the configuration that clients are told.
    pub(crate) fn terms(&self) -> Terms {
        Terms {
            heartbeat_interval: self.heartbeat.interval,
            stale_after: self.heartbeat.stale_after,
            max_message_bytes: self.limits.max_message_bytes,
            max_rooms: self.limits.max_rooms_per_connection.get(),
            messages_per_second: self.limits.messages.per_second,
            message_burst: self.limits.messages.burst,
        }
    }

    /// Checks the configuration for contradictions.
    ///
    /// # Errors
    /// Returns the first contradiction.
    pub fn check(&self) -> Result<(), ConfigError> {
        let limits = &self.limits;
        let heartbeat = &self.heartbeat;
        if heartbeat.interval != Duration::ZERO && heartbeat.stale_after <= heartbeat.interval {
            return Err(ConfigError::StaleBeforePing);
        }
        for (what, rate) in [("messages", limits.messages), ("bytes", limits.bytes)] {
            if rate.per_second > 0 && rate.burst == 0 {
                return Err(ConfigError::NoBurst(what));
            }
        }
        if limits.bytes.per_second > 0 && (limits.bytes.burst as usize) < limits.max_message_bytes {
            return Err(ConfigError::BurstBelowMessage);
        }
        if limits.outlet_low_water >= limits.outlet_high_water {
            return Err(ConfigError::WaterMarks);
        }
        for (what, value) in [
            ("max_message_bytes", limits.max_message_bytes),
            ("outbox_messages", limits.outbox_messages),
            ("outbox_bytes", limits.outbox_bytes),
            ("work_per_tick", limits.work_per_tick),
        ] {
            if value == 0 {
                return Err(ConfigError::Zero(what));
            }
        }
        if limits.max_rooms_per_connection.get().is_none_or(|n| n > 65_535) {
            return Err(ConfigError::TooManyRooms);
        }
        for (prefix, class) in &self.rooms {
            let History { age, bytes, .. } = class.history;
            if class.history.is_kept() && (age.is_zero() || bytes == 0) {
                return Err(ConfigError::EmptyHistory(prefix.clone()));
            }
        }
        for (i, (prefix, _)) in self.rooms.iter().enumerate() {
            if self.rooms[..i].iter().any(|(other, _)| other == prefix) {
                return Err(ConfigError::DuplicatePrefix(prefix.clone()));
            }
        }
        Ok(())
    }
}

/// Why a configuration is invalid.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// A connection would be stale before its first ping.
    StaleBeforePing,
    /// This rate has a burst of zero, so nothing could be sent.
    NoBurst(&'static str),
    /// The burst of bytes is smaller than the largest message.
    BurstBelowMessage,
    /// The low-water mark is not below the high-water mark.
    WaterMarks,
    /// This bound must be at least one.
    Zero(&'static str),
    /// The rooms per connection are unbounded, or more than 65,535.
    TooManyRooms,
    /// The history of the rooms with this prefix is on, but its age or its bytes are zero.
    EmptyHistory(String),
    /// Two room classes have this prefix.
    DuplicatePrefix(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StaleBeforePing => {
                write!(f, "stale_after must be longer than the heartbeat interval")
            }
            Self::NoBurst(what) => write!(f, "the burst of {what} must be at least 1"),
            Self::BurstBelowMessage => {
                write!(f, "the burst of bytes must be at least max_message_bytes")
            }
            Self::WaterMarks => write!(f, "outlet_low_water must be below outlet_high_water"),
            Self::Zero(what) => write!(f, "{what} must be at least 1"),
            Self::TooManyRooms => {
                write!(f, "max_rooms_per_connection must be between 1 and 65535")
            }
            Self::EmptyHistory(prefix) => {
                write!(f, "the history of rooms {prefix:?} has no age or no bytes")
            }
            Self::DuplicatePrefix(prefix) => {
                write!(f, "two room classes have the prefix {prefix:?}")
            }
        }
    }
}

impl core::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn the_defaults_are_sound() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn contradictions_are_named() {
        let mut config = Config::default();
        config.heartbeat.stale_after = config.heartbeat.interval;
        assert_eq!(config.check(), Err(ConfigError::StaleBeforePing));

        let mut config = Config::default();
        config.limits.bytes = Rate { per_second: 1_000, burst: 1_000 };
        assert_eq!(config.check(), Err(ConfigError::BurstBelowMessage));

        let class = RoomClass::default();
        let config = Config {
            rooms: vec![("a".into(), class.clone()), ("a".into(), class)],
            ..Config::default()
        };
        assert_eq!(config.check(), Err(ConfigError::DuplicatePrefix("a".into())));
    }

    #[test]
    fn a_limit_is_exact() {
        assert!(!Limit::at_most(3).is_exceeded_by(3));
        assert!(Limit::at_most(3).is_exceeded_by(4));
        assert!(!Limit::zero_is_none(0).is_exceeded_by(usize::MAX));
    }
}
