//! The hub's state at one moment.

use std::io::{self, Write};

use switchboard_core::{ConnectionView, Hub, Timestamp};

use super::timeline::Filter;

/// Shows connections, rooms and what waits to be sent.
pub(super) fn show(
    out: &mut impl Write,
    hub: &Hub,
    now: Timestamp,
    filter: &Filter,
) -> io::Result<()> {
    let stats = hub.stats();
    writeln!(out, "\nConnections")?;
    for view in hub.connections() {
        let rooms = view.rooms().chain(view.held_rooms());
        if filter.picks(Some(view.id()), Some(view.user()), rooms) {
            writeln!(out, "  {}", connection(&view, now))?;
        }
    }
    writeln!(out, "Rooms")?;
    for room in hub.rooms() {
        let members = room.members();
        // There can be many rooms that are only kept; they are counted below.
        if room.seats() == 0 && filter.room().is_none() {
            continue;
        }
        let has_user = filter.user().is_some_and(|user| room.users().contains(user));
        let has_connection = filter.connection().is_some_and(|id| members.contains(&id));
        if has_user || has_connection || filter.picks(None, None, [room.name()]) {
            let (kept, bytes) = room.kept();
            let reserved = room.seats() - members.len();
            writeln!(
                out,
                "  {:?}: {} members, {reserved} seats reserved or held, at {}, keeps {kept} ({bytes} bytes)",
                room.name(),
                members.len(),
                room.position(),
            )?;
        }
    }
    writeln!(out, "Numbers")?;
    writeln!(
        out,
        "  connections: {} open, {} reserved, {} closing, {} held, {} blocked; users: {}; draining: {}",
        stats.connections,
        stats.reserved,
        stats.closing,
        stats.held,
        stats.blocked,
        stats.users,
        hub.is_draining(),
    )?;
    writeln!(
        out,
        "  rooms: {}, {} of them empty but kept; history: {} bytes; ids remembered: {}",
        stats.rooms, stats.kept_rooms, stats.history_bytes, stats.remembered,
    )?;
    writeln!(
        out,
        "  messages: {} in ({} bytes), {} out, {} published, {} refused, {} dropped, {} repeated",
        stats.messages_in,
        stats.bytes_in,
        stats.messages_out,
        stats.published,
        stats.refused,
        stats.dropped,
        stats.repeated,
    )?;
    let counts = |counts: &mut dyn Iterator<Item = (&'static str, u64)>| {
        let some: Vec<_> = counts
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        if some.is_empty() { "none".to_owned() } else { some.join(", ") }
    };
    writeln!(out, "  accepted: {}; rejected: {}", stats.accepted, counts(&mut stats.rejections()))?;
    writeln!(out, "  ended: {}\n", counts(&mut stats.endings()))
}

fn connection(view: &ConnectionView<'_>, now: Timestamp) -> String {
    let phase = match (view.is_open(), view.is_closing()) {
        (true, _) => "open",
        (false, true) => "closing",
        (false, false) => "reserved",
    };
    let rooms: Vec<&str> = view.rooms().map(|room| &**room).collect();
    let mut text = format!(
        "{} {:?}: {phase} for {:.3} s, in {rooms:?}",
        view.id(),
        view.user(),
        (now - view.since()).as_secs_f64()
    );
    let held: Vec<&str> = view.held_rooms().map(|room| &**room).collect();
    if !held.is_empty() {
        text += &format!(", seats held in {held:?}");
    }
    let (messages, bytes) = view.waiting();
    if view.is_blocked() || messages > 0 {
        text += &format!(", {messages} messages wait ({bytes} bytes)");
    }
    if view.is_open() {
        text += &format!(", heard {:.3} s ago", (now - view.last_seen()).as_secs_f64());
    }
    if let Some(latency) = view.latency() {
        text += &format!(", latency {:.1} ms", latency.as_secs_f64() * 1e3);
    }
    text
}
