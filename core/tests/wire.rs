//! The examples of PROTOCOL.md, read and written; and frames that nobody should send.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use switchboard_core::{
    CloseReason, Codec, Config, ConnectionId, Direct, Epoch, ErrorCode, Inbound, Json, Kind,
    Message, Opcode, Payload, Position, Publication, RawFrame, Refusal, Request, Welcome,
};

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

fn named<T: for<'t> TryFrom<&'t str>>(name: &str) -> T {
    T::try_from(name).unwrap_or_else(|_| panic!("not a name: {name}"))
}

fn json(text: &str) -> Json {
    Json::parse(text).expect("JSON")
}

fn at(offset: u64) -> Position {
    Position { epoch: Epoch(0x00c9_f1b2_a4d0_7e35), offset }
}

fn application(kind: &str, id: &str, room: Option<&str>, payload: Payload) -> Inbound {
    let (kind, id) = (named(kind), Some(named(id)));
    Inbound::Application(Request { kind, id, room: room.map(named), key: None, payload })
}

fn encoded(message: &Message) -> (Opcode, Vec<u8>) {
    let frame = Codec::Json.encode(message).expect("JSON has a way to say everything");
    (frame.opcode(), frame.payload().concat())
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
        Inbound::Join { id: Some(named("1")), room: named("lobby") },
        Inbound::Leave { id: Some(named("2")), room: Some(named("lobby")) },
        Inbound::Direct {
            id: Some(named("3")),
            to: named("bob"),
            kind: None,
            payload: text(r#"{"text":"psst"}"#),
        },
        Inbound::Members { id: Some(named("4")), room: Some(named("lobby")) },
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
        rooms: vec![(lobby(), at(41))],
        config: Arc::new(Config::default()),
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
    let full = Refusal::new(ErrorCode::LobbyFull, "the room is full (10 of 10)");
    let expected = [
        Message::Connected(Arc::new(welcome)),
        Message::Joined { id: Some(named("1")), room: lobby(), position: at(41), members: Some(3) },
        Message::Left { id: Some(named("2")), room: lobby() },
        Message::MemberJoined { room: lobby(), user: named("bob") },
        Message::MemberLeft { room: lobby(), user: named("bob") },
        Message::Publication(Arc::new(chat)),
        Message::Direct(Arc::new(direct)),
        Message::Members {
            id: Some(named("4")),
            room: lobby(),
            members: vec![named("alice"), named("bob")],
            total: 2,
        },
        Message::Ack { id: named("5"), position: Some(at(42)) },
        Message::Error { id: Some(named("1")), refusal: full },
        Message::HealthPing { timestamp: UNIX_MS },
        Message::HealthPong { timestamp: json("1790000000000") },
        Message::Gap { room: named("prices"), since: at(42), position: at(57), dropped: 15 },
        Message::Draining { retry_after: Duration::from_millis(1_250) },
    ];
    let examples = &blocks(&protocol(), "json")[1];
    assert_eq!(examples.len(), expected.len(), "an example was added or taken away");
    for (example, message) in examples.iter().zip(&expected) {
        let (opcode, payload) = encoded(message);
        assert_eq!((opcode, String::from_utf8_lossy(&payload)), (Opcode::Text, example.into()));
    }
}

/// The indented hexadecimal examples, of which one goes over two lines.
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

fn refusal(inbound: &Inbound) -> Option<(ErrorCode, Option<&str>)> {
    match inbound {
        Inbound::Malformed { refusal, .. } => Some((refusal.code, refusal.field.as_deref())),
        Inbound::Join { .. }
        | Inbound::Leave { .. }
        | Inbound::Members { .. }
        | Inbound::Direct { .. }
        | Inbound::HealthPing { .. }
        | Inbound::HealthPong { .. }
        | Inbound::Application(_)
        | Inbound::Raw(_) => None,
    }
}

#[test]
fn a_binary_frame_may_end_in_its_payload_and_nowhere_before() {
    let [example, _] = hex_examples();
    let names = example.len() - 2;
    for len in 0..=example.len() {
        let read = Codec::Json.decode_binary(Bytes::copy_from_slice(&example[..len]));
        let expected = (len < names).then_some((ErrorCode::BadMessage, None));
        assert_eq!(refusal(&read), expected, "{len} bytes: {read:?}");
    }
}

#[test]
fn every_damaged_byte_of_a_binary_header_is_noticed() {
    let [example, _] = hex_examples();
    let names = example.len() - 2;
    for at in [0, 1, 5, 6, 7] {
        for value in 0..=255 {
            let mut damaged = example.clone();
            damaged[at] = value;
            let read = Codec::Json.decode_binary(damaged.into());
            let is_direct = at == 1 && value == 1;
            let expected = if value == example[at] || is_direct {
                None
            } else {
                Some((ErrorCode::BadMessage, None))
            };
            assert_eq!(refusal(&read), expected, "byte {at} is {value}");
        }
    }
    // The names and the payload have 13 bytes between them.
    for (at, longest) in [(2, 7), (3, 7), (4, 3)] {
        let mut damaged = example.clone();
        damaged.splice(names.., *b"ab");
        damaged[at] = longest;
        assert_eq!(refusal(&Codec::Json.decode_binary(damaged.clone().into())), None, "{at}");
        damaged[at] = longest + 1;
        let read = Codec::Json.decode_binary(damaged.into());
        assert_eq!(refusal(&read), Some((ErrorCode::BadMessage, None)), "{at}");
    }
}

/// A client's binary frame.
fn client_frame(kind: u8, room: &[u8], name: &[u8], id: &[u8], payload: &[u8]) -> Bytes {
    let lens = [room, name, id].map(|part| u8::try_from(part.len()).expect("at most 255"));
    let header = [1, kind, lens[0], lens[1], lens[2], 0, 0, 0];
    [&header[..], room, name, id, payload].concat().into()
}

#[test]
fn names_in_binary_frames_have_the_same_bounds_as_in_text() {
    let long = "x".repeat(129);
    let long = long.as_bytes();
    for (frame, field) in [
        (client_frame(0, &long[..128], &long[..64], &long[..64], b""), None),
        (client_frame(0, long, b"t", b"", b""), Some("room")),
        (client_frame(0, b"r", &long[..65], b"", b""), Some("type")),
        (client_frame(0, b"r", b"t", &long[..65], b""), Some("id")),
        (client_frame(0, b"\xff", b"t", b"", b""), Some("room")),
        (client_frame(0, b"r", b"\xc3", b"", b""), Some("type")),
        (client_frame(0, b"r", b"t", b"\x80", b""), Some("id")),
        (client_frame(0, b"a\nb", b"t", b"", b""), Some("room")),
        (client_frame(1, b"", b"", b"", b""), Some("to")),
        (client_frame(1, long, b"", b"", b""), Some("to")),
    ] {
        let read = Codec::Json.decode_binary(frame);
        assert_eq!(refusal(&read), field.map(|f| (ErrorCode::InvalidField, Some(f))), "{read:?}");
    }
}

#[test]
fn a_connection_without_the_protocol_hears_nothing_of_it() {
    let text = Codec::Raw.decode_text("{\"type\":\"join\"}");
    assert_eq!(text, Inbound::Raw(RawFrame::Text(Bytes::from_static(b"{\"type\":\"join\"}"))));
    let frame = Message::Raw(RawFrame::Text(Bytes::from_static(b"x")));
    assert_eq!(Codec::Raw.encode(&frame).map(|f| f.payload().concat()), Some(b"x".to_vec()));
    assert!(Codec::Raw.encode(&Message::HealthPing { timestamp: 1 }).is_none());
    let (opcode, _) = encoded(&Message::Raw(RawFrame::Binary(Bytes::from_static(b"x"))));
    assert_eq!(opcode, Opcode::Binary);
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

fn cases() -> ProptestConfig {
    ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() }
}

/// A name without control characters that fits.
fn name(max: usize) -> impl Strategy<Value = String> {
    "\\PC{1,16}".prop_filter("it fits", move |name| name.len() <= max)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_text_makes_it_panic(text in ".*") {
        Codec::Json.decode_text(&text);
    }

    #[test]
    fn no_json_like_text_makes_it_panic(
        text in r#"\{("(type|event|id|room|to|key|timestamp|payload|data)":("[a-z\\u00e9\n]{0,4}"|-?[0-9.e+]{1,5}|null|\[|\{\}|tru),?){0,5}\}?"#
    ) {
        Codec::Json.decode_text(&text);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        Codec::Json.decode_binary(bytes.into());
    }

    #[test]
    fn no_bytes_behind_a_sound_header_make_it_panic(
        header in (0..3u8, 0..20u8, 0..20u8, 0..20u8),
        rest in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let (kind, room, name, id) = header;
        let bytes = [&[1, kind, room, name, id, 0, 0, 0][..], &rest].concat();
        Codec::Json.decode_binary(bytes.into());
    }

    #[test]
    fn a_publication_reads_back_as_what_was_published(
        kind in name(64), room in name(128), from in name(128), id in name(64), text in ".*",
    ) {
        let kind: Kind = named(&kind);
        prop_assume!(!kind.is_reserved());
        let payload = Payload::Json(Json::of(&text).expect("a string"));
        let (id, room) = (Some(named(&id)), named(&room));
        let request = Request { kind, id, room: Some(room), key: None, payload };
        let Request { kind, id, room: Some(room), payload, .. } = request.clone() else {
            unreachable!()
        };
        let publication = Publication {
            room, kind, id, payload, key: None, from: Some(named(&from)), position: at(1), unix_ms: 5,
        };
        let (opcode, bytes) = encoded(&Message::Publication(Arc::new(publication)));
        prop_assert_eq!(opcode, Opcode::Text);
        let read = Codec::Json.decode_text(std::str::from_utf8(&bytes).expect("UTF-8"));
        prop_assert_eq!(read, Inbound::Application(request));
    }

    #[test]
    fn health_messages_read_back(timestamp in 0..(1u64 << 53)) {
        let read = |message| {
            let (_, bytes) = encoded(&message);
            Codec::Json.decode_text(std::str::from_utf8(&bytes).expect("UTF-8"))
        };
        let number = Json::of(&timestamp).expect("a number");
        let ping = read(Message::HealthPing { timestamp });
        prop_assert_eq!(ping, Inbound::HealthPing { timestamp: number.clone() });
        let pong = read(Message::HealthPong { timestamp: number });
        prop_assert_eq!(pong, Inbound::HealthPong { nonce: Some(timestamp) });
        // As a client writes it whose numbers are floating-point.
        let float = format!(r#"{{"type":"health_pong","timestamp":{timestamp}.0}}"#);
        prop_assert_eq!(
            Codec::Json.decode_text(&float), Inbound::HealthPong { nonce: Some(timestamp) }
        );
    }

    #[test]
    fn a_clients_binary_frame_is_read_whole(
        kind in name(64), room in name(128), id in name(64),
        payload in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let frame = client_frame(0, room.as_bytes(), kind.as_bytes(), id.as_bytes(), &payload);
        let expected = application(&kind, &id, Some(&room), Payload::Binary(payload.into()));
        prop_assert_eq!(Codec::Json.decode_binary(frame), expected);
    }
}
