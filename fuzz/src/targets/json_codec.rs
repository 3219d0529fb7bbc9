//! Text messages, decoded by both ends.
//!
//! The input is a text (invalid UTF-8 becomes U+FFFD).
//!
//! **Oracle.** What the server understands of it as a client's message is what a plain JSON parser
//! sees in it, and anything but an object is malformed. What the server makes of it (a publication,
//! a direct message, an answer, an error) is encoded, and a client understands exactly that:
//! decode, encode, decode is the same. And in the other direction: what a client understands of the
//! text as a server's message, the server's encoder expresses in other words. Nothing panics.

use serde_json::Value;
use switchboard_core::client::ServerMessage;
use switchboard_core::{Codec, Epoch, Inbound, Payload, Position};

use crate::wire;

/// Runs one input.
///
/// # Panics
/// When the oracle is violated.
pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let inbound = Codec::Json.decode_text(&text);
    check_reading(&text, &inbound);
    wire::holds_as_passed_on(&inbound, Position { epoch: Epoch(u64::MAX), offset: 7 });
    wire::holds_as_sent(&ServerMessage::from_text(&text));
}

/// Checks that the decoded fields are those of the text.
fn check_reading(text: &str, inbound: &Inbound) {
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        // A number too large for the plain parser, or an object too deeply nested, does not concern
        // the codec while it is in a payload.
        Err(_) => return,
    };
    let is_malformed = matches!(inbound, Inbound::Malformed { .. });
    assert!(value.is_object() || is_malformed, "{text} is taken for a message");
    // A null field counts as absent.
    let field = |name: &str| value.get(name).filter(|value| !value.is_null());
    let text_of = |name: &str| field(name).and_then(Value::as_str);
    if let Some(payload) = wire::payload(inbound) {
        let Payload::Json(json) = payload else { panic!("a text has the payload {payload:?}") };
        let expected = field("payload").or_else(|| field("data")).unwrap_or(&Value::Null);
        let read: Value = serde_json::from_slice(json.as_bytes()).expect("a payload is JSON");
        assert_eq!(read, *expected);
    }
    let kind = field("type").or_else(|| field("event")).and_then(Value::as_str);
    let (expected, id, room) = match inbound {
        Inbound::Join { id, room, .. } => ("join", id.as_deref(), Some(&**room)),
        Inbound::Resume { id, .. } => ("resume", id.as_deref(), None),
        Inbound::Leave { id, room } => ("leave", id.as_deref(), room.as_deref()),
        Inbound::Members { id, room } => ("members", id.as_deref(), room.as_deref()),
        Inbound::History { id, room, .. } => ("history", id.as_deref(), room.as_deref()),
        Inbound::Direct { id, .. } => ("direct", id.as_deref(), None),
        Inbound::Reply { id, .. } => ("reply", Some(&**id), None),
        Inbound::HealthPing { .. } => ("health_ping", text_of("id"), None),
        Inbound::HealthPong { .. } => ("health_pong", text_of("id"), None),
        Inbound::Application(request) => {
            assert_eq!(text_of("key"), request.key.as_deref());
            (&*request.kind, request.id.as_deref(), request.room.as_deref())
        }
        Inbound::Malformed { id, .. } => {
            assert!(id.is_none() || id.as_deref() == text_of("id"));
            return;
        }
        Inbound::Raw(_) => panic!("this codec has a protocol"),
    };
    assert_eq!(kind, Some(expected));
    assert_eq!(text_of("id"), id);
    assert!(room.is_none() || text_of("room") == room);
}
