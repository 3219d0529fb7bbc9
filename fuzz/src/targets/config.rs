//! The configuration of the server program, and of a hub.
//!
//! The input is the text of a configuration file and, each after a zero byte, environment variables
//! (`NAME=value`; invalid UTF-8 becomes U+FFFD). An input that begins with a zero is the
//! configuration of a hub, as [`Setup`] decodes it, with extreme numbers in some places.
//!
//! **Oracle.** Either a configuration is refused with a message that is not empty and names each
//! problem once; or its printed form, read again with its secret, is the same configuration. If it
//! is accepted, the core accepts it too, and a hub with this configuration works: it admits a
//! connection or says why not, takes a message, comes to rest after each of its deadlines, drains,
//! and is empty. A hub can be made from a configuration exactly if the configuration's check
//! passes. Nothing panics.

use std::ffi::OsString;
use std::time::Duration;

use switchboard::{Meaning, read_config};
use switchboard_core::{
    Action, Attempt, Config, Event, Hub, Inbound, Kind, Limit, Operation, Payload, Rate, Request,
    RoomName, Ticket, Timestamp, UserName,
};

use crate::setup::{SETUP_BYTES, Setup};

const SECRET: &str = "SWITCHBOARD_AUTH_HS256_SECRET";

/// Runs one input.
///
/// # Panics
/// When the oracle is violated.
pub fn run(bytes: &[u8]) {
    if let [0, rules @ ..] = bytes {
        return check_rules(&extreme(rules));
    }
    let mut parts = bytes.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let text = parts.next().unwrap_or_default().into_owned();
    let variables: Vec<(OsString, OsString)> = parts
        .filter_map(|part| part.split_once('=').map(|(name, value)| (name.into(), value.into())))
        .collect();
    // The files of this machine must not influence the result.
    if String::from_utf8_lossy(bytes).to_lowercase().contains("secret_file") {
        return;
    }
    match read_config("c.toml", &text, variables) {
        Ok(meaning) => check_meaning(&meaning),
        Err(problems) => check_problems(&problems),
    }
}

fn check_problems(problems: &str) {
    assert!(!problems.trim().is_empty(), "refused without a word");
    assert!(problems.lines().all(|line| !line.chars().any(char::is_control)), "{problems:?}");
}

fn check_meaning(meaning: &Meaning) {
    let secret = meaning.secret.iter().map(|secret| (SECRET.into(), secret.into()));
    let again = read_config("shown.toml", &meaning.shown, secret);
    assert_eq!(again.as_ref(), Ok(meaning));
    if let Some(secret) = &meaning.secret {
        assert!(secret.len() >= 32);
    }
    assert!(meaning.origins.is_ok(), "{:?}", meaning.origins);
    assert_eq!(meaning.rules.check(), Ok(()), "accepted as\n{}", meaning.shown);
    check_rules(&meaning.rules);
}

/// A configuration from bytes, with extremes in some places.
fn extreme(bytes: &[u8]) -> Config {
    let (setup, rest) = bytes.split_at(bytes.len().min(SETUP_BYTES));
    let mut head = [0; SETUP_BYTES];
    head[..setup.len()].copy_from_slice(setup);
    let mut config = Setup::decode(head).0;
    for [what, value] in rest.as_chunks().0 {
        put(&mut config, *what, *value);
    }
    config
}

fn put(config: &mut Config, what: u8, value: u8) {
    let count = [0, 1, 2, 65_535, 65_536, u32::MAX as usize, usize::MAX][usize::from(value) % 7];
    let number = u32::try_from(count).unwrap_or(u32::MAX);
    let time = [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_micros(1),
        Duration::from_secs(1),
        Duration::from_secs(u64::MAX / 1_000_000),
        Duration::MAX,
    ][usize::from(value) % 6];
    let (limits, heartbeat) = (&mut config.limits, &mut config.heartbeat);
    let recovery = &mut config.recovery;
    let class = config.rooms.first_mut().map(|(_, class)| class);
    match what % 40 {
        0 => limits.max_connections = Limit::at_most(number),
        1 => limits.max_per_user = Limit::at_most(number),
        2 => limits.max_rooms_per_connection = Limit::at_most(number),
        3 => limits.max_message_bytes = count,
        4 => limits.max_fragments = count,
        5 => limits.messages = Rate { per_second: number, ..limits.messages },
        6 => limits.messages = Rate { burst: number, ..limits.messages },
        7 => limits.bytes = Rate { per_second: number, ..limits.bytes },
        8 => limits.bytes = Rate { burst: number, ..limits.bytes },
        9 => limits.rate_limit_strikes = number,
        10 => limits.outbox_messages = count,
        11 => limits.outbox_bytes = count,
        12 => limits.outlet_high_water = count,
        13 => limits.outlet_low_water = count,
        14 => limits.members_listed = count,
        15 => limits.history_listed = count,
        16 => recovery.history_bytes = count,
        17 => recovery.max_kept_rooms = count,
        18 => recovery.session_window = time,
        19 => recovery.remember_for = time,
        20 => recovery.remembered_ids = count,
        21 => recovery.remembered_in_all = count,
        22 => limits.state_timeout = time,
        23 => limits.max_requests = count,
        24 => limits.max_probes = count,
        25 => limits.work_per_tick = count,
        26 => limits.handshake_timeout = time,
        27 => limits.close_timeout = time,
        28 => heartbeat.idle_timeout = time,
        29 => heartbeat.interval = time,
        30 => heartbeat.stale_after = time,
        31 => config.unix_ms_at_start = count as u64,
        32 => config.rooms.extend(config.rooms.first().cloned()),
        33 => class.into_iter().for_each(|class| class.max_members = Limit::at_most(number)),
        34 => class.into_iter().for_each(|class| class.presence_grace = time),
        35 => class.into_iter().for_each(|class| class.history.events = count),
        36 => class.into_iter().for_each(|class| class.history.age = time),
        37 => class.into_iter().for_each(|class| class.history.bytes = count),
        38 => config.rooms.clear(),
        _ => config.rooms.push((format!("room{value}"), Default::default())),
    }
}

/// Checks that a hub can be made exactly if the configuration is sound, and that it then works.
fn check_rules(rules: &Config) {
    let hub = Hub::new(rules.clone(), 1, Timestamp::ZERO);
    assert_eq!(hub.as_ref().map(|_| ()).map_err(Clone::clone), rules.check());
    if let Ok(hub) = hub {
        work(hub).unwrap_or_else(|error| unreachable!("all names are good: {error}"));
    }
}

/// Two clients connect, one sends something, time passes, and the server drains.
fn work(mut hub: Hub) -> Result<(), switchboard_core::NameError> {
    let mut now = Timestamp::from_millis(1);
    let room = RoomName::new("lobby")?;
    for (ticket, name) in [(1, "ann"), (2, "bob")] {
        let (user, rooms) = (UserName::new(name)?, vec![(room.clone(), None)]);
        let event = Event::Connect {
            ticket: Ticket(ticket),
            attempt: Attempt { rooms, ..Attempt::new(user) },
        };
        let mut accepted = None;
        for action in hub.handle(now, event) {
            if let Action::Do(&Operation::Accept { connection, .. }) = action {
                accepted = Some(connection);
            }
        }
        let Some(connection) = accepted else { continue };
        hub.handle(now, Event::Opened { connection }).for_each(drop);
        let (kind, payload) = (Kind::new("chat")?, Payload::null());
        let request = Request { kind, id: None, room: None, key: None, payload };
        let inbound = Inbound::Application(request);
        hub.handle(now, Event::Received { connection, bytes: 50, inbound }).for_each(drop);
    }
    for _ in 0..20 {
        // So late that it never arrives, and there is no time after it.
        let never = |due: &Timestamp| *due + Duration::from_secs(3_600) == Timestamp::MAX;
        let Some(due) = hub.next_deadline().filter(|due| !never(due)) else { break };
        now = now.max(due);
        rest(&mut hub, now);
    }
    let (timeout, spread) = (Duration::from_secs(1), Duration::ZERO);
    hub.handle(now, Event::Drain { timeout, spread }).for_each(drop);
    now = now + timeout;
    rest(&mut hub, now);
    let stats = hub.stats();
    let left = stats.connections + stats.reserved + stats.closing;
    assert_eq!(left, 0, "after the drain's deadline {left} are left");
    Ok(())
}

/// Ticks until nothing is due.
fn rest(hub: &mut Hub, now: Timestamp) {
    for _ in 0..200 {
        if hub.next_deadline().is_none_or(|due| due > now) {
            return;
        }
        hub.handle(now, Event::Tick).for_each(drop);
    }
    panic!("ticks at {now:?} do not come to an end: {:#?}", hub.stats());
}
