//! 500 connections, of which 50 never read: the others are not delayed, and memory stays bounded.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::shared::harness::{Running, crowd, eventually, roomy, with};
use switchboard_conformance::client::{Client, PING, PONG};
use switchboard_core::{Limits, Overflow, RoomClass};

const ALL: usize = 500;
const STUCK: usize = 50;
const ROUNDS: usize = 100;

/// Publishes to all and waits until the reading clients have it. Returns the rounds' durations,
/// sorted.
fn rounds(server: &Running, readers: &mut [Client]) -> Vec<Duration> {
    let payload = "x".repeat(1_000);
    let mut took: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            server.handle.publish("narrow:a", "tick", &payload).unwrap();
            for reader in &mut *readers {
                reader.until("tick");
            }
            begun.elapsed()
        })
        .collect();
    took.sort();
    took
}

#[test]
fn those_who_do_not_read_do_not_slow_down_the_others() {
    let limits = Limits { outbox_messages: 50, ..roomy() };
    let class = RoomClass { overflow: Overflow::DropOldest, ..crowd() };
    let server = Running::start(with(|settings| {
        settings.config.limits = limits;
        settings.config.rooms.push(("narrow:".into(), class));
        settings.send_buffer = 4 * 1024;
    }));
    let connect = |n: usize| server.connect(&format!("/ws/narrow:a?user=u{n}"));
    let mut readers: Vec<_> = (0..ALL - STUCK).map(connect).collect();
    let before = rounds(&server, &mut readers);

    let mut stuck: Vec<_> = (0..STUCK)
        .map(|n| {
            let mut client = Client::dial_narrow(server.address);
            client.upgrade(&format!("/ws/narrow:a?user=stuck{n}"));
            client
        })
        .collect();
    eventually("all are there", || server.handle.stats().connections == ALL);
    while server.handle.stats().blocked < STUCK {
        server.handle.publish("narrow:a", "fill", &"x".repeat(1_000)).unwrap();
    }
    // What filled the stuck ones is also in the readers' sockets, and does not belong to the first
    // round.
    server.handle.publish("narrow:a", "full", &()).unwrap();
    for reader in &mut readers {
        reader.until("full");
    }
    let bytes_before = server.handle.stats().bytes_out;
    let after = rounds(&server, &mut readers);
    let bytes_of_a_round = (server.handle.stats().bytes_out - bytes_before) / ROUNDS as u64;

    let (median, worst) = (ROUNDS / 2, ROUNDS - 1);
    println!("median {:?} before, {:?} after", before[median], after[median]);
    println!("worst {:?} before, {:?} after", before[worst], after[worst]);
    // Generous, for busy machines: any delay would last until the stuck clients read, which is
    // forever.
    for place in [median, worst] {
        assert!(after[place] < before[place] * 5 + Duration::from_millis(50));
    }
    // The queues are bounded: for clients that do not read, nothing more is written, and the oldest
    // messages are dropped.
    let stats = server.handle.stats();
    assert_eq!(stats.blocked, STUCK);
    assert!(stats.dropped >= ((ROUNDS - 50) * STUCK) as u64, "{}", stats.dropped);
    assert!(bytes_of_a_round < 1_200 * (ALL - STUCK) as u64, "{bytes_of_a_round}");

    // A stuck client asks whether the server is alive, and gets the answer ahead of the data as
    // soon as it reads.
    stuck[0].send(PING, "well?");
    let mut data = 0;
    loop {
        let frame = stuck[0].next_frame();
        if frame.head == PONG {
            break;
        }
        data += 1;
    }
    println!("the pong passed what waited, after {data} frames");
    let mut lively = readers.remove(0);
    assert_eq!(lively.call(&json!({"type": "chat", "id": "1"}))["type"], "ack");
}
