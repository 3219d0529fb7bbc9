//! How connections end, and what is made of it.

use std::time::Duration;

use crate::runtime::core::{
    CloseReason, Ending, Heartbeat, HeartbeatMode, Limit, Limits, UserLimitPolicy,
};
use serde_json::json;

use crate::client::{CLOSE, PING, PONG, closing};
use crate::harness::{Running, plain, roomy};

#[test]
fn a_proper_close_is_answered_with_its_code() {
    let server = Running::start(plain());
    let mut client = server.connect("/ws/lobby");
    client.send(CLOSE, closing(3001, "enough"));
    assert_eq!(client.closed().0, 3001);
    client.ended();
    assert_eq!(server.ending().1, Ending::ByPeer(Some(3001)));
}

#[test]
fn a_connection_that_is_reset_or_half_closed_is_lost() {
    let server = Running::start(plain());
    server.connect("/ws/lobby").reset();
    assert_eq!(server.ending().1, Ending::Lost);

    let mut half = server.connect("/ws/lobby");
    half.half_close();
    assert_eq!(server.ending().1, Ending::Lost);
    half.ended();
}

#[test]
fn what_was_sent_before_a_half_close_counts() {
    let server = Running::start(plain());
    let mut hearer = server.connect("/ws/lobby?user=bob");
    let mut client = server.connect("/ws/lobby?user=alice");
    client.json(&json!({"type": "chat", "payload": "last words"}));
    client.half_close();
    assert_eq!(hearer.expect("chat")["payload"], "last words");
    hearer.bye();
}

#[test]
fn a_client_that_shows_no_life_is_closed_and_one_that_answers_is_not() {
    let heartbeat = Heartbeat {
        interval: Duration::from_millis(100),
        stale_after: Duration::from_millis(400),
        mode: HeartbeatMode::Protocol,
    };
    let server = Running::start(plain().heartbeat(heartbeat));
    let mut lively = server.connect("/ws?user=lively");
    let mut stale = server.connect("/ws?user=stale");
    let mut answered = 0;
    while server.handle.is_online("stale") {
        let ping = lively.next();
        assert_eq!(ping.head, PING);
        lively.send(PONG, ping.payload);
        // Pongs that answer nothing are no sign of life.
        stale.send(PONG, "unasked");
        answered += 1;
    }
    assert!(answered >= 3, "{answered}");
    assert_eq!(stale.closed(), (4010, "stale".into()));
    assert_eq!(lively.next().head, PING, "it is still served");
}

#[test]
fn the_closing_of_a_client_that_never_answers_is_bounded() {
    let limits = Limits { close_timeout: Duration::from_millis(200), ..roomy() };
    let server = Running::start(plain().limits(limits));
    let mut client = server.connect("/ws?user=alice");
    server.handle.kick("alice", CloseReason::Normal).unwrap();
    assert_eq!(client.closed().0, 1000);
    // It neither answers nor ends its side.
    assert_eq!(server.ending().1, Ending::Closed(CloseReason::Normal));
    assert_eq!(server.handle.stats().closing, 0);
}

#[test]
fn the_end_of_the_stream_follows_the_close_frame_at_once() {
    // The close time-out is far away: the client hears of the end because the server says it.
    let limits = Limits { close_timeout: Duration::from_secs(3_600), ..roomy() };
    let server = Running::start(plain().limits(limits));
    let mut client = server.connect("/ws?user=alice");
    server.handle.kick("alice", CloseReason::Normal).unwrap();
    assert_eq!(client.closed().0, 1000);
    client.ended();
    drop(client);
    assert_eq!(server.ending().1, Ending::Closed(CloseReason::Normal));
}

#[test]
fn a_newer_connection_can_take_the_seat_of_the_oldest() {
    let limits = Limits {
        max_connections: Limit::at_most(2),
        max_per_user: Limit::at_most(2),
        user_limit_policy: UserLimitPolicy::ReplaceOldest,
        ..roomy()
    };
    let server = Running::start(plain().limits(limits));
    let mut first = server.connect("/ws?user=alice");
    let second = server.connect("/ws?user=alice");
    let third = server.connect("/ws?user=alice");
    assert_eq!(first.closed(), (4004, "replaced".into()));
    first.ended();
    second.bye();
    third.bye();
}

#[test]
fn a_connection_without_messages_is_idle() {
    let limits = Limits { idle_timeout: Duration::from_millis(200), ..roomy() };
    let server = Running::start(plain().limits(limits));
    let mut client = server.connect("/ws");
    assert_eq!(client.closed(), (1008, "idle".into()));
    drop(client);
    assert_eq!(server.ending().1, Ending::Closed(CloseReason::Idle));
}
