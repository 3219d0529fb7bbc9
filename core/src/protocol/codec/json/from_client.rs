//! Text messages from clients.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::protocol::codec::{Outbound, binary};
use crate::protocol::from_client::{Inbound, Request};
use crate::protocol::message_type as types;
use crate::protocol::name::{ConflationKey, Kind, MessageId, RoomName, UserName};
use crate::protocol::payload::{Json, Payload};
use crate::protocol::position::Position;
use crate::protocol::refusal::{ErrorCode, Refusal};

use super::read::kind_of;
use super::write::Serialized;
use super::{Field, Object, Value, fields, name};

fields! {
    Fields {
        kind as "type", id, room, to, key, last_event_id, rooms, since, limit, error, timestamp,
        payload,
    }
    read only { event, data, }
}

fields! {
    /// One of the rooms of a `resume`.
    Room { room, last_event_id, }
}

/// The code and message with which a client refuses a request.
#[derive(Serialize, Deserialize)]
struct Error<'a> {
    code: Cow<'a, str>,
    #[serde(default)]
    message: Cow<'a, str>,
}

pub(in super::super) fn decode(text: &str) -> Inbound {
    let bad = |what: Cow<'static, str>| Inbound::Malformed {
        id: None,
        refusal: Refusal::new(ErrorCode::BadMessage, what),
    };
    if !text.trim_ascii_start().starts_with('{') {
        return bad("a message is a JSON object".into());
    }
    match serde_json::from_str::<Fields<'_>>(text) {
        Ok(fields) => read(&fields).unwrap_or_else(|refusal| {
            let id = fields.id().optional(Field::name).unwrap_or_default();
            Inbound::Malformed { id, refusal }
        }),
        Err(error) => bad(alloc::format!("not a JSON object: {error}").into()),
    }
}

fn read(fields: &Fields<'_>) -> Result<Inbound, Refusal> {
    let id = fields.id().optional(Field::name)?;
    let kind = fields.kind().or(fields.event());
    let room = || fields.room().optional(Field::name);
    let payload = || fields.payload().or(fields.data()).payload();
    Ok(match &*kind.text()? {
        types::JOIN => {
            let room = fields.room().name()?;
            Inbound::Join { id, room, since: fields.last_event_id().optional(Field::position)? }
        }
        types::RESUME => Inbound::Resume { id, rooms: rooms(fields.rooms())? },
        types::LEAVE => Inbound::Leave { id, room: room()? },
        types::MEMBERS => Inbound::Members { id, room: room()? },
        types::DIRECT => {
            let to = fields.to().name()?;
            Inbound::Direct { id, to, kind: None, payload: payload() }
        }
        types::HISTORY => Inbound::History {
            id,
            room: room()?,
            since: fields.since().optional(Field::position)?,
            limit: fields.limit().optional(limit)?,
        },
        types::REPLY => Inbound::Reply {
            id: id.ok_or_else(|| fields.id().wrong("is missing"))?,
            result: match fields.error().optional(Field::read::<Error<'_>>)? {
                Some(error) => Err((error.code.into_owned(), error.message.into_owned())),
                None => Ok(payload()),
            },
        },
        types::HEALTH_PING => {
            Inbound::HealthPing { timestamp: Json::from_raw(fields.timestamp().number()?) }
        }
        types::HEALTH_PONG => {
            Inbound::HealthPong { nonce: nonce(fields.timestamp().number()?.get()) }
        }
        other => Inbound::Application(Request {
            kind: Kind::new(other).map_err(|error| kind.wrong(error))?,
            id,
            room: room()?,
            key: fields.key().optional(Field::name)?,
            payload: payload(),
        }),
    })
}

fn limit(field: Field<'_>) -> Result<usize, Refusal> {
    match field.raw()?.get().parse() {
        Ok(limit) if limit > 0 => Ok(limit),
        Ok(_) | Err(_) => Err(field.wrong("must be a whole number from 1")),
    }
}

/// Parses the rooms of a `resume`. An error names the one at fault.
fn rooms(field: Field<'_>) -> Result<Vec<(RoomName, Option<Position>)>, Refusal> {
    let read = |(index, value): (usize, &RawValue)| {
        let within = |refusal: Refusal| Refusal {
            field: refusal.field.map(|field| alloc::format!("rooms[{index}].{field}").into()),
            ..refusal
        };
        let room: Room<'_> = serde_json::from_str(value.get()).map_err(|_| {
            let field = alloc::format!("rooms[{index}]");
            Refusal::field(field, alloc::format!("must be an object, not {}", kind_of(value)))
        })?;
        let name = room.room().name().map_err(within)?;
        Ok((name, room.last_event_id().optional(Field::position).map_err(within)?))
    };
    field.list()?.into_iter().enumerate().map(read).collect()
}

/// Parses the number of one of our pings. A client may have turned it into a floating-point number.
fn nonce(text: &str) -> Option<u64> {
    text.parse().ok().or_else(|| {
        let float: f64 = text.parse().ok()?;
        let whole = float as u64;
        (whole as f64 == float).then_some(whole)
    })
}

impl Outbound {
    pub(crate) fn join(id: &str, room: &RoomName, since: Option<Position>) -> Self {
        Self::of(types::JOIN, |it| it.id(id).room(room.as_str()).last_event_id(since))
    }

    pub(crate) fn leave(id: &str, room: &RoomName) -> Self {
        Self::of(types::LEAVE, |it| it.id(id).room(room.as_str()))
    }

    /// As many messages as it takes for none to be over the limit.
    pub(crate) fn resume<'a>(
        rooms: impl Iterator<Item = (&'a RoomName, Option<Position>)>,
        limit: usize,
    ) -> Vec<Self> {
        let whole = |list: &[u8]| {
            let rooms = |out: &mut Vec<u8>| out.extend_from_slice(&[b"[", list, b"]"].concat());
            Self::of(types::RESUME, |it| it.rooms(rooms))
        };
        let empty = whole(&[]).len();
        let mut lists: Vec<Vec<u8>> = Vec::new();
        for (name, position) in rooms {
            let mut room = Vec::new();
            Object::<Room<'_>>::new(&mut room).room(name.as_str()).last_event_id(position).end();
            match lists.last_mut() {
                Some(list) if empty + list.len() + 1 + room.len() <= limit => {
                    list.push(b',');
                    list.extend_from_slice(&room);
                }
                Some(_) | None => lists.push(room),
            }
        }
        lists.iter().map(|list| whole(list)).collect()
    }

    pub(crate) fn publish(
        id: &str,
        room: Option<&RoomName>,
        kind: &Kind,
        key: Option<&ConflationKey>,
        payload: &Payload,
    ) -> Self {
        match payload {
            Payload::Json(json) => Self::of(kind, |it| {
                let (room, key) = (room.map(RoomName::as_str), key.map(ConflationKey::as_str));
                it.id(id).room(room).key(key).payload(json)
            }),
            Payload::Binary(bytes) => binary::from_client::publish(id, room, kind, bytes),
        }
    }

    pub(crate) fn direct(id: &str, to: &UserName, payload: &Payload) -> Self {
        match payload {
            Payload::Json(json) => {
                Self::of(types::DIRECT, |it| it.id(id).to(to.as_str()).payload(json))
            }
            Payload::Binary(bytes) => binary::from_client::direct(id, to, bytes),
        }
    }

    pub(crate) fn members(id: &str, room: &RoomName) -> Self {
        Self::of(types::MEMBERS, |it| it.id(id).room(room.as_str()))
    }

    pub(crate) fn history(
        id: &str,
        room: &RoomName,
        since: Option<Position>,
        limit: Option<u32>,
    ) -> Self {
        Self::of(types::HISTORY, |it| it.id(id).room(room.as_str()).since(since).limit(limit))
    }

    /// The answer, or an error code and a message.
    pub(crate) fn reply(id: &MessageId, result: Result<&Json, (&str, &str)>) -> Self {
        Self::of(types::REPLY, |it| match result {
            Ok(json) => it.id(id.as_str()).payload(json),
            Err((code, message)) => {
                let error = Error { code: code.into(), message: message.into() };
                it.id(id.as_str()).error(Serialized(error))
            }
        })
    }

    pub(crate) fn health_ping(timestamp: u64) -> Self {
        Self::of(types::HEALTH_PING, |it| it.timestamp(timestamp))
    }

    pub(crate) fn health_pong(timestamp: &Json) -> Self {
        Self::of(types::HEALTH_PONG, |it| it.timestamp(timestamp))
    }

    fn of(
        kind: &str,
        fields: impl for<'o> FnOnce(Object<'o, Fields<'static>>) -> Object<'o, Fields<'static>>,
    ) -> Self {
        let mut text = Vec::new();
        fields(Object::new(&mut text).kind(kind)).end();
        // Everything in it came from strings and checked JSON.
        Self::Text(String::from_utf8(text).unwrap_or_default().into())
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
