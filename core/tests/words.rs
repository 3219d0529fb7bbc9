//! What people are told, word by word, and the small bounds that stand beside it.

use std::time::Duration;

use bytes::Bytes;
use switchboard_core::client::{
    Cause, Client, CloseFrame, Config as ClientConfig, Event, Failure, Outbound, Refused,
    ServerMessage, Token,
};
use switchboard_core::http::{OriginPattern, Refusal as HttpRefusal, Response, Status};
use switchboard_core::{
    CloseReason, Codec, Config, ConfigError, Disconnect, Ending, Epoch, ErrorCode, History,
    Inbound, Kind, Limit, Message, MessageId, NameError, Opcode, Payload, Position, Rate, RawFrame,
    Refusal, Rejection, RoomClass, RoomName, Session, Timestamp,
};

fn refused() -> Refused {
    Refused { code: "lobby_full".into(), message: "it is full".into() }
}

#[test]
fn a_client_says_why_nothing_came_of_a_call() {
    for (failure, code, text) in [
        (Failure::Refused(refused()), "lobby_full", "lobby_full: it is full"),
        (Failure::Timeout, "timeout", "there was no answer in time"),
        (Failure::Disconnected, "disconnected", "the connection was lost before the answer"),
        (Failure::BufferFull, "buffer_full", "too many messages are waiting"),
        (Failure::TooBig, "too_big", "the message is over the server's limit"),
        (Failure::ReservedType, "reserved_type", "the type belongs to the protocol"),
        (Failure::TooManyRooms, "too_many_rooms", "too many rooms are joined"),
        (Failure::Left, "left", "the room was left before it was entered"),
        (Failure::Stopped, "stopped", "the client was stopped"),
        (Failure::Closed, "closed", "the client is closed"),
    ] {
        assert_eq!((failure.code(), failure.to_string().as_str()), (code, text));
    }
}

#[test]
fn a_client_says_why_it_is_not_connected() {
    let closed = |reason: Option<&str>| {
        Cause::Closed(CloseFrame { code: 4010, reason: reason.map(Into::into) })
    };
    for (cause, text) in [
        (Cause::Lost, "the connection was lost"),
        (Cause::TimedOut, "connecting took too long"),
        (Cause::Stale, "the server has not been heard of for too long"),
        (Cause::NoToken("offline".into()), "there is no token: offline"),
        (closed(Some("stale")), "the server closed the connection: 4010 stale"),
        (closed(None), "the server closed the connection: 4010"),
        (Cause::Refused { status: 503 }, "the server answered with status 503"),
    ] {
        assert_eq!(cause.to_string(), text);
    }
}

#[test]
fn a_client_knows_its_bounds_and_itself() {
    let new = |prefix: &str| Client::new(ClientConfig::default(), prefix, 1);
    let most = Client::PREFIX_MAX_BYTES;
    assert!(new(&"p".repeat(most)).is_ok());
    assert_eq!(new(&"p".repeat(most + 1)).err(), Some(NameError::TooLong(most)));
    let mut client = new("p").expect("a good prefix");
    client.handle(Timestamp::ZERO, Event::Connect).for_each(drop);
    let hello = r#"{"type":"connected","client_id":"0-1","session":"5be0cd19137e2179"}"#;
    let events = [Event::Opened, Event::Received(ServerMessage::from_text(hello))];
    for event in events {
        let mut actions = client.handle(Timestamp::ZERO, event);
        let left = actions.len();
        assert_eq!(actions.by_ref().count(), left);
    }
    assert_eq!(client.client_id(), Some("0-1"));
    client.handle(Timestamp::ZERO, Event::Received(ServerMessage::Unreadable)).for_each(drop);
    assert_eq!(client.stats().unreadable, 1);
    assert!(!Outbound::Text("{}".into()).is_empty() && Outbound::Binary(Bytes::new()).is_empty());
}

#[test]
fn nothing_that_is_secret_is_printed() {
    let hello = r#"{"type":"connected","session":"5be0cd19137e2179"}"#;
    let greeting = format!("{:?}", ServerMessage::from_text(hello));
    assert!(greeting.contains("Session(redacted)") && !greeting.contains("5be0"), "{greeting}");
    assert_eq!(format!("{:?}", Token::new("abc")), "Token(redacted)");
}

#[test]
fn a_rejection_and_an_end_have_their_words() {
    let room = RoomName::new("lobby").expect("a good name");
    for (rejection, text) in [
        (Rejection::ServerFull, "the server is full"),
        (Rejection::LobbyFull(room), "the room \"lobby\" is full"),
        (Rejection::UserLimit, "this user has as many connections as it may"),
        (Rejection::TooManyRooms, "more rooms than one connection may be in"),
        (Rejection::Draining { retry_after: Duration::ZERO }, "the server is going away"),
    ] {
        assert_eq!(rejection.to_string(), text);
    }
    for (ending, text) in [
        (Ending::Closed(CloseReason::Stale), "stale (4010)"),
        (Ending::ByPeer(Some(1000)), "closed by the peer (1000)"),
        (Ending::ByPeer(None), "closed by the peer"),
        (Ending::Lost, "lost"),
        (Ending::HandshakeFailed, "the handshake failed"),
    ] {
        assert_eq!(ending.to_string(), text);
    }
    assert_eq!(Disconnect::ByPeer(None), Disconnect::ByPeer(None));
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
fn each_contradiction_of_rules_is_named() {
    let check = |change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        config.check().expect_err("it cannot work").to_string()
    };
    let kept = |age, bytes| RoomClass {
        history: History { age, bytes, ..History::default() },
        ..RoomClass::default()
    };
    assert_eq!(
        check(|c| c.limits.messages = Rate { per_second: 1, burst: 0 }),
        "the burst of messages must be at least 1"
    );
    assert_eq!(
        check(|c| c.limits.outlet_low_water = c.limits.outlet_high_water),
        "outlet_low_water must be below outlet_high_water"
    );
    assert_eq!(check(|c| c.limits.work_per_tick = 0), "work_per_tick must be at least 1");
    assert_eq!(
        check(|c| c.limits.max_rooms_per_connection = Limit::at_most(65_536)),
        "max_rooms_per_connection must be between 1 and 65535"
    );
    for class in [kept(Duration::ZERO, 1), kept(Duration::from_secs(1), 0)] {
        let config = Config { rooms: vec![("a".into(), class)], ..Config::default() };
        let error = config.check().expect_err("it keeps nothing").to_string();
        assert_eq!(error, "the history of rooms \"a\" has no age or no bytes");
    }
    for (error, text) in [
        (ConfigError::StaleBeforePing, "stale_after must be longer than the heartbeat interval"),
        (ConfigError::BurstBelowMessage, "the burst of bytes must be at least max_message_bytes"),
        (ConfigError::DuplicatePrefix("a".into()), "two room classes have the prefix \"a\""),
    ] {
        assert_eq!(error.to_string(), text);
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

#[test]
fn http_answers_have_their_words() {
    let refusal = HttpRefusal::not_found();
    assert_eq!(refusal.to_string(), "404 not_found: there is nothing at this path");
    let error = "nowhere".parse::<OriginPattern>().expect_err("it has no scheme").to_string();
    assert!(error.starts_with("\"nowhere\" is not an origin such as https://"), "{error}");
    for (status, code) in [
        (Status::Accepted, 202),
        (Status::LengthRequired, 411),
        (Status::ContentTooLarge, 413),
        (Status::InternalError, 500),
    ] {
        let response = Response::new(status, "text/plain", "hi");
        assert_eq!((status.code(), response.body()), (code, &b"hi"[..]));
    }
}
