//! Which connections count as alive, and what happens to the others.

use std::thread;
use std::time::Duration;

use serde_json::json;
use switchboard_core::{Heartbeat, HeartbeatMode};
use switchboard_engine::server::ServerSettings;

use super::scenarios;
use crate::Start;
use crate::client::{PING, PONG, TEXT};
use crate::harness::{Server, plain};

scenarios![
    a_client_that_shows_no_life_is_closed_and_one_that_answers_is_not,
    an_answer_of_the_applications_own_kind_is_a_sign_of_life,
    the_server_answers_for_its_own_life,
    a_connection_without_messages_is_idle,
];

fn beating(mode: HeartbeatMode) -> ServerSettings {
    let mut settings = plain();
    settings.config.heartbeat = Heartbeat {
        interval: Duration::from_millis(100),
        stale_after: Duration::from_millis(400),
        mode,
        ..Heartbeat::default()
    };
    settings
}

fn a_client_that_shows_no_life_is_closed_and_one_that_answers_is_not(start: Start) {
    let server = Server::start(start, beating(HeartbeatMode::Protocol));
    let mut lively = server.connect("/ws?user=lively");
    let mut stale = server.connect("/ws?user=stale");
    let closed = thread::spawn(move || {
        while stale.peek().head == PING {
            stale.next_frame();
            // Pongs that answer nothing are not a sign of life.
            stale.send(PONG, "unasked");
        }
        stale.closed()
    });
    let mut answered = 0;
    while !closed.is_finished() {
        let ping = lively.next_frame();
        assert_eq!(ping.head, PING);
        lively.send(PONG, ping.payload);
        answered += 1;
    }
    assert!(answered >= 3, "{answered}");
    assert_eq!(closed.join().unwrap(), (4010, "stale".into()));
    assert_eq!(lively.next_frame().head, PING, "it is still served");
}

fn an_answer_of_the_applications_own_kind_is_a_sign_of_life(start: Start) {
    let server = Server::start(start, beating(HeartbeatMode::Application));
    let mut client = server.connect("/ws?user=alice");
    // Twice the time after which it would be stale.
    for _ in 0..8 {
        let ping = client.next_frame();
        assert_eq!(ping.head, TEXT);
        let ping: serde_json::Value = serde_json::from_slice(&ping.payload).unwrap();
        assert_eq!(ping["type"], "health_ping");
        client.json(&json!({"type": "health_pong", "timestamp": ping["timestamp"]}));
    }
    client.bye();
}

fn the_server_answers_for_its_own_life(start: Start) {
    let server = Server::start(start, plain());
    let mut client = server.connect("/ws");
    client.json(&json!({"type": "health_ping", "timestamp": 7}));
    assert_eq!(client.expect("health_pong")["timestamp"], 7);
    client.send(PING, "and you?");
    let pong = client.next_frame();
    assert_eq!((pong.head, &pong.payload[..]), (PONG, &b"and you?"[..]));
    client.bye();
}

fn a_connection_without_messages_is_idle(start: Start) {
    let mut settings = plain();
    settings.config.heartbeat.idle_timeout = Duration::from_millis(200);
    let server = Server::start(start, settings);
    let mut client = server.connect("/ws");
    assert_eq!(client.closed(), (1008, "idle".into()));
}
