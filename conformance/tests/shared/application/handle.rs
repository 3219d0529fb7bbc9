//! Using the server's handle from elsewhere in the application.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use switchboard_core::{CloseReason, ErrorCode};

use crate::runtime::done;
use crate::shared::harness::{DEADLINE, Running, plain, with};
use switchboard_conformance::client::{CLOSE, PING, PONG, closing};

#[test]
fn a_publication_counts_its_recipients() {
    let server = Running::start(plain());
    // It is kept for members that join later.
    let nobody = server.handle.publish("lobby", "news", &1).unwrap();
    assert_eq!((nobody.position.map(|it| it.offset), nobody.recipients), (Some(1), 0));
    let mut alice = server.connect("/ws/lobby?user=alice");
    let mut bob = server.connect("/ws/lobby?user=bob");
    let _elsewhere = server.connect("/ws/kitchen?user=carol");
    let published = server.handle.publish("lobby", "news", &json!({"n": 2})).unwrap();
    assert_eq!(published.recipients, 2);
    for client in [&mut alice, &mut bob] {
        let news = client.expect("news");
        assert_eq!((&news["payload"], news.get("from")), (&json!({"n": 2}), None));
        assert_eq!(news["event_id"], published.position.unwrap().to_string());
    }
    for (room, kind) in [("", "news"), ("lobby", "ack"), ("lobby", "")] {
        assert!(server.handle.publish(room, kind, &1).is_err(), "{room:?} {kind:?}");
    }
}

/// Nothing wakes the server between the two publications.
#[test]
fn a_publication_has_the_time_of_day_even_if_the_server_slept() {
    static WALL_CLOCK: AtomicU64 = AtomicU64::new(1_790_000_000_000);
    let wall_clock = || WALL_CLOCK.load(Ordering::SeqCst);
    let server = Running::start(with(|settings| settings.wall_clock = wall_clock));
    let mut alice = server.connect("/ws/lobby?user=alice");
    for unix_ms in [1_790_000_000_000, 1_790_003_600_000, 1_789_990_000_000_u64] {
        WALL_CLOCK.store(unix_ms, Ordering::SeqCst);
        server.handle.publish("lobby", "news", &1).unwrap();
        let said = alice.expect("news")["timestamp"].as_u64().unwrap();
        assert!(said.abs_diff(unix_ms) <= 50, "{said} at {unix_ms}");
    }
}

#[test]
fn a_user_is_reached_wherever_it_is() {
    let server = Running::start(plain());
    assert_eq!(server.handle.send_to_user("alice", &1).unwrap_err().code, ErrorCode::UserOffline);
    assert!(!server.handle.is_online("alice"));
    let mut tabs = [server.connect("/ws?user=alice"), server.connect("/ws?user=alice")];
    assert!(server.handle.is_online("alice"));
    assert_eq!(server.handle.send_to_user("alice", &"hi").unwrap(), 2);
    for tab in &mut tabs {
        assert_eq!(tab.expect("direct")["payload"], "hi");
    }
    for tab in tabs {
        tab.bye();
    }
    assert!(!server.handle.is_online("alice"));
}

#[test]
fn rooms_and_members_are_known_and_can_be_changed() {
    let server = Running::start(plain());
    let mut alice = server.connect("/ws/red?user=alice");
    let alices = server.opened();
    let _bob = server.connect("/ws/red?user=bob");
    let names = |room: &str| -> Vec<String> {
        server.handle.members(room).iter().map(ToString::to_string).collect()
    };
    assert_eq!(names("red"), ["alice", "bob"]);
    assert_eq!(names("blue"), [""; 0]);
    server.handle.join(alices, "blue").unwrap();
    assert_eq!(alice.expect("joined")["room"], "blue");
    server.handle.leave(alices, "red").unwrap();
    assert_eq!(alice.expect("left")["room"], "red");
    assert_eq!((names("red"), names("blue")), (vec!["bob".into()], vec!["alice".into()]));
    let rooms: Vec<_> = server.handle.rooms(alices).iter().map(ToString::to_string).collect();
    assert_eq!(rooms, ["blue"]);
    assert_eq!(server.handle.leave(alices, "red").unwrap_err().code, ErrorCode::NotAMember);
    alice.bye();
    assert_eq!(server.handle.join(alices, "red").unwrap_err().code, ErrorCode::NoSuchConnection);
    assert!(server.handle.rooms(alices).is_empty());
}

#[test]
fn a_kick_closes_every_connection_of_the_user() {
    let server = Running::start(plain());
    let mut tabs = [server.connect("/ws?user=mallory"), server.connect("/ws?user=mallory")];
    let mut alice = server.connect("/ws/lobby?user=alice");
    assert_eq!(server.handle.kick("mallory", CloseReason::Forbidden).unwrap(), 2);
    assert_eq!(server.handle.kick("nobody", CloseReason::Forbidden).unwrap(), 0);
    for tab in &mut tabs {
        assert_eq!(tab.closed(), (4003, "forbidden".into()));
        tab.send(CLOSE, closing(4003, ""));
        tab.ended();
    }
    alice.call(&json!({"type": "chat", "id": "1"}));
    alice.bye();
}

#[test]
fn a_probe_tells_who_answers_and_how_fast() {
    let server = Running::start(plain());
    let mut lively = server.connect("/ws?user=alice");
    let lively_id = server.opened();
    let _silent = server.connect("/ws?user=alice");
    let silent_id = server.opened();
    let answering = thread::spawn(move || {
        let ping = loop {
            let frame = lively.next_frame();
            if frame.head == PING {
                break frame;
            }
        };
        lively.send(PONG, ping.payload);
        lively
    });
    let mut answers = done(server.handle.probe("alice", Duration::from_millis(500))).unwrap();
    answers.sort();
    let [(one, latency), (other, nothing)] = answers[..] else { panic!("{answers:?}") };
    assert_eq!((one, other), (lively_id, silent_id));
    assert!(latency.is_some_and(|latency| latency < DEADLINE), "{latency:?}");
    assert_eq!(nothing, None);
    answering.join().unwrap().bye();
    let nobody = done(server.handle.probe("nobody", Duration::from_secs(1)));
    assert_eq!(nobody.unwrap_err().code, ErrorCode::UserOffline);
}

#[test]
fn a_probe_without_a_timeout_waits_as_long_as_the_setting_says() {
    let timeout = Duration::from_millis(150);
    let server = Running::start(with(|settings| settings.config.heartbeat.probe_timeout = timeout));
    let _silent = server.connect("/ws?user=alice");
    let begun = Instant::now();
    let answers = done(server.handle.probe("alice", None)).unwrap();
    assert_eq!(answers.iter().map(|(_, latency)| *latency).collect::<Vec<_>>(), [None]);
    // The default is two seconds.
    assert!((timeout..Duration::from_secs(2)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}

#[test]
fn a_probe_is_over_as_soon_as_everybody_has_answered_or_gone() {
    let server = Running::start(plain());
    let mut client = server.connect("/ws?user=alice");
    let answering = thread::spawn(move || {
        // An answer of the application's own kind counts as well.
        let asked = loop {
            let frame = client.next_frame();
            if frame.head != PING {
                break serde_json::from_slice::<serde_json::Value>(&frame.payload).unwrap();
            }
        };
        assert_eq!(asked["type"], "health_ping");
        client.json(&json!({"type": "health_pong", "timestamp": asked["timestamp"]}));
        client
    });
    let answers = done(server.handle.probe("alice", Duration::from_secs(3_600))).unwrap();
    assert!(answers[0].1.is_some());
    answering.join().unwrap().bye();

    let leaving = server.connect("/ws?user=bob");
    let handle = server.handle.clone();
    let probe = thread::spawn(move || done(handle.probe("bob", Duration::from_secs(3_600))));
    let mut leaving = leaving;
    loop {
        if leaving.next_frame().head == PING {
            break;
        }
    }
    leaving.reset();
    assert_eq!(probe.join().unwrap().unwrap()[0].1, None);
}

#[test]
fn a_handle_works_from_any_thread() {
    let server = Running::start(plain());
    let mut client = server.connect("/ws/lobby");
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let handle = server.handle.clone();
            thread::spawn(move || {
                for n in 0..50 {
                    handle.publish("lobby", "tick", &n).unwrap();
                }
            })
        })
        .collect();
    let offsets: Vec<_> = (0..200).map(|_| client.expect("tick")["event_id"].clone()).collect();
    let mut sorted = offsets.clone();
    sorted.sort_by_key(|id| id.as_str().and_then(|id| id.split_once(':')?.1.parse::<u64>().ok()));
    assert_eq!(offsets, sorted, "in the order of their numbers");
    for thread in threads {
        thread.join().unwrap();
    }
    client.bye();
}
