//! Rooms and users as their members see them.

use serde_json::{Value, json};

use super::scenarios;
use crate::Start;
use crate::client::{BINARY, Client};
use crate::harness::{Server, limited, plain};

scenarios![
    every_member_gets_every_message_once_and_in_the_same_order,
    only_members_hear_what_is_said_in_a_room,
    a_direct_message_goes_to_every_connection_of_its_user_and_to_nobody_else,
    a_binary_message_arrives_as_it_was_sent,
];

fn chat(id: usize) -> Value {
    json!({"type": "chat", "id": format!("{id}"), "payload": {"n": id}})
}

fn every_member_gets_every_message_once_and_in_the_same_order(start: Start) {
    const EACH: usize = 200;
    let settings = limited(|limits| {
        limits.outbox_messages = 100_000;
        limits.outbox_bytes = 64 * 1024 * 1024;
    });
    let server = Server::start(start, settings);
    let mut clients: Vec<Client> =
        (0..4).map(|n| server.connect(&format!("/ws/lobby?user=u{n}"))).collect();
    for n in 0..EACH {
        for client in &mut clients {
            client.json(&chat(n));
        }
    }
    let total = EACH * clients.len();
    let mut streams = Vec::new();
    for (me, client) in clients.iter_mut().enumerate() {
        let (mut stream, mut acks) = (Vec::new(), 0);
        while stream.len() < total || acks < EACH {
            let message = client.message();
            match message["type"].as_str() {
                Some("ack") => acks += 1,
                Some("chat") => stream.push(message),
                other => panic!("{other:?} for {me}"),
            }
        }
        let offsets = stream.iter().map(|message| offset(&message["event_id"]));
        assert!(offsets.eq(1..=total as u64), "a number for each, without holes");
        streams.push(stream);
    }
    assert!(streams.windows(2).all(|pair| pair[0] == pair[1]), "all have seen the same");
    for sender in 0..clients.len() {
        let own = streams[0].iter().filter(|message| message["from"] == format!("u{sender}"));
        let numbers: Vec<_> =
            own.map(|message| message["payload"]["n"].as_u64().unwrap()).collect();
        assert!(numbers.into_iter().eq(0..EACH as u64), "the order of each sender is kept");
    }
    for client in clients {
        client.bye();
    }
}

fn offset(position: &Value) -> u64 {
    position.as_str().and_then(|text| text.split_once(':')?.1.parse().ok()).unwrap()
}

fn only_members_hear_what_is_said_in_a_room(start: Start) {
    let server = Server::start(start, plain());
    let mut alice = server.connect("/ws/red?user=alice");
    let mut bob = server.connect("/ws/blue?user=bob");
    let joined = alice.call(&json!({"type": "join", "id": "1", "room": "blue"}));
    assert_eq!(joined["type"], "joined");
    // In two rooms, a message must name its room.
    assert_eq!(alice.call(&chat(2))["code"], "room_required");
    let ack = alice.call(&json!({"type": "chat", "id": "3", "room": "blue", "payload": "hi"}));
    assert_eq!(ack["type"], "ack");
    assert_eq!(bob.expect("chat")["payload"], "hi");
    let refused = bob.call(&json!({"type": "chat", "id": "4", "room": "red"}));
    assert_eq!(refused["code"], "not_a_member");
    assert_eq!(alice.call(&json!({"type": "leave", "id": "5", "room": "blue"}))["type"], "left");
    bob.call(&chat(6));
    // What alice gets next is the answer to this, and nothing from the room that she left.
    alice.json(&json!({"type": "health_ping", "timestamp": 7}));
    assert_eq!(alice.expect("health_pong")["timestamp"], 7);
    alice.bye();
    bob.bye();
}

fn a_direct_message_goes_to_every_connection_of_its_user_and_to_nobody_else(start: Start) {
    let server = Server::start(start, plain());
    let mut alice = server.connect("/ws/lobby?user=alice");
    let mut bobs = [server.connect("/ws?user=bob"), server.connect("/ws/lobby?user=bob")];
    let ack = alice.call(&json!({"type": "direct", "id": "1", "to": "bob", "payload": "psst"}));
    assert_eq!(ack["type"], "ack");
    for bob in &mut bobs {
        let direct = bob.expect("direct");
        assert_eq!((&direct["from"], &direct["payload"]), (&json!("alice"), &json!("psst")));
    }
    let refused = alice.call(&json!({"type": "direct", "id": "2", "to": "carol"}));
    assert_eq!(refused["code"], "user_offline");
    for client in bobs.into_iter().chain([alice]) {
        client.bye();
    }
}

fn a_binary_message_arrives_as_it_was_sent(start: Start) {
    let server = Server::start(start, plain());
    let mut alice = server.connect("/ws/lobby?user=alice");
    let mut bob = server.connect("/ws/lobby?user=bob");
    // The example of PROTOCOL.md, with a payload large enough to be shared instead of copied.
    let payload: Vec<u8> = (0..50_000u32).map(|n| n as u8).collect();
    let sent = [b"\x01\x00\x05\x05\x01\x00\x00\x00lobbyimage9", &payload[..]].concat();
    alice.send(BINARY, &sent);
    let got = bob.next_frame();
    assert_eq!(got.head, BINARY);
    assert_eq!(got.payload[..8], *b"\x01\x80\x05\x05\x01\x05\x00\x00");
    assert_eq!(&got.payload[32..48], b"lobbyimage9alice");
    assert!(got.payload[48..] == payload, "the payload has changed");
    assert_eq!(alice.next_frame().payload.len(), got.payload.len(), "the sender's own copy");
    assert_eq!(alice.expect("ack")["id"], "9");
    alice.bye();
    bob.bye();
}
