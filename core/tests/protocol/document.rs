//! Reads and writes the examples and tables of PROTOCOL.md.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use switchboard_core::{
    Beginning, Broken, CloseReason, Codec, ConnectionId, Direct, Epoch, ErrorCode, Inbound, Json,
    Kind, Message, Opcode, Payload, Position, Publication, Refusal, Terms, Welcome,
};

use crate::{application, encoded, named};

const UNIX_MS: u64 = 1_790_000_000_000;

fn protocol() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../PROTOCOL.md");
    fs::read_to_string(path).expect("PROTOCOL.md lies beside the crate")
}

/// The lines of the code blocks of this language, block by block.
fn blocks(text: &str, language: &str) -> Vec<Vec<String>> {
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1);
    let block =
        |rest: &str| rest.split("```").next().map(|b| b.lines().map(String::from).collect());
    blocks.filter_map(block).collect()
}

/// The rows of the table under a heading, cell by cell, without backticks.
fn table(heading: &str) -> Vec<Vec<String>> {
    let text = protocol();
    let section = text.split(&format!("\n## {heading}\n")).nth(1).expect("the section");
    let rows = section.split("\n## ").next().unwrap_or_default().lines();
    let rows = rows.filter(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| {
        let row = row.trim_matches('|').replace('`', "");
        row.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    rows.map(cells).collect()
}

fn json(text: &str) -> Json {
    Json::parse(text).expect("JSON")
}

fn at(offset: u64) -> Position {
    Position { epoch: Epoch(0x00c9_f1b2_a4d0_7e35), offset }
}

fn begins(offset: u64, recovered: Option<bool>) -> Beginning {
    Beginning { position: at(offset), recovered }
}

fn publication(kind: &str, payload: Payload) -> Publication {
    Publication {
        room: named("lobby"),
        position: at(42),
        kind: named(kind),
        from: Some(named("alice")),
        id: Some(named("5")),
        key: None,
        unix_ms: UNIX_MS,
        payload,
    }
}

#[test]
fn what_clients_send_is_read_as_the_page_says() {
    let text = |text| Payload::Json(json(text));
    let expected = [
        Inbound::Join { id: Some(named("1")), room: named("lobby"), since: None },
        Inbound::Leave { id: Some(named("2")), room: Some(named("lobby")) },
        Inbound::Direct {
            id: Some(named("3")),
            to: named("bob"),
            kind: None,
            payload: text(r#"{"text":"psst"}"#),
        },
        Inbound::Members { id: Some(named("4")), room: Some(named("lobby")) },
        Inbound::Join { id: Some(named("7")), room: named("lobby"), since: Some(at(40)) },
        Inbound::Resume {
            id: Some(named("8")),
            rooms: vec![(named("lobby"), Some(at(40))), (named("news"), None)],
        },
        Inbound::History {
            id: Some(named("9")),
            room: Some(named("lobby")),
            since: Some(at(40)),
            limit: Some(50),
        },
        Inbound::Reply { id: named("s1"), result: Ok(text(r#"{"yes":true}"#)) },
        Inbound::Reply { id: named("s1"), result: Err(("busy".into(), "not now".into())) },
        Inbound::HealthPing { timestamp: json("1790000000000") },
        Inbound::HealthPong { nonce: Some(UNIX_MS) },
        application("chat", "5", Some("lobby"), text(r#"{"text":"hello"}"#)),
        application("message.send", "6", None, text(r#"{"text":"hello"}"#)),
    ];
    let examples = &blocks(&protocol(), "json")[0];
    assert_eq!(examples.len(), expected.len(), "an example was added or taken away");
    for (example, expected) in examples.iter().zip(expected) {
        assert_eq!(Codec::Json.decode_text(example), expected, "{example}");
    }
}

#[test]
fn what_clients_get_is_written_as_the_page_says_byte_for_byte() {
    let client = ConnectionId::from_parts(7, std::num::NonZeroU32::MIN);
    let lobby = || named("lobby");
    let welcome = Welcome {
        client,
        user: named("alice"),
        session: "5be0cd19137e2179".parse().expect("a session"),
        held: Vec::new(),
        rooms: vec![(lobby(), begins(41, None))],
        terms: Terms {
            heartbeat_interval: Duration::from_secs(30),
            stale_after: Duration::from_secs(45),
            max_message_bytes: 65_536,
            max_rooms: Some(50),
            messages_per_second: 50,
            message_burst: 100,
        },
        unix_ms: UNIX_MS,
    };
    let direct = Direct {
        kind: None,
        from: Some(named("alice")),
        id: Some(named("3")),
        unix_ms: UNIX_MS,
        payload: Payload::Json(json(r#"{"text":"psst"}"#)),
    };
    let chat = publication("chat", Payload::Json(json(r#"{"text":"hello"}"#)));
    let image = Publication {
        position: at(43),
        from: Some(named("bob")),
        id: None,
        ..publication("image", Payload::Binary(Bytes::from_static(b"\xff\xd8")))
    };
    let full = Refusal::new(ErrorCode::LobbyFull, "the room is full (10 of 10)");
    let expected = [
        Message::Connected(Arc::new(welcome)),
        Message::Joined {
            id: Some(named("1")),
            room: lobby(),
            beginning: begins(41, None),
            members: Some(3),
        },
        Message::Joined {
            id: Some(named("7")),
            room: lobby(),
            beginning: begins(40, Some(true)),
            members: Some(3),
        },
        Message::Left { id: Some(named("2")), room: lobby() },
        Message::MemberJoined { room: lobby(), user: named("bob") },
        Message::MemberLeft { room: lobby(), user: named("bob") },
        Message::Publication(Arc::new(chat.clone())),
        Message::Direct(Arc::new(direct)),
        Message::Members {
            id: Some(named("4")),
            room: lobby(),
            members: vec![named("alice"), named("bob")],
            total: 2,
        },
        Message::Ack { id: named("5"), position: Some(at(42)) },
        Message::Error { id: Some(named("1")), room: None, refusal: full.clone() },
        Message::HealthPing { timestamp: UNIX_MS },
        Message::HealthPong { timestamp: json("1790000000000") },
        Message::Gap { room: named("prices"), since: at(42), position: at(57), dropped: 15 },
        Message::Refresh {
            room: lobby(),
            reason: Broken::TooOld,
            position: at(90),
            payload: Some(Payload::Json(json(r#"{"topic":"tea"}"#))),
        },
        Message::History {
            id: Some(named("9")),
            room: lobby(),
            events: vec![Arc::new(chat), Arc::new(image)],
            position: at(44),
            more: true,
        },
        Message::Error { id: None, room: Some(named("news")), refusal: full },
        Message::Request {
            id: named("s1"),
            method: named("confirm"),
            payload: Payload::Json(json(r#"{"text":"sure?"}"#)),
        },
        Message::Draining { retry_after: Duration::from_millis(1_250) },
    ];
    let examples = &blocks(&protocol(), "json")[1];
    assert_eq!(examples.len(), expected.len(), "an example was added or taken away");
    for (example, message) in examples.iter().zip(&expected) {
        let (opcode, payload) = encoded(message);
        assert_eq!((opcode, String::from_utf8_lossy(&payload)), (Opcode::Text, example.into()));
    }
}

/// The indented hexadecimal examples, one of which takes two lines.
fn hex_examples() -> [Vec<u8>; 2] {
    let text = protocol();
    let section = text.split("\n## Binary frames\n").nth(1).expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut examples = vec![Vec::new()];
    for line in section.lines() {
        let Some(digits) = line.strip_prefix("    ") else {
            if examples.last().is_some_and(|example| !example.is_empty()) {
                examples.push(Vec::new());
            }
            continue;
        };
        let bytes = digits.split_whitespace().map(|b| u8::from_str_radix(b, 16).expect("hex"));
        examples.last_mut().expect("it has one").extend(bytes);
    }
    examples.retain(|example| !example.is_empty());
    examples.try_into().expect("two examples")
}

#[test]
fn the_binary_examples_are_read_and_written_as_the_page_says() {
    let [from_client, to_client] = hex_examples();
    let image = || Payload::Binary(Bytes::from_static(b"\xff\xd8"));
    let read = Codec::Json.decode_binary(from_client.into());
    assert_eq!(read, application("image", "9", Some("lobby"), image()));

    let id = Some(named("9"));
    let message = Publication { id, ..publication("image", image()) };
    let (opcode, payload) = encoded(&Message::Publication(Arc::new(message)));
    assert_eq!((opcode, payload), (Opcode::Binary, to_client));
}

#[test]
fn a_binary_direct_message_keeps_its_type_and_has_no_room_and_no_position() {
    let direct = Direct {
        kind: Some(named("image")),
        from: Some(named("alice")),
        id: None,
        unix_ms: 1,
        payload: Payload::Binary(Bytes::from_static(b"x")),
    };
    let (_, written) = encoded(&Message::Direct(Arc::new(direct)));
    let mut expected = vec![1, 129, 0, 5, 0, 5, 0, 0];
    expected.extend([0; 23]);
    expected.extend(b"\x01imagealicex");
    assert_eq!(written, expected);
}

#[test]
fn a_binary_answer_of_a_handler_has_its_requests_id() {
    let payload = Payload::Binary(Bytes::from_static(b"x"));
    let (_, written) = encoded(&Message::Reply { id: named("7"), payload });
    let mut expected = vec![1, 130, 0, 0, 1, 0, 0, 0];
    expected.extend([0; 24]);
    expected.extend(b"7x");
    assert_eq!(written, expected);
    let payload = Payload::Json(json("[1]"));
    let (_, written) = encoded(&Message::Reply { id: named("7"), payload });
    assert_eq!(written, br#"{"type":"ack","id":"7","payload":[1]}"#);
}

#[test]
fn the_types_of_the_page_are_reserved() {
    for heading in ["From a client", "To a client"] {
        for row in table(heading) {
            let is_reserved = row[0] == "any other" || named::<Kind>(&row[0]).is_reserved();
            assert!(is_reserved, "{}", row[0]);
        }
    }
    assert!(named::<Kind>("history").is_reserved());
}

#[test]
fn the_error_codes_of_the_page_are_those_that_clients_get() {
    let mut page: Vec<_> = table("Error codes").into_iter().map(|row| row[0].clone()).collect();
    // The page says that this one is unused.
    page.retain(|code| code != "user_limit");
    let codes = [
        ErrorCode::BadMessage,
        ErrorCode::InvalidField,
        ErrorCode::InvalidPayload,
        ErrorCode::ReservedType,
        ErrorCode::RoomRequired,
        ErrorCode::NotAMember,
        ErrorCode::LobbyFull,
        ErrorCode::TooManyRooms,
        ErrorCode::Forbidden,
        ErrorCode::UserOffline,
        ErrorCode::UnknownPosition,
        ErrorCode::NoSuchRequest,
        ErrorCode::Repeated,
        ErrorCode::RateLimited,
        ErrorCode::Timeout,
        ErrorCode::Internal,
    ];
    assert_eq!(page, codes.map(|code| code.as_str().to_owned()));
}

#[test]
fn the_close_codes_of_the_page_are_those_that_are_sent() {
    let reasons = [
        CloseReason::Normal,
        CloseReason::Draining,
        CloseReason::Protocol("…".into()),
        CloseReason::Unsupported,
        CloseReason::InvalidText,
        CloseReason::Idle,
        CloseReason::TooBig(65_536),
        CloseReason::Internal,
        CloseReason::Unauthorized,
        CloseReason::Capacity("server_full"),
        CloseReason::Forbidden,
        CloseReason::Replaced,
        CloseReason::SlowConsumer,
        CloseReason::Stale,
        CloseReason::RateLimited,
    ];
    let page = table("Close codes");
    assert_eq!(page.len(), reasons.len());
    for (row, reason) in page.iter().zip(reasons) {
        assert_eq!(row[0], reason.code().to_string());
        let texts: Vec<_> = row[1].split(", ").collect();
        assert!(row[1].is_empty() || texts.contains(&&*reason.text()), "{row:?} {reason:?}");
    }
}
