//! Invalid frames, and round trips of what is written.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use switchboard_core::{
    Codec, Epoch, ErrorCode, Inbound, Json, Kind, Message, Opcode, Payload, Position, Publication,
    RawFrame, Request,
};

use crate::{application, encoded, named};

fn refusal(inbound: &Inbound) -> Option<(ErrorCode, Option<&str>)> {
    match inbound {
        Inbound::Malformed { refusal, .. } => Some((refusal.code, refusal.field.as_deref())),
        Inbound::Join { .. }
        | Inbound::Leave { .. }
        | Inbound::Members { .. }
        | Inbound::Direct { .. }
        | Inbound::Resume { .. }
        | Inbound::History { .. }
        | Inbound::Reply { .. }
        | Inbound::HealthPing { .. }
        | Inbound::HealthPong { .. }
        | Inbound::Application(_)
        | Inbound::Raw(_) => None,
    }
}

/// A client's binary frame.
fn client_frame(kind: u8, room: &[u8], name: &[u8], id: &[u8], payload: &[u8]) -> Bytes {
    let lens = [room, name, id].map(|part| u8::try_from(part.len()).expect("at most 255"));
    let header = [1, kind, lens[0], lens[1], lens[2], 0, 0, 0];
    [&header[..], room, name, id, payload].concat().into()
}

/// The first binary example of PROTOCOL.md.
fn image() -> Vec<u8> {
    client_frame(0, b"lobby", b"image", b"9", b"\xff\xd8").to_vec()
}

#[test]
fn a_binary_frame_may_end_in_its_payload_and_nowhere_before() {
    let example = image();
    let names = example.len() - 2;
    for len in 0..=example.len() {
        let read = Codec::Json.decode_binary(Bytes::copy_from_slice(&example[..len]));
        let expected = (len < names).then_some((ErrorCode::BadMessage, None));
        assert_eq!(refusal(&read), expected, "{len} bytes: {read:?}");
    }
}

#[test]
fn every_damaged_byte_of_a_binary_header_is_noticed() {
    let example = image();
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
            room, kind, id, payload, key: None, from: Some(named(&from)), position: Position { epoch: Epoch(1), offset: 1 }, unix_ms: 5,
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
