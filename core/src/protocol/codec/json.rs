//! Text messages from clients.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::from_client::{Inbound, Request};
use crate::protocol::name::{MessageId, NameError, RoomName};
use crate::protocol::payload::{Json, Payload};
use crate::protocol::position::Position;
use crate::protocol::refusal::{ErrorCode, Refusal};

/// The fields of a message, each still unread: reading them one by one lets an error say which one it is.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    room: Option<&'a RawValue>,
    #[serde(borrow)]
    to: Option<&'a RawValue>,
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow)]
    last_event_id: Option<&'a RawValue>,
    #[serde(borrow)]
    rooms: Option<&'a RawValue>,
    #[serde(borrow)]
    since: Option<&'a RawValue>,
    #[serde(borrow)]
    limit: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

pub(super) fn decode(text: &str) -> Inbound {
    let envelope = match parse(text) {
        Ok(envelope) => envelope,
        Err(refusal) => return Inbound::Malformed { id: None, refusal },
    };
    let id = match optional::<MessageId>("id", envelope.id) {
        Ok(id) => id,
        Err(refusal) => return Inbound::Malformed { id: None, refusal },
    };
    let known_id = id.clone();
    read(&envelope, id).unwrap_or_else(|refusal| Inbound::Malformed { id: known_id, refusal })
}

fn parse(text: &str) -> Result<Envelope<'_>, Refusal> {
    if !text.trim_ascii_start().starts_with('{') {
        return Err(Refusal::new(ErrorCode::BadMessage, "a message is a JSON object"));
    }
    serde_json::from_str(text).map_err(|error| {
        Refusal::new(ErrorCode::BadMessage, alloc::format!("not a JSON object: {error}"))
    })
}

fn read(envelope: &Envelope<'_>, id: Option<MessageId>) -> Result<Inbound, Refusal> {
    let (name, value) = match envelope.kind {
        Some(kind) => ("type", Some(kind)),
        None if envelope.event.is_some() => ("event", envelope.event),
        None => ("type", None),
    };
    let kind_text = string(name, required(name, value)?)?;
    let payload = || {
        let raw = envelope.payload.or(envelope.data);
        raw.map_or_else(Payload::null, |raw| Payload::Json(Json::from_raw(raw)))
    };
    Ok(match &*kind_text {
        "join" => {
            let room = name_of("room", required("room", envelope.room)?)?;
            Inbound::Join { id, room, since: position("last_event_id", envelope.last_event_id)? }
        }
        "resume" => Inbound::Resume { id, rooms: rooms(required("rooms", envelope.rooms)?)? },
        "leave" => Inbound::Leave { id, room: optional("room", envelope.room)? },
        "members" => Inbound::Members { id, room: optional("room", envelope.room)? },
        "direct" => {
            let to = name_of("to", required("to", envelope.to)?)?;
            Inbound::Direct { id, to, kind: None, payload: payload() }
        }
        "history" => Inbound::History {
            id,
            room: optional("room", envelope.room)?,
            since: position("since", envelope.since)?,
            limit: envelope.limit.map(limit).transpose()?,
        },
        "reply" => Inbound::Reply {
            id: id.ok_or_else(|| Refusal::field("id", "is missing"))?,
            result: match envelope.error {
                Some(error) => Err(client_error(error)?),
                None => Ok(payload()),
            },
        },
        "health_ping" => Inbound::HealthPing {
            timestamp: Json::from_raw(number(required("timestamp", envelope.timestamp)?)?),
        },
        "health_pong" => Inbound::HealthPong {
            nonce: nonce(number(required("timestamp", envelope.timestamp)?)?.get()),
        },
        kind => Inbound::Application(Request {
            kind: kind.try_into().map_err(|error: NameError| Refusal::field(name, error))?,
            id,
            room: optional("room", envelope.room)?,
            key: optional("key", envelope.key)?,
            payload: payload(),
        }),
    })
}

fn position(field: &'static str, value: Option<&RawValue>) -> Result<Option<Position>, Refusal> {
    let parse = |value| string(field, value)?.parse().map_err(|error| Refusal::field(field, error));
    value.map(parse).transpose()
}

fn limit(value: &RawValue) -> Result<usize, Refusal> {
    match value.get().parse() {
        Ok(limit) if limit > 0 => Ok(limit),
        Ok(_) | Err(_) => Err(Refusal::field("limit", "must be a whole number from 1")),
    }
}

/// The rooms of a `resume`. An error says which of them is to blame.
fn rooms(value: &RawValue) -> Result<Vec<(RoomName, Option<Position>)>, Refusal> {
    #[derive(Deserialize)]
    struct Room<'a> {
        #[serde(borrow)]
        room: Option<&'a RawValue>,
        #[serde(borrow)]
        last_event_id: Option<&'a RawValue>,
    }
    let list: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(|_| {
        Refusal::field("rooms", alloc::format!("must be an array, not {}", kind_of(value.get())))
    })?;
    let read = |(index, value): (usize, &RawValue)| {
        let within = |refusal: Refusal| Refusal {
            field: refusal.field.map(|field| alloc::format!("rooms[{index}].{field}").into()),
            ..refusal
        };
        let room: Room<'_> = serde_json::from_str(value.get()).map_err(|_| {
            let not = kind_of(value.get());
            let field = alloc::format!("rooms[{index}]");
            Refusal::field(field, alloc::format!("must be an object, not {not}"))
        })?;
        let name = required("room", room.room).and_then(|name| name_of("room", name));
        let since = position("last_event_id", room.last_event_id);
        Ok((name.map_err(within)?, since.map_err(within)?))
    };
    list.into_iter().enumerate().map(read).collect()
}

/// The code and words with which a client refuses a request.
fn client_error(value: &RawValue) -> Result<(String, String), Refusal> {
    #[derive(Deserialize)]
    struct Error {
        code: String,
        #[serde(default)]
        message: String,
    }
    let error: Error =
        serde_json::from_str(value.get()).map_err(|error| Refusal::field("error", error))?;
    Ok((error.code, error.message))
}

fn required<'a>(field: &'static str, value: Option<&'a RawValue>) -> Result<&'a RawValue, Refusal> {
    value.ok_or_else(|| Refusal::field(field, "is missing"))
}

fn optional<T>(field: &'static str, value: Option<&RawValue>) -> Result<Option<T>, Refusal>
where
    T: for<'t> TryFrom<&'t str, Error = NameError>,
{
    value.map(|value| name_of(field, value)).transpose()
}

fn name_of<T>(field: &'static str, value: &RawValue) -> Result<T, Refusal>
where
    T: for<'t> TryFrom<&'t str, Error = NameError>,
{
    T::try_from(&string(field, value)?).map_err(|error| Refusal::field(field, error))
}

fn string<'a>(field: &'static str, value: &'a RawValue) -> Result<Cow<'a, str>, Refusal> {
    let text = value.get();
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        Some(_) => serde_json::from_str::<String>(text)
            .map(Cow::Owned)
            .map_err(|error| Refusal::field(field, error)),
        None => {
            Err(Refusal::field(field, alloc::format!("must be a string, not {}", kind_of(text))))
        }
    }
}

fn number(value: &RawValue) -> Result<&RawValue, Refusal> {
    match value.get().as_bytes() {
        [b'-' | b'0'..=b'9', ..] => Ok(value),
        _ => {
            let not = kind_of(value.get());
            Err(Refusal::field("timestamp", alloc::format!("must be a number, not {not}")))
        }
    }
}

/// The number of one of our pings. A client may have turned it into a floating-point number on the way.
fn nonce(text: &str) -> Option<u64> {
    text.parse().ok().or_else(|| {
        let float: f64 = text.parse().ok()?;
        let whole = float as u64;
        (whole as f64 == float).then_some(whole)
    })
}

fn kind_of(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(_) | None => "a number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::name::{Kind, RoomName};

    fn refusal(text: &str) -> Refusal {
        let inbound = decode(text);
        let Inbound::Malformed { refusal, .. } = inbound else { panic!("accepted as {inbound:?}") };
        refusal
    }

    #[test]
    fn all_three_envelopes_of_the_specification_are_read() {
        let expected = Inbound::Application(Request {
            kind: Kind::new("message.send").unwrap(),
            id: Some(MessageId::new("7").unwrap()),
            room: None,
            key: None,
            payload: Payload::Json(Json::parse(r#"{"text": "hi"}"#).unwrap()),
        });
        for text in [
            r#"{"type":"message.send","id":"7","payload":{"text": "hi"}}"#,
            r#"{"event":"message.send","data":{"text": "hi"},"id":"7"}"#,
            r#" {"type":"message.send","id":"7","timestamp":5,"unknown":[1],"payload":{"text": "hi"}}"#,
        ] {
            assert_eq!(decode(text), expected, "{text}");
        }
    }

    #[test]
    fn the_field_that_is_to_blame_is_named() {
        for (text, field, message) in [
            ("{}", Some("type"), "`type` is missing"),
            (r#"{"type":5}"#, Some("type"), "`type` must be a string, not a number"),
            (r#"{"type":"join"}"#, Some("room"), "`room` is missing"),
            (
                r#"{"type":"join","room":["x"]}"#,
                Some("room"),
                "`room` must be a string, not an array",
            ),
            (r#"{"type":"join","room":""}"#, Some("room"), "`room` must not be empty"),
            (r#"{"type":"direct","to":{}}"#, Some("to"), "`to` must be a string, not an object"),
            (r#"{"type":"x","id":true}"#, Some("id"), "`id` must be a string, not a boolean"),
            (
                r#"{"type":"x","room":"a\u0000"}"#,
                Some("room"),
                "`room` must not have control characters",
            ),
            (
                r#"{"type":"health_ping","timestamp":"1"}"#,
                Some("timestamp"),
                "`timestamp` must be a number, not a string",
            ),
            (r#"{"event":""}"#, Some("event"), "`event` must not be empty"),
            ("[1,2]", None, "a message is a JSON object"),
            ("", None, "a message is a JSON object"),
            (r#""text""#, None, "a message is a JSON object"),
        ] {
            let refusal = refusal(text);
            assert_eq!((refusal.field.as_deref(), &*refusal.message), (field, message), "{text}");
        }
        let long = alloc::format!(r#"{{"type":"join","room":"{}"}}"#, "r".repeat(10_000));
        assert_eq!(refusal(&long).message, "`room` must be at most 128 bytes");
        assert!(refusal("{\"type\":\"x\"").message.starts_with("not a JSON object: EOF"));
    }

    #[test]
    fn the_id_of_a_bad_message_is_kept_for_the_answer() {
        let Inbound::Malformed { id, .. } = decode(r#"{"type":"join","id":"9"}"#) else {
            panic!("accepted")
        };
        assert_eq!(id.as_deref(), Some("9"));
    }

    #[test]
    fn escapes_in_names_are_undone() {
        let Inbound::Join { room, .. } = decode(r#"{"type":"join","room":"caf\u00e9 \"x\""}"#)
        else {
            panic!("refused")
        };
        assert_eq!(room, RoomName::new("café \"x\"").unwrap());
    }

    #[test]
    fn a_pong_is_recognised_however_its_number_is_written() {
        for text in ["1790000000000", "1790000000000.0", "1.79e12"] {
            assert_eq!(nonce(text), Some(1_790_000_000_000), "{text}");
        }
        for text in ["-1", "1.5", "x"] {
            assert_eq!(nonce(text), None, "{text}");
        }
    }
}
