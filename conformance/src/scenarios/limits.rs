//! The limits of one connection, and that it is told which it exceeded.

use serde_json::json;
use switchboard_core::{Limit, Publishers, Rate, RoomClass};

use super::scenarios;
use crate::Start;
use crate::harness::{Server, crowd, limited, plain, with_rooms};

scenarios![
    a_connection_is_in_so_many_rooms_and_no_more,
    a_room_that_is_full_can_be_joined_when_somebody_has_left,
    whoever_sends_too_fast_hears_it_and_may_go_on_later,
    bytes_are_limited_as_messages_are,
    where_only_the_server_may_publish_nobody_else_does,
    the_limits_are_told_at_the_beginning,
];

fn a_connection_is_in_so_many_rooms_and_no_more(start: Start) {
    let settings = limited(|limits| limits.max_rooms_per_connection = Limit::at_most(2));
    let server = Server::start(start, settings);
    let mut client = server.connect("/ws/a");
    let mut join = |room: &str| client.call(&json!({"type": "join", "id": room, "room": room}));
    assert_eq!(join("b")["type"], "joined");
    assert_eq!(join("c")["code"], "too_many_rooms");
    assert_eq!(join("b")["type"], "joined", "joining twice changes nothing");
    client.call(&json!({"type": "leave", "id": "1", "room": "a"}));
    assert_eq!(client.call(&json!({"type": "join", "id": "2", "room": "c"}))["type"], "joined");
    client.bye();
}

fn a_room_that_is_full_can_be_joined_when_somebody_has_left(start: Start) {
    let class = RoomClass { max_members: Limit::at_most(1), ..crowd() };
    let server = Server::start(start, with_rooms(plain(), "small:", class));
    let mut first = server.connect("/ws/small:a");
    let mut second = server.connect("/ws");
    let join = json!({"type": "join", "id": "1", "room": "small:a"});
    assert_eq!(second.call(&join)["code"], "lobby_full");
    first.call(&json!({"type": "leave", "id": "1"}));
    assert_eq!(second.call(&join)["type"], "joined");
    first.bye();
    second.bye();
}

fn whoever_sends_too_fast_hears_it_and_may_go_on_later(start: Start) {
    let settings = limited(|limits| {
        limits.messages = Rate { per_second: 20, burst: 5 };
        // It has more messages refused, so that it is not closed for them.
        limits.rate_limit_strikes = 50;
    });
    let server = Server::start(start, settings);
    let mut client = server.connect("/ws/a");
    for _ in 0..30 {
        client.json(&json!({"type": "chat", "id": "1"}));
    }
    assert_eq!(client.until("error")["code"], "rate_limited");
    // Until there is room again, within a fraction of a second.
    while client.call(&json!({"type": "chat", "id": "later"}))["type"] != "ack" {
        std::thread::park_timeout(std::time::Duration::from_millis(60));
    }
    client.bye();
}

fn bytes_are_limited_as_messages_are(start: Start) {
    let settings = limited(|limits| {
        limits.max_message_bytes = 1_000;
        limits.bytes = Rate { per_second: 1, burst: 2_000 };
    });
    let server = Server::start(start, settings);
    let mut client = server.connect("/ws/a");
    let payload = "x".repeat(900);
    let mut send = |id: &str| client.call(&json!({"type": "chat", "id": id, "payload": payload}));
    assert_eq!((&send("1")["type"], &send("2")["type"]), (&json!("ack"), &json!("ack")));
    assert_eq!(send("3")["code"], "rate_limited");
}

fn where_only_the_server_may_publish_nobody_else_does(start: Start) {
    let class = RoomClass { publish: Publishers::Server, ..crowd() };
    let server = Server::start(start, with_rooms(plain(), "board:", class));
    let mut client = server.connect("/ws/board:a");
    assert_eq!(client.call(&json!({"type": "chat", "id": "1"}))["code"], "forbidden");
    client.bye();
}

fn the_limits_are_told_at_the_beginning(start: Start) {
    let settings = limited(|limits| {
        limits.max_message_bytes = 1_234;
        limits.messages = Rate { per_second: 7, burst: 9 };
    });
    let server = Server::start(start, settings);
    let mut client = crate::client::Client::open(server.address, "/ws?user=alice");
    let connected = client.expect("connected");
    assert_eq!((&connected["protocol"], &connected["features"]), (&json!(1), &json!([])));
    let limits = &connected["limits"];
    assert_eq!(limits["max_message_bytes"], 1_234);
    assert_eq!((&limits["messages_per_second"], &limits["message_burst"]), (&json!(7), &json!(9)));
    client.bye();
}
