//! The names and texts of the protocol's values.

use bytes::Bytes;
use switchboard_core::{
    CloseReason, Codec, Epoch, ErrorCode, Inbound, Kind, Message, MessageId, Opcode, Payload,
    Position, RawFrame, Refusal, Session,
};

#[test]
fn a_refusal_says_its_code_and_its_reason() {
    assert_eq!(
        Refusal::new(ErrorCode::Forbidden, "no").to_string(),
        format!("{}: no", ErrorCode::Forbidden.as_str())
    );
}

/// RFC 6455, 5.5: a close frame has 125 bytes, two of which are the code.
#[test]
fn a_long_reason_is_cut_between_characters() {
    let long = "é".repeat(100);
    for reason in [
        CloseReason::Application { code: 3_000, reason: long.clone() },
        CloseReason::Protocol(long.clone().into()),
    ] {
        let text = reason.text();
        assert!(text.len() <= 123 && text.ends_with('é'), "{text}");
    }
}

#[test]
fn a_malformed_message_is_told_what_would_be_right() {
    for (text, message) in [
        (r#"{"type":"history","limit":0}"#, "`limit` must be a whole number from 1"),
        (r#"{"type":"resume","rooms":[true]}"#, "`rooms[0]` must be an object, not a boolean"),
        (r#"{"type":"resume","rooms":[null]}"#, "`rooms[0]` must be an object, not null"),
        (r#"{"type":"resume","rooms":[1]}"#, "`rooms[0]` must be an object, not a number"),
    ] {
        let inbound = Codec::Json.decode_text(text);
        let Inbound::Malformed { refusal, .. } = inbound else { panic!("accepted {inbound:?}") };
        assert_eq!(refusal.message, message);
    }
}

#[test]
fn payloads_and_frames_say_what_they_are() {
    let binary = Payload::Binary(Bytes::from_static(b"x"));
    let error = binary.read::<u32>().expect_err("it is no JSON").to_string();
    assert_eq!(error, "the payload is binary, not JSON");
    assert!(!binary.is_empty() && Payload::Binary(Bytes::new()).is_empty());
    let controls = [Opcode::Close, Opcode::Ping, Opcode::Pong];
    assert!(controls.into_iter().all(Opcode::is_control));
    assert!(!Opcode::Text.is_control() && !Opcode::Binary.is_control());
    let raw = Message::Raw(RawFrame::Text(Bytes::from_static(b"hi")));
    let frame = Codec::Raw.encode(&raw).expect("it is a frame already");
    assert_eq!((format!("{frame:?}").as_str(), frame.is_empty()), ("Text(4 bytes)", false));
    let request = Message::Request {
        id: MessageId::new("s1").expect("a good id"),
        method: Kind::new("sign").expect("a good name"),
        payload: binary,
    };
    let frame = Codec::Json.encode(&request).expect("it can be said");
    let text = String::from_utf8(frame.payload().concat()).expect("UTF-8");
    assert_eq!(text, r#"{"type":"request","id":"s1","method":"sign","binary":"eA=="}"#);
    let at = Position { epoch: Epoch(7), offset: 3 };
    assert_eq!(
        (format!("{:?}", at.epoch), at.to_string()),
        ("0000000000000007".into(), { "0000000000000007:3".into() })
    );
    assert!("0".parse::<Session>().is_err());
}
