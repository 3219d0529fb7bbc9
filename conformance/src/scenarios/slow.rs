//! A client that does not read: others are not delayed, its queue is bounded, and its room's rules
//! apply to it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use switchboard_core::{Limit, Overflow, RoomClass};
use switchboard_engine::server::ServerSettings;

use super::scenarios;
use crate::Start;
use crate::client::{Client, PING, PONG, TEXT};
use crate::harness::{Server, attentive, eventually, limited, with_rooms};

scenarios![
    it_is_closed_with_4008_while_the_others_go_on,
    one_that_never_reads_again_is_cut_off_after_the_close_timeout,
    where_the_oldest_is_dropped_the_gap_is_announced,
    where_messages_conflate_the_newest_arrives,
    a_ping_is_answered_past_what_waits,
];

/// The largest number of messages that wait in the hub.
const OUTBOX: usize = 50;

/// Publications of 2 KB: far more than the sockets and the queues of the driver and the hub hold
/// together.
const MANY: usize = 500;

/// A room in which one member does not read and another publishes.
struct Room {
    server: Server,
    stuck: Client,
    quick: Client,
    /// What the quick member has published.
    published: usize,
}

impl Room {
    fn new(start: Start, overflow: Overflow) -> Self {
        Self::with(start, overflow, limited(|limits| limits.outbox_messages = OUTBOX))
    }

    fn with(start: Start, overflow: Overflow, settings: ServerSettings) -> Self {
        let settings = ServerSettings { send_buffer: 4 * 1024, ..settings };
        let class = RoomClass { overflow, ..attentive() };
        let server = Server::start(start, with_rooms(settings, "narrow:", class));
        let mut quick = server.connect("/ws/narrow:a?user=quick");
        let mut stuck = Client::dial_narrow(server.address);
        stuck.upgrade("/ws/narrow:a?user=stuck");
        assert_eq!(quick.expect("member_joined")["user"], "stuck");
        Self { server, stuck, quick, published: 0 }
    }

    /// Publishes once and sees it arrive. Returns whether the stuck member has left meanwhile.
    fn publish(&mut self) -> bool {
        self.published += 1;
        let id = format!("{}", self.published);
        self.quick.json(&json!({"type": "tick", "id": id, "payload": "x".repeat(2_000)}));
        let mut has_left = false;
        loop {
            let message = self.quick.message();
            has_left |= message["type"] == "member_left";
            if message["type"] == "ack" {
                assert_eq!(message["id"], id);
                return has_left;
            }
        }
    }
}

fn it_is_closed_with_4008_while_the_others_go_on(start: Start) {
    let mut room = Room::new(start, Overflow::Close);
    let mut worst = Duration::ZERO;
    loop {
        let begun = Instant::now();
        let has_left = room.publish();
        worst = worst.max(begun.elapsed());
        if has_left {
            break;
        }
        assert!(room.published < MANY, "what waits is not bounded");
    }
    assert!(worst < Duration::from_secs(2), "the others waited {worst:?}");
    // It reads again: messages in transit arrive whole, then the reason.
    let mut got = 0;
    let last = loop {
        let frame = room.stuck.next_frame();
        if frame.head != TEXT {
            break frame;
        }
        got += 1;
    };
    assert!(got < room.published);
    assert_eq!(last.payload, [&4008u16.to_be_bytes()[..], b"slow_consumer"].concat());
    room.stuck.ended();
    room.quick.bye();
}

fn one_that_never_reads_again_is_cut_off_after_the_close_timeout(start: Start) {
    let settings = limited(|limits| {
        limits.max_connections = Limit::at_most(2);
        limits.outbox_messages = OUTBOX;
        limits.close_timeout = Duration::from_millis(300);
    });
    let mut room = Room::with(start, Overflow::Close, settings);
    while !room.publish() {}
    eventually("its seat is free", || room.server.attempt("/ws").is_ok());
    room.stuck.rest();
    room.quick.bye();
}

/// Reads the publications and gaps that the client gets, as their offsets.
fn read_stream(slow: &mut Client, last: u64) -> Vec<(u64, u64, u64)> {
    let offset = |value: &Value| -> u64 {
        value.as_str().and_then(|text| text.split_once(':')?.1.parse().ok()).unwrap()
    };
    slow.expect("connected");
    let (mut at, mut gaps) = (0, Vec::new());
    while at < last {
        let message = slow.message();
        if message["type"] == "gap" {
            let (since, to) = (offset(&message["since"]), offset(&message["position"]));
            assert_eq!(since, at, "the gap begins where the stream broke off");
            gaps.push((since, to, message["dropped"].as_u64().unwrap()));
            at = at.max(since);
        } else {
            let next = offset(&message["event_id"]);
            let announced = gaps.last().is_some_and(|gap| gap.0 == at && gap.1 >= next - 1);
            assert!(next == at + 1 || announced, "{at} and then {next}, with {gaps:?}");
            at = next;
        }
    }
    gaps
}

/// Publishes while the stuck member does not read. Returns what it gets instead of the omitted
/// part.
fn gaps(start: Start, overflow: Overflow) -> Vec<(u64, u64, u64)> {
    let mut room = Room::new(start, overflow);
    for _ in 0..MANY {
        assert!(!room.publish(), "it is not closed for being slow");
    }
    let gaps = read_stream(&mut room.stuck, MANY as u64);
    room.stuck.bye();
    room.quick.bye();
    gaps
}

fn where_the_oldest_is_dropped_the_gap_is_announced(start: Start) {
    let gaps = gaps(start, Overflow::DropOldest);
    let [(since, to, dropped)] = gaps[..] else { panic!("one is enough: {gaps:?}") };
    assert_eq!(to - since, dropped);
    // The stream ends with the messages that waited.
    assert_eq!(MANY as u64 - to, OUTBOX as u64);
}

fn where_messages_conflate_the_newest_arrives(start: Start) {
    let gaps = gaps(start, Overflow::Conflate);
    let dropped: u64 = gaps.iter().map(|gap| gap.2).sum();
    // They all have the same key, so that hardly more than one of them waits.
    assert!(dropped > (MANY / 2) as u64, "{gaps:?}");
}

fn a_ping_is_answered_past_what_waits(start: Start) {
    let mut room = Room::new(start, Overflow::DropOldest);
    for _ in 0..MANY {
        room.publish();
    }
    room.stuck.send(PING, "are you there");
    // The server has seen it once it has seen what follows.
    room.stuck.json(&json!({"type": "direct", "to": "quick"}));
    room.quick.until("direct");
    let mut since_pong = None;
    loop {
        let frame = room.stuck.next_frame();
        if frame.head == PONG {
            assert_eq!(frame.payload, b"are you there");
            since_pong = Some(0);
            continue;
        }
        let message: Value = serde_json::from_slice(&frame.payload).unwrap();
        if message["type"] == "tick" {
            since_pong = since_pong.map(|n| n + 1);
            if message["id"] == format!("{MANY}") {
                break;
            }
        }
    }
    let since_pong = since_pong.expect("the pong comes before the last of the data");
    assert!(since_pong >= OUTBOX, "only {since_pong} messages came after the pong");
    room.stuck.bye();
}
