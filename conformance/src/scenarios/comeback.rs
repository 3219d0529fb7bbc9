//! Resuming over another connection: missed messages, the client's earlier connection, and invalid
//! positions.

use serde_json::{Value, json};

use super::scenarios;
use crate::Start;
use crate::client::{Client, closing};
use crate::harness::{DEADLINE, Server, attempt, limited, plain, with_rooms};
use switchboard_core::{History, Limit, RoomClass};

scenarios![
    what_was_missed_comes_once_and_in_order_and_then_what_is_new,
    the_upgrade_can_say_where_one_has_been,
    a_large_past_comes_whole_and_nothing_overtakes_it,
    too_old_a_position_gets_no_part_of_what_was_missed,
    a_session_takes_over_from_its_half_open_past_though_everything_is_full,
    a_thousand_returns_over_half_open_connections,
    held_seats_are_there_for_who_comes_back_and_for_nobody_else,
    a_message_that_comes_again_is_published_once,
    a_publisher_that_is_cut_before_its_answer_loses_nothing_and_repeats_nothing,
    the_past_is_told_page_by_page,
    bad_positions_are_refused_and_say_why,
    ten_thousand_rooms_in_one_resume_are_refused_and_harm_nobody,
    answers_to_nothing_are_refused,
];

fn chat(n: usize) -> Value {
    json!({"type": "chat", "room": "lobby", "payload": n})
}

/// Reads the payloads of the next publications.
fn payloads(client: &mut Client, count: usize) -> Vec<u64> {
    (0..count).map(|_| client.until("chat")["payload"].as_u64().unwrap()).collect()
}

fn keeping(events: usize) -> switchboard_engine::server::ServerSettings {
    let history = History { events, ..History::default() };
    with_rooms(plain(), "lobby", RoomClass { history, ..crate::harness::crowd() })
}

fn what_was_missed_comes_once_and_in_order_and_then_what_is_new(start: Start) {
    let server = Server::start(start, plain());
    let mut alice = server.connect("/ws/lobby?user=alice");
    let mut bob = server.connect("/ws/lobby?user=bob");
    alice.json(&chat(1));
    let seen = bob.expect("chat")["event_id"].clone();
    bob.reset();
    for n in 2..=4 {
        alice.json(&chat(n));
    }
    assert_eq!(payloads(&mut alice, 4), [1, 2, 3, 4]);
    let mut bob = server.connect("/ws?user=bob");
    bob.json(&json!({"type": "join", "id": "j", "room": "lobby", "last_event_id": seen}));
    let joined = bob.expect("joined");
    assert_eq!((&joined["position"], &joined["recovered"]), (&seen, &json!(true)));
    alice.json(&chat(5));
    assert_eq!(payloads(&mut bob, 4), [2, 3, 4, 5]);
    bob.expect_silence();
    alice.bye();
    bob.bye();
}

fn the_upgrade_can_say_where_one_has_been(start: Start) {
    let server = Server::start(start, plain());
    let mut alice = server.connect("/ws/lobby?user=alice");
    alice.json(&chat(1));
    alice.json(&chat(2));
    let first = alice.expect("chat")["event_id"].as_str().unwrap().to_owned();
    alice.expect("chat");
    let mut bob =
        Client::open(server.address, &format!("/ws/lobby?user=bob&last_event_id={first}"));
    let connected = bob.expect("connected");
    let room = json!({"room": "lobby", "position": first, "recovered": true});
    assert_eq!(connected["rooms"], json!([room]));
    assert_eq!(payloads(&mut bob, 1), [2]);
    alice.bye();
    bob.bye();
}

fn a_large_past_comes_whole_and_nothing_overtakes_it(start: Start) {
    const MANY: usize = 5_000;
    let server = Server::start(start, keeping(MANY + 10));
    let mut alice = server.connect("/ws/lobby?user=alice");
    let before =
        alice.call(&json!({"type": "join", "id": "j", "room": "lobby"}))["position"].clone();
    for n in 0..MANY {
        alice.json(&chat(n));
        alice.expect("chat");
    }
    let mut bob = server.connect("/ws?user=bob");
    bob.json(&json!({"type": "join", "room": "lobby", "last_event_id": before}));
    alice.json(&chat(MANY));
    let got = payloads(&mut bob, MANY + 1);
    assert!(got.into_iter().eq(0..=MANY as u64), "all of it, once, in order");
    alice.bye();
    bob.bye();
}

fn too_old_a_position_gets_no_part_of_what_was_missed(start: Start) {
    let server = Server::start(start, keeping(2));
    let mut alice = server.connect("/ws/lobby?user=alice");
    let before =
        alice.call(&json!({"type": "join", "id": "j", "room": "lobby"}))["position"].clone();
    for n in 1..=3 {
        alice.json(&chat(n));
    }
    assert_eq!(payloads(&mut alice, 3), [1, 2, 3]);
    let mut bob = server.connect("/ws?user=bob");
    bob.json(&json!({"type": "resume", "rooms": [{"room": "lobby", "last_event_id": before}]}));
    let joined = bob.expect("joined");
    assert_eq!(joined["recovered"], json!(false));
    let refresh = bob.expect("refresh");
    assert_eq!(
        (&refresh["reason"], &refresh["position"]),
        (&json!("too_old"), &joined["position"])
    );
    alice.json(&chat(4));
    assert_eq!(payloads(&mut bob, 1), [4]);
    bob.expect_silence();
    alice.bye();
    bob.bye();
}

fn session(client: &mut Client) -> String {
    client.expect("connected")["session"].as_str().unwrap().to_owned()
}

fn a_session_takes_over_from_its_half_open_past_though_everything_is_full(start: Start) {
    let mut settings = limited(|limits| {
        limits.max_connections = Limit::at_most(2);
        limits.max_per_user = Limit::at_most(1);
    });
    settings = with_rooms(
        settings,
        "lobby",
        RoomClass { max_members: Limit::at_most(2), presence: true, ..RoomClass::default() },
    );
    let server = Server::start(start, settings);
    let mut alice = server.connect("/ws/lobby?user=alice");
    let mut old = Client::open(server.address, "/ws/lobby?user=bob");
    let secret = session(&mut old);
    alice.expect("member_joined");
    // Without the session there is no seat, with it there is one; no member is told anything.
    assert_eq!(attempt(server.address, "/ws?user=bob").err().map(|it| it.0), Some(4002));
    let mut bob = Client::open(server.address, &format!("/ws?user=bob&session={secret}"));
    let connected = bob.expect("connected");
    assert_eq!((&connected["held"], &connected["session"]), (&json!(["lobby"]), &json!(secret)));
    assert_eq!(old.closed().0, 4004);
    bob.json(&json!({"type": "resume", "rooms": [{"room": "lobby"}]}));
    bob.expect("joined");
    alice.expect_silence();
    alice.json(&json!({"type": "members", "id": "m", "room": "lobby"}));
    assert_eq!(alice.expect("members")["members"], json!(["alice", "bob"]));
    alice.bye();
    bob.bye();
}

fn a_thousand_returns_over_half_open_connections(start: Start) {
    let server = Server::start(start, limited(|limits| limits.max_per_user = Limit::at_most(2)));
    let mut watcher = server.connect("/ws/lobby?user=watcher");
    let mut client = Client::open(server.address, "/ws/lobby?user=bob");
    let secret = session(&mut client);
    for n in 0..1_000 {
        // The old one is still open when the new one connects, and sends something afterwards.
        let target = format!("/ws/lobby?user=bob&session={secret}");
        let mut next = Client::open(server.address, &target);
        assert_eq!(next.expect("connected")["session"], json!(secret));
        let mut old = std::mem::replace(&mut client, next);
        // It may have been reset already.
        let _ = old.try_write(closing(1000, ""));
        drop(old);
        client.json(&chat(n));
        assert_eq!(payloads(&mut client, 1), [n as u64]);
    }
    assert!(payloads(&mut watcher, 1_000).into_iter().eq(0..1_000));
    watcher.bye();
    client.bye();
}

fn held_seats_are_there_for_who_comes_back_and_for_nobody_else(start: Start) {
    let mut settings = plain();
    settings.config.recovery.session_window = DEADLINE;
    settings = with_rooms(
        settings,
        "lobby",
        RoomClass { max_members: Limit::at_most(2), ..crate::harness::attentive() },
    );
    let server = Server::start(start, settings);
    let mut alice = server.connect("/ws/lobby?user=alice");
    let mut bob = Client::open(server.address, "/ws/lobby?user=bob");
    let secret = session(&mut bob);
    alice.expect("member_joined");
    bob.reset();
    // Whether or not the server has noticed, the room stays full.
    assert_eq!(attempt(server.address, "/ws/lobby?user=eve").err().map(|it| it.0), Some(4002));
    let mut bob = Client::open(server.address, &format!("/ws/lobby?user=bob&session={secret}"));
    assert_eq!(session(&mut bob), secret);
    alice.expect_silence();
    alice.bye();
    bob.bye();
}

fn a_message_that_comes_again_is_published_once(start: Start) {
    let server = Server::start(start, plain());
    let mut alice = server.connect("/ws/lobby?user=alice");
    let message = json!({"type": "chat", "id": "once-1", "room": "lobby", "payload": 1});
    alice.json(&message);
    let first = alice.until("ack");
    alice.reset();
    let mut alice = server.connect("/ws/lobby?user=alice");
    alice.json(&message);
    assert_eq!(alice.expect("ack"), first);
    alice.expect_silence();
    alice.bye();
}

fn a_publisher_that_is_cut_before_its_answer_loses_nothing_and_repeats_nothing(start: Start) {
    const CUTS: usize = 1_000;
    let mut settings = keeping(2 * CUTS);
    settings.config.recovery.remembered_ids = 2 * CUTS;
    let server = Server::start(start, settings);
    let mut watcher = server.connect("/ws/lobby?user=watcher");
    for n in 0..CUTS {
        let message =
            json!({"type": "chat", "id": format!("p-{n}"), "room": "lobby", "payload": n});
        let mut alice = server.connect("/ws/lobby?user=alice");
        alice.json(&message);
        // Cut at once: it is unknown whether it arrived, so it is sent again.
        alice.reset();
        let mut alice = server.connect("/ws/lobby?user=alice");
        alice.json(&message);
        let ack = alice.until("ack");
        assert!(ack["event_id"].is_string(), "{ack}");
        alice.reset();
    }
    let got = payloads(&mut watcher, CUTS);
    assert!(got.into_iter().eq(0..CUTS as u64), "each once");
    watcher.expect_silence();
    watcher.bye();
}

fn the_past_is_told_page_by_page(start: Start) {
    let server = Server::start(start, plain());
    let mut alice = server.connect("/ws/lobby?user=alice");
    for n in 1..=5 {
        alice.json(&chat(n));
    }
    assert_eq!(payloads(&mut alice, 5), [1, 2, 3, 4, 5]);
    let (mut since, mut got) = (None, Vec::new());
    loop {
        let mut ask = json!({"type": "history", "id": "h", "room": "lobby", "limit": 2});
        if let Some(since) = since.take() {
            ask["since"] = since;
        } else {
            // From before the first publication.
            let last = alice.call(&ask)["position"].as_str().unwrap().to_owned();
            let epoch = last.split(':').next().unwrap();
            ask["since"] = json!(format!("{epoch}:0"));
        }
        let page = alice.call(&ask);
        let events = page["events"].as_array().unwrap();
        assert!(events.len() <= 2);
        got.extend(events.iter().map(|event| event["payload"].as_u64().unwrap()));
        since = events.last().map(|event| event["event_id"].clone());
        if page["more"] == json!(false) {
            break;
        }
    }
    assert_eq!(got, [1, 2, 3, 4, 5]);
    alice.bye();
}

fn bad_positions_are_refused_and_say_why(start: Start) {
    let server = Server::start(start, plain());
    let mut alice = server.connect("/ws/lobby?user=alice");
    let hall = alice.call(&json!({"type": "join", "id": "j", "room": "hall"}))["position"].clone();
    for bad in [json!("x"), json!("1:1"), json!(5), json!("00c9f1b2a4d07e35:-1"), json!({})] {
        let answer =
            alice.call(&json!({"type": "join", "id": "1", "room": "attic", "last_event_id": bad}));
        assert_eq!(
            (&answer["code"], &answer["field"]),
            (&json!("invalid_field"), &json!("last_event_id")),
            "{bad}"
        );
        let rooms = json!([{"room": "attic"}, {"room": "attic", "last_event_id": bad}]);
        let answer = alice.call(&json!({"type": "resume", "id": "2", "rooms": rooms}));
        assert_eq!(answer["field"], json!("rooms[1].last_event_id"), "{bad}");
    }
    for bad in [json!([1]), json!("lobby"), json!([{"room": ""}]), json!([{}])] {
        let answer = alice.call(&json!({"type": "resume", "id": "3", "rooms": bad}));
        assert_eq!(answer["code"], json!("invalid_field"), "{bad}");
    }
    // Forged positions: of no room, of another room, and from the future.
    let future = hall.as_str().unwrap().replace(":0", ":18446744073709551615");
    for (room, position, reason) in [
        ("r1", json!("0123456789abcdef:1"), "unknown_epoch"),
        ("r2", hall.clone(), "unknown_epoch"),
        ("hall", json!(future), "unknown_position"),
    ] {
        alice.call(&json!({"type": "leave", "id": "l", "room": room}));
        alice.json(&json!({"type": "join", "room": room, "last_event_id": position}));
        assert_eq!(alice.expect("joined")["recovered"], json!(false));
        assert_eq!(alice.expect("refresh")["reason"], json!(reason));
    }
    for (query, code) in [("last_event_id=x", "bad_position"), ("session=x", "bad_session")] {
        let request = crate::client::request(&format!("/ws/lobby?user=bob&{query}"), "");
        let (status, body) = Client::ask(server.address, request);
        assert_eq!(status, 400);
        assert!(body.contains(code), "{body}");
    }
    alice.bye();
}

fn ten_thousand_rooms_in_one_resume_are_refused_and_harm_nobody(start: Start) {
    let server = Server::start(start, limited(|limits| limits.max_message_bytes = 1024 * 1024));
    let mut alice = server.connect("/ws?user=alice");
    let mut bob = server.connect("/ws/lobby?user=bob");
    let rooms: Vec<_> = (0..10_000).map(|n| json!({"room": format!("r{n}")})).collect();
    let answer = alice.call(&json!({"type": "resume", "id": "1", "rooms": rooms}));
    assert_eq!(answer["code"], json!("too_many_rooms"));
    // Exactly as many as one connection may be in are fine.
    alice.json(&json!({"type": "resume", "id": "2", "rooms": rooms[..50]}));
    for _ in 0..50 {
        alice.expect("joined");
    }
    alice.expect("ack");
    bob.json(&chat(1));
    bob.expect("chat");
    alice.bye();
    bob.bye();
}

fn answers_to_nothing_are_refused(start: Start) {
    let server = Server::start(start, plain());
    let mut alice = server.connect("/ws?user=alice");
    for message in [
        json!({"type": "reply", "id": "s0", "payload": 1}),
        json!({"type": "reply", "id": "s18446744073709551615", "payload": 1}),
        json!({"type": "reply", "id": "x", "error": {"code": "no"}}),
    ] {
        assert_eq!(alice.call(&message)["code"], json!("no_such_request"), "{message}");
    }
    let answer = alice.call(&json!({"type": "reply", "id": "s0", "error": "no"}));
    assert_eq!((&answer["code"], &answer["field"]), (&json!("invalid_field"), &json!("error")));
    alice.json(&json!({"type": "reply", "payload": 1}));
    assert_eq!(alice.expect("error")["field"], json!("id"));
    alice.json(&json!({"type": "ack", "id": "5"}));
    assert_eq!(alice.expect("error")["code"], json!("reserved_type"));
    alice.expect_silence();
    alice.bye();
}
