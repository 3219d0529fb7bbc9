//! Any input has a defined outcome, and harms no other connection.

use std::io::Write;
use std::time::Duration;

use serde_json::json;
use switchboard_core::{Limits, Rate};
use switchboard_engine::server::ServerSettings;

use super::scenarios;
use crate::Start;
use crate::client::{BINARY, Client, PING, PONG, TEXT, frame, header, request};
use crate::harness::{Server, attentive, limited, plain, with_rooms};

scenarios![
    what_is_no_http_is_answered_with_400,
    a_broken_upgrade_says_what_is_wrong,
    a_page_from_elsewhere_is_not_let_in,
    a_head_of_a_megabyte_is_refused_and_the_answer_arrives,
    a_head_that_does_not_come_is_cut_off,
    frames_that_come_with_the_request_are_not_lost,
    a_message_of_exactly_the_limit_passes_and_one_byte_more_does_not,
    empty_fragments_do_not_go_on_for_ever,
    pings_between_messages_are_not_taken_for_a_large_message,
    a_flood_of_pings_or_messages_is_told_to_stop_and_then_closed,
    a_message_that_makes_no_sense_is_answered_and_the_connection_stays,
];

fn what_is_no_http_is_answered_with_400(start: Start) {
    let server = Server::start(start, plain());
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for (bytes, code) in [
        (&b"hello\r\n\r\n"[..], "bad_request"),
        (b"\0\0\0\0", "bad_request"),
        (b"GET /ws SPDY/3\r\n\r\n", "http_version"),
        (tls, "tls"),
    ] {
        let (status, text) = Client::ask(server.address, bytes);
        assert_eq!(status, 400, "{text}");
        assert!(text.contains(&format!(r#""code":"{code}""#)), "{text}");
    }
}

fn a_broken_upgrade_says_what_is_wrong(start: Start) {
    let server = Server::start(start, plain());
    for (right, wrong, status, code) in [
        ("GET", "POST", 405, "method_not_allowed"),
        ("Version: 13", "Version: 8", 426, "websocket_version"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "short", 400, "websocket_key"),
        ("Upgrade: websocket\r\n", "", 426, "upgrade_required"),
        ("Host: test\r\n", "", 400, "bad_host"),
        ("HTTP/1.1", "HTTP/1.0", 400, "http_version"),
        ("/ws ", "/elsewhere ", 404, "not_found"),
        ("/ws ", "/ws/%ff ", 400, "bad_room"),
    ] {
        let broken = request("/ws", "").replacen(right, wrong, 1);
        let (got, text) = Client::ask(server.address, broken);
        assert_eq!(got, status, "{text}");
        assert!(text.contains(&format!(r#""code":"{code}""#)), "{text}");
    }
}

fn a_page_from_elsewhere_is_not_let_in(start: Start) {
    let server = Server::start(start, plain());
    let (status, text) =
        Client::ask(server.address, request("/ws", "Origin: https://evil.example\r\n"));
    assert_eq!(status, 403, "{text}");
    assert!(text.contains("origin_not_allowed"), "{text}");
}

fn a_head_of_a_megabyte_is_refused_and_the_answer_arrives(start: Start) {
    let server = Server::start(start, plain());
    let mut client = Client::dial(server.address);
    let head = format!("GET /ws HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1024 * 1024));
    client.write(head);
    assert_eq!(client.response().0, 431);
}

fn hasty() -> ServerSettings {
    ServerSettings { handshake_timeout: Duration::from_millis(300), ..plain() }
}

fn a_head_that_does_not_come_is_cut_off(start: Start) {
    let server = Server::start(start, hasty());
    let mut silent = Client::dial(server.address);
    let mut slow = Client::dial(server.address);
    for byte in b"GET /ws HT" {
        slow.write([*byte]);
    }
    assert_eq!(slow.response().0, 408);
    assert_eq!(silent.response().0, 408);
}

fn frames_that_come_with_the_request_are_not_lost(start: Start) {
    let server = Server::start(start, plain());
    let mut client = Client::dial(server.address);
    let mut bytes = request("/ws/lobby?user=eager", "").into_bytes();
    for n in 0..200 {
        bytes
            .extend(frame(TEXT, json!({"type": "n", "id": format!("{n}")}).to_string().as_bytes()));
    }
    client.write(bytes);
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    client.expect("connected");
    for n in 0..200 {
        assert_eq!(client.until("ack")["id"], format!("{n}"));
    }
    client.bye();
}

fn a_message_of_exactly_the_limit_passes_and_one_byte_more_does_not(start: Start) {
    let server = Server::start(start, plain());
    let limit = Limits::default().max_message_bytes;
    let of_len = |len: usize| {
        let empty = json!({"type": "blob", "id": "1", "payload": ""}).to_string();
        let filled = "x".repeat(len - empty.len());
        json!({"type": "blob", "id": "1", "payload": filled}).to_string()
    };
    let too_big = (1009, format!("message over {limit} bytes"));

    let mut whole = server.connect("/ws/a");
    whole.text(&of_len(limit));
    whole.until("ack");
    whole.text(&of_len(limit + 1));
    assert_eq!(whole.closed(), too_big);

    let mut fragmented = server.connect("/ws/a");
    for len in [limit, limit + 1] {
        let text = of_len(len);
        let (left, right) = text.as_bytes().split_at(limit / 2);
        fragmented.write([frame(0x01, left), frame(0x80, right)].concat());
        if len == limit {
            fragmented.until("ack");
        }
    }
    assert_eq!(fragmented.closed(), too_big);

    let mut announced = server.connect("/ws/a");
    announced.write(header(BINARY, u64::MAX >> 1));
    assert_eq!(announced.closed(), too_big);
}

fn empty_fragments_do_not_go_on_for_ever(start: Start) {
    // Pings between the fragments must not hide them.
    for between in [Vec::new(), frame(PING, b"x"), frame(PONG, b"")] {
        let server = Server::start(start, with_rooms(plain(), "seen:", attentive()));
        let mut watcher = server.connect("/ws/seen:a?user=watcher");
        let mut client = server.connect("/ws/seen:a?user=endless");
        let piece = [frame(0x00, b"").repeat(5_000), between].concat();
        client.write(frame(0x01, b""));
        for _ in 0..200 {
            // At some point the server stops reading, and then ends the connection.
            if client.socket.write_all(&piece).is_err() {
                break;
            }
        }
        assert_eq!(watcher.until("member_left")["user"], "endless");
        // Writing to a closed socket can destroy what was still to be read from it.
        drop(client);
        watcher.bye();
    }
}

fn pings_between_messages_are_not_taken_for_a_large_message(start: Start) {
    let server = Server::start(start, plain());
    let mut client = server.connect("/ws/a");
    for _ in 0..20 {
        // More in all than a message's limit and overhead, each cut in the middle.
        let pings = frame(PONG, &[b'x'; 125]).repeat(100);
        let (left, right) = pings.split_at(pings.len() / 2 + 1);
        client.write(left);
        client.write(right);
    }
    client.json(&json!({"type": "chat", "id": "1"}));
    client.until("ack");
    client.bye();
}

fn a_flood_of_pings_or_messages_is_told_to_stop_and_then_closed(start: Start) {
    for flood in [frame(PING, b"x"), frame(TEXT, br#"{"type":"x","id":"1"}"#)] {
        let settings = limited(|limits| {
            limits.messages = Rate { per_second: 1, burst: 10 };
            limits.rate_limit_strikes = 5;
        });
        let server = Server::start(start, settings);
        let mut client = server.connect("/ws/a");
        client.write(flood.repeat(100));
        assert_eq!(client.closed(), (4029, "rate_limited".into()));
        client.ended();
    }
}

fn a_message_that_makes_no_sense_is_answered_and_the_connection_stays(start: Start) {
    let server = Server::start(start, plain());
    let mut client = server.connect("/ws/a");
    let long = json!({"type": "join", "id": "1", "room": "r".repeat(10_000)}).to_string();
    for (text, code, field) in [
        ("[1,2]", "bad_message", None),
        ("{\"type\":", "bad_message", None),
        ("", "bad_message", None),
        ("{}", "invalid_field", Some("type")),
        (&long, "invalid_field", Some("room")),
        (r#"{"type":"joined"}"#, "reserved_type", None),
    ] {
        client.text(text);
        let error = client.expect("error");
        assert_eq!(
            (error["code"].as_str(), error["field"].as_str()),
            (Some(code), field),
            "{error}"
        );
    }
    client.send(BINARY, b"\x07");
    assert_eq!(client.expect("error")["code"], "bad_message");
    client.json(&json!({"type": "chat", "id": "1"}));
    client.until("ack");
    client.bye();
}
