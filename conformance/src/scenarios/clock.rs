//! The time of day that messages are stamped with.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use switchboard_core::{History, RoomClass};
use switchboard_engine::server::ServerSettings;

use super::scenarios;
use crate::Start;
use crate::harness::{Server, crowd, plain, with_rooms};

scenarios![messages_have_the_time_of_day_after_the_clock_was_set];

const START: u64 = 1_790_000_000_000;
const HOUR: u64 = 3_600_000;

/// What the wall clock of the only server here says.
static WALL_CLOCK: AtomicU64 = AtomicU64::new(START);

fn set(unix_ms: u64) {
    WALL_CLOCK.store(unix_ms, Ordering::SeqCst);
}

/// Checks a timestamp against the clock, which is not followed more closely than this.
fn is_at(message: &Value, unix_ms: u64) -> bool {
    message["timestamp"].as_u64().is_some_and(|said| said.abs_diff(unix_ms) <= 50)
}

fn messages_have_the_time_of_day_after_the_clock_was_set(start: Start) {
    let settings = ServerSettings { wall_clock: || WALL_CLOCK.load(Ordering::SeqCst), ..plain() };
    let class = RoomClass { history: History::default(), ..crowd() };
    let server = Server::start(start, with_rooms(settings, "kept:", class));
    let mut alice = server.connect("/ws/kept:a?user=alice");
    let times = [START, START + HOUR, START - HOUR, START];
    for (n, time) in times.into_iter().enumerate() {
        set(time);
        alice.json(&json!({"type": "chat", "payload": n}));
        let chat = alice.expect("chat");
        assert!(is_at(&chat, time), "at {time}: {chat}");
        alice.json(&json!({"type": "direct", "to": "alice", "payload": n}));
        let direct = alice.expect("direct");
        assert!(is_at(&direct, time), "at {time}: {direct}");
    }
    // What was said keeps its time.
    let history = alice.call(&json!({"type": "history", "id": "h"}));
    for (event, time) in history["events"].as_array().expect("a list").iter().zip(times) {
        assert!(is_at(event, time), "at {time}: {event}");
    }
    assert_eq!(history["events"].as_array().map(Vec::len), Some(times.len()));
    set(START + 2 * HOUR);
    let mut bob = crate::client::Client::open(server.address, "/ws?user=bob");
    let connected = bob.expect("connected");
    assert!(is_at(&connected, START + 2 * HOUR), "{connected}");
}
