//! Presence, as the other members of a room are told.

use std::time::Duration;

use serde_json::json;
use switchboard_core::RoomClass;

use super::scenarios;
use crate::Start;
use crate::harness::{Server, attentive, plain, with_rooms};

scenarios![
    presence_is_of_users_and_not_of_their_tabs,
    a_user_that_comes_back_within_the_grace_time_was_never_away,
    whoever_leaves_the_room_but_stays_connected_has_left,
];

fn presence_is_of_users_and_not_of_their_tabs(start: Start) {
    let server = Server::start(start, with_rooms(plain(), "presence:", attentive()));
    let mut alice = server.connect("/ws/presence:a?user=alice");
    let first = server.connect("/ws/presence:a?user=bob");
    assert_eq!(alice.expect("member_joined")["user"], "bob");
    let second = server.connect("/ws/presence:a?user=bob");
    first.bye();
    let members = alice.call(&json!({"type": "members", "id": "1"}));
    assert_eq!((&members["members"], &members["total"]), (&json!(["alice", "bob"]), &json!(2)));
    second.bye();
    assert_eq!(alice.expect("member_left")["user"], "bob");
    alice.bye();
}

fn a_user_that_comes_back_within_the_grace_time_was_never_away(start: Start) {
    let class = RoomClass { presence_grace: Duration::from_secs(600), ..attentive() };
    let server = Server::start(start, with_rooms(plain(), "presence:", class));
    let mut alice = server.connect("/ws/presence:a?user=alice");
    for _ in 0..3 {
        server.connect("/ws/presence:a?user=bob").bye();
    }
    assert_eq!(alice.expect("member_joined")["user"], "bob");
    alice.json(&json!({"type": "health_ping", "timestamp": 1}));
    alice.expect("health_pong");
    alice.bye();
}

fn whoever_leaves_the_room_but_stays_connected_has_left(start: Start) {
    let server = Server::start(start, with_rooms(plain(), "presence:", attentive()));
    let mut alice = server.connect("/ws/presence:a?user=alice");
    let mut bob = server.connect("/ws?user=bob");
    for n in ["1", "2"] {
        bob.call(&json!({"type": "join", "id": n, "room": "presence:a"}));
        assert_eq!(alice.expect("member_joined")["user"], "bob");
        bob.call(&json!({"type": "leave", "id": n, "room": "presence:a"}));
        assert_eq!(alice.expect("member_left")["user"], "bob");
    }
    assert_eq!(alice.call(&json!({"type": "direct", "id": "3", "to": "bob"}))["type"], "ack");
    bob.expect("direct");
    alice.bye();
    bob.bye();
}
