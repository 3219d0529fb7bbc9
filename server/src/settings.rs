//! From the configuration file's terms to those of the core.

use switchboard_core::http::{InvalidOrigin, Origins};
use switchboard_core::{
    self as core, Heartbeat, HeartbeatMode, History, Limit, Limits, Publishers, Rate,
    UserLimitPolicy,
};

use crate::config::{self, Config, Publish};

/// What the hub is told.
pub(crate) fn rules(config: &Config) -> core::Config {
    core::Config {
        limits: limits(config),
        heartbeat: heartbeat(&config.heartbeat),
        rooms: config.rooms.iter().map(|(prefix, it)| (prefix.clone(), room_class(it))).collect(),
        ..core::Config::default()
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

fn limits(config: &Config) -> Limits {
    let (limits, recovery) = (&config.limits, &config.recovery);
    // The core counts the burst of bytes, which no message may be over, in 32 bits.
    let max_message_bytes = count(limits.max_message_bytes).min(u32::MAX as usize);
    let bytes_per_second = number(limits.bytes_per_second);
    Limits {
        max_connections: limit(limits.max_connections),
        max_per_user: limit(limits.max_per_user),
        user_limit_policy: match limits.user_limit_policy {
            config::UserLimitPolicy::Reject => UserLimitPolicy::RejectNew,
            config::UserLimitPolicy::ReplaceOldest => UserLimitPolicy::ReplaceOldest,
        },
        // The core numbers a connection's rooms in 16 bits.
        max_rooms_per_connection: Limit::at_most(
            limits.max_rooms_per_connection.get().map_or(65_535, |n| n.min(65_535) as u32),
        ),
        max_message_bytes,
        messages: Rate {
            per_second: number(limits.messages_per_second),
            burst: number(limits.message_burst).max(1),
        },
        bytes: Rate {
            per_second: bytes_per_second,
            burst: bytes_per_second.max(u32::try_from(max_message_bytes).unwrap_or(u32::MAX)),
        },
        rate_strikes: limits.rate_limit_strikes.get().map_or(u32::MAX, clamp),
        outbox_messages: count(limits.outbox_messages),
        outbox_bytes: count(limits.outbox_bytes),
        idle_timeout: config.heartbeat.idle_timeout,
        session_window: recovery.session_window,
        remember_for: recovery.remember_for,
        remembered: recovery.remembered_ids,
        history_bytes: count(recovery.history_bytes),
        max_kept_rooms: count(recovery.max_kept_rooms),
        ..Limits::default()
    }
}

fn heartbeat(heartbeat: &config::Heartbeat) -> Heartbeat {
    Heartbeat {
        interval: heartbeat.interval,
        stale_after: heartbeat.stale_after,
        mode: match heartbeat.mode {
            config::HeartbeatMode::Protocol => HeartbeatMode::Protocol,
            config::HeartbeatMode::Application => HeartbeatMode::Application,
            config::HeartbeatMode::Both => HeartbeatMode::Both,
        },
    }
}

fn room_class(class: &config::RoomClass) -> core::RoomClass {
    core::RoomClass {
        max_members: limit(class.max_members),
        presence: class.presence,
        presence_grace: class.presence_grace,
        publish: match class.publish {
            Publish::Anyone => Publishers::Anyone,
            Publish::Members => Publishers::Members,
            Publish::Server => Publishers::Server,
        },
        echo: class.echo,
        overflow: match class.overflow {
            config::Overflow::Close => core::Overflow::Close,
            config::Overflow::DropOldest => core::Overflow::DropOldest,
            config::Overflow::Conflate => core::Overflow::Conflate,
        },
        history: History {
            events: class.history_events,
            age: class.history_age,
            bytes: count(class.history_bytes),
        },
        provides_state: false,
    }
}

fn limit(limit: config::Limit) -> Limit {
    limit.get().map_or(Limit::NONE, |n| Limit::at_most(clamp(n)))
}

/// 0 where there is no limit.
fn number(limit: config::Limit) -> u32 {
    limit.get().map_or(0, clamp)
}

pub(crate) fn count(limit: config::Limit) -> usize {
    limit.get().unwrap_or(usize::MAX)
}

fn clamp(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
