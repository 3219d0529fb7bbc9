//! The server's statistics: once a second in a room, and on request over HTTP.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use switchboard_core::{History, Limit, Overflow, Publishers, RoomClass, Stats};
use switchboard_smol::Handle;

/// The room for the statistics.
pub(crate) const ROOM: &str = "switchboard:stats";

/// Only those may watch to whom the statistics are shown, and only the server publishes; slow members
/// see fewer points.
pub(crate) fn room_class() -> RoomClass {
    RoomClass {
        max_members: Limit::NONE,
        presence: false,
        presence_grace: Duration::ZERO,
        publish: Publishers::Server,
        messages_per_second: 0,
        echo: false,
        overflow: Overflow::DropOldest,
        history: History::NONE,
        operators_only: true,
        provides_state: false,
    }
}

/// Publishes once a second, forever.
pub(crate) async fn publish(handle: &Handle, started: Instant) {
    let (mut before, mut at) = (handle.stats(), Instant::now());
    loop {
        smol::Timer::after(Duration::from_secs(1)).await;
        let (now, moment) = (handle.stats(), Instant::now());
        let point = point(&before, &now, moment - at, started.elapsed());
        if let Err(refusal) = handle.publish(ROOM, "stats", &point) {
            tracing::warn!(%refusal, "the dashboard's numbers were not published");
        }
        (before, at) = (now, moment);
    }
}

fn point(before: &Stats, now: &Stats, elapsed: Duration, uptime: Duration) -> Value {
    let per_second = |before: u64, now: u64| {
        let rate = (now - before) as f64 / elapsed.as_secs_f64().max(0.001);
        (rate * 10.0).round() / 10.0
    };
    json!({
        "connections": now.connections,
        "reserved": now.reserved,
        "rooms": now.rooms - now.kept_rooms,
        "users": now.users,
        "max_connections": now.max_connections,
        "capacity_percent": now.capacity_percent(),
        "messages_in_per_second": per_second(before.messages_in, now.messages_in),
        "messages_out_per_second": per_second(before.messages_out, now.messages_out),
        "bytes_in_per_second": per_second(before.bytes_in, now.bytes_in),
        "bytes_out_per_second": per_second(before.bytes_out, now.bytes_out),
        "blocked_connections": now.blocked,
        "dropped_messages": now.dropped,
        "rejections_total": now.rejected.iter().sum::<u64>(),
        "closes_total": now.ended.iter().sum::<u64>(),
        "uptime_seconds": uptime.as_secs(),
        "memory_bytes": resident_bytes(),
    })
}

/// The body of `GET /api/stats`. The first four fields are the specification's `get_stats`.
pub(crate) fn stats(
    stats: &Stats,
    refused_requests: Vec<(&'static str, u64)>,
    uptime: Duration,
    draining: bool,
) -> Value {
    let counts = |pairs: &mut dyn Iterator<Item = (&'static str, u64)>| {
        pairs.map(|(name, count)| (name.to_owned(), count.into())).collect::<Map<_, Value>>()
    };
    json!({
        "total_connections": stats.connections,
        "max_connections": stats.max_connections,
        "capacity_percent": stats.capacity_percent(),
        "active_lobbies": stats.rooms - stats.kept_rooms,
        "kept_lobbies": stats.kept_rooms,
        "held": stats.held,
        "reserved": stats.reserved,
        "closing": stats.closing,
        "users": stats.users,
        "blocked": stats.blocked,
        "accepted": stats.accepted,
        "rejected": counts(&mut stats.rejections()),
        "refused_requests": counts(&mut refused_requests.into_iter()),
        "ended": counts(&mut stats.endings()),
        "messages_in": stats.messages_in,
        "messages_out": stats.messages_out,
        "bytes_in": stats.bytes_in,
        "bytes_out": stats.bytes_out,
        "published": stats.published,
        "refused": stats.refused,
        "dropped": stats.dropped,
        "history_bytes": stats.history_bytes,
        "replayed": stats.replayed,
        "refreshed": stats.refreshed,
        "repeated": stats.repeated,
        "stale_events": stats.stale_events,
        "draining": draining,
        "uptime_seconds": uptime.as_secs(),
        "memory_bytes": resident_bytes(),
    })
}

/// Returns the resident memory of the process in bytes, where the system reports it (Linux).
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = statm.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes * 1024)
}
