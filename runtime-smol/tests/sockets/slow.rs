//! A client that does not read: the others notice nothing, memory stays bounded, and it is dealt with by its room's rules.

use std::time::{Duration, Instant};

use crate::runtime::Builder;
use crate::runtime::core::{CloseReason, Ending, Limits, Overflow, RoomClass};
use serde_json::Value;

use crate::client::{Client, PING, PONG, TEXT};
use crate::harness::{Running, crowd, plain, roomy};

/// Messages that wait in the hub, at most.
const OUTBOX: usize = 50;

fn narrow(overflow: Overflow) -> Builder {
    let limits = Limits { outbox_messages: OUTBOX, ..roomy() };
    plain().limits(limits).send_buffer(4 * 1024).rooms("narrow:", RoomClass { overflow, ..crowd() })
}

/// A client that is soon full, and reads nothing until the test does.
fn stuck(server: &Running) -> Client {
    let mut client = Client::dial_narrow(server.address);
    client.upgrade("/ws/narrow:a?user=stuck");
    server.opened();
    client
}

fn publish(server: &Running) {
    server.handle.publish("narrow:a", "tick", &"x".repeat(2_000)).unwrap();
}

/// Publishes until the client that does not read is blocked.
fn block(server: &Running) {
    while server.handle.stats().blocked == 0 {
        publish(server);
    }
}

#[test]
fn it_is_closed_with_4008_while_the_others_go_on() {
    let server = Running::start(narrow(Overflow::Close));
    let mut slow = stuck(&server);
    let mut quick = server.connect("/ws/narrow:a?user=quick");
    let mut worst = Duration::ZERO;
    let (mut published, mut since_blocked) = (0, 0);
    while server.handle.stats().closing == 0 {
        let begun = Instant::now();
        publish(&server);
        quick.expect("tick");
        worst = worst.max(begun.elapsed());
        published += 1;
        since_blocked += server.handle.stats().blocked;
        // What waits is bounded: after the one that filled the socket, so many more and no further.
        assert!(since_blocked <= OUTBOX + 1, "{since_blocked} messages wait");
    }
    assert!(worst < Duration::from_secs(2), "the others waited {worst:?}");
    assert!(server.handle.stats().dropped > 0);
    // It begins to read again: what was on its way comes whole, then the reason.
    let mut got = 0;
    let last = loop {
        let frame = slow.next();
        if frame.head != TEXT {
            break frame;
        }
        got += 1;
    };
    assert!(got < published);
    assert_eq!(last.payload, [&4008u16.to_be_bytes()[..], b"slow_consumer"].concat());
    slow.ended();
    drop(slow);
    assert_eq!(server.ending().1, Ending::Closed(CloseReason::SlowConsumer));
    quick.bye();
}

#[test]
fn one_that_never_reads_again_is_cut_off_after_the_close_timeout() {
    let limits =
        Limits { outbox_messages: OUTBOX, close_timeout: Duration::from_millis(300), ..roomy() };
    let server = Running::start(narrow(Overflow::Close).limits(limits));
    let mut slow = stuck(&server);
    while server.handle.stats().ended.iter().sum::<u64>() == 0 {
        publish(&server);
    }
    assert_eq!(server.ending().1, Ending::Closed(CloseReason::SlowConsumer));
    slow.rest();
}

/// The publications and gaps that the client gets, as their offsets.
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

#[test]
fn where_the_oldest_is_dropped_the_gap_is_announced() {
    let server = Running::start(narrow(Overflow::DropOldest));
    let mut slow = stuck(&server);
    block(&server);
    for _ in 0..3 * OUTBOX {
        publish(&server);
    }
    let stats = server.handle.stats();
    let gaps = read_stream(&mut slow, stats.published);
    assert_eq!(gaps.iter().map(|gap| gap.2).sum::<u64>(), stats.dropped);
    assert!(stats.dropped >= 2 * OUTBOX as u64 && gaps.len() == 1, "{gaps:?}");
    assert_eq!(server.handle.stats().blocked, 0);
    slow.bye();
}

#[test]
fn where_messages_conflate_the_newest_arrives() {
    let server = Running::start(narrow(Overflow::Conflate));
    let mut slow = stuck(&server);
    block(&server);
    for _ in 0..3 * OUTBOX {
        publish(&server);
    }
    let stats = server.handle.stats();
    let gaps = read_stream(&mut slow, stats.published);
    assert_eq!(gaps.iter().map(|gap| gap.2).sum::<u64>(), stats.dropped);
    assert!(stats.dropped >= 3 * OUTBOX as u64 - 2, "{gaps:?}");
    slow.bye();
}

#[test]
fn a_ping_is_answered_past_what_waits() {
    let server = Running::start(narrow(Overflow::Close));
    let mut slow = stuck(&server);
    block(&server);
    let waiting = 20;
    for _ in 0..waiting {
        publish(&server);
    }
    let before = server.handle.stats().published;
    slow.send(PING, "are you there");
    // The server is known to have seen it when it has seen what follows it.
    slow.json(&serde_json::json!({"type": "chat", "room": "elsewhere"}));
    server.until("the ping has been read", |stats| stats.messages_in == 1);
    let (mut ticks, mut after_pong) = (0, None);
    slow.expect("connected");
    while ticks < before {
        let frame = slow.next();
        if frame.head == PONG {
            assert_eq!(frame.payload, b"are you there");
            after_pong = Some(before - ticks);
        } else if serde_json::from_slice::<Value>(&frame.payload).unwrap()["type"] == "tick" {
            ticks += 1;
        }
    }
    let after_pong = after_pong.expect("the pong comes before the last of the data");
    assert!(after_pong >= waiting, "only {after_pong} messages came after the pong");
    slow.bye();
}
