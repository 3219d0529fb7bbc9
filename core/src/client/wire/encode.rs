//! Messages for a server.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::protocol::name::{ConflationKey, Kind, MessageId, RoomName, UserName};
use crate::protocol::payload::{Json, Payload};
use crate::protocol::position::Position;

use super::super::action::Outbound;
use super::super::event::{Question, ReplyError};
use super::binary;

/// A JSON object that is written field by field.
struct Object(Vec<u8>);

impl Object {
    fn new() -> Self {
        Self(b"{".to_vec())
    }

    fn of_type(kind: &str) -> Self {
        Self::new().text("type", kind)
    }

    fn raw(mut self, field: &str, json: &[u8]) -> Self {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        self.0.push(b'"');
        self.0.extend_from_slice(field.as_bytes());
        self.0.extend_from_slice(b"\":");
        self.0.extend_from_slice(json);
        self
    }

    fn text(self, field: &str, text: &str) -> Self {
        // Writing a string to memory cannot fail.
        self.raw(field, &serde_json::to_vec(text).unwrap_or_default())
    }

    fn optional(self, field: &str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(field, text),
            None => self,
        }
    }

    fn position(self, field: &str, position: Option<Position>) -> Self {
        self.optional(field, position.map(|position| position.to_string()).as_deref())
    }

    fn bytes(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }

    fn finish(self) -> Outbound {
        // Everything in it came from strings and checked JSON.
        Outbound::Text(String::from_utf8(self.bytes()).unwrap_or_default().into())
    }
}

pub(in super::super) fn join(id: &str, room: &RoomName, since: Option<Position>) -> Outbound {
    let object = Object::of_type("join").text("id", id).text("room", room);
    object.position("last_event_id", since).finish()
}

pub(in super::super) fn leave(id: &str, room: &RoomName) -> Outbound {
    Object::of_type("leave").text("id", id).text("room", room).finish()
}

/// As many messages as it takes for none to be over the limit.
pub(in super::super) fn resume<'a>(
    rooms: impl Iterator<Item = (&'a RoomName, Option<Position>)>,
    limit: usize,
) -> Vec<Outbound> {
    const OPEN: &[u8] = br#"{"type":"resume","rooms":["#;
    const CLOSE: &[u8] = b"]}";
    let mut lists: Vec<Vec<u8>> = Vec::new();
    for (room, position) in rooms {
        let room = Object::new().text("room", room).position("last_event_id", position).bytes();
        match lists.last_mut() {
            Some(list) if OPEN.len() + list.len() + 1 + room.len() + CLOSE.len() <= limit => {
                list.push(b',');
                list.extend_from_slice(&room);
            }
            Some(_) | None => lists.push(room),
        }
    }
    let whole = |list: Vec<u8>| {
        let text = [OPEN, &list, CLOSE].concat();
        Outbound::Text(String::from_utf8(text).unwrap_or_default().into())
    };
    lists.into_iter().map(whole).collect()
}

pub(in super::super) fn publish(
    id: &str,
    room: Option<&RoomName>,
    kind: &Kind,
    key: Option<&ConflationKey>,
    payload: &Payload,
) -> Outbound {
    match payload {
        Payload::Json(json) => Object::of_type(kind)
            .text("id", id)
            .optional("room", room.map(RoomName::as_str))
            .optional("key", key.map(ConflationKey::as_str))
            .raw("payload", json.as_bytes())
            .finish(),
        Payload::Binary(bytes) => {
            let room = room.map_or("", RoomName::as_str);
            binary::encode(binary::PUBLISH, [room, kind, id], bytes)
        }
    }
}

pub(in super::super) fn direct(id: &str, to: &UserName, payload: &Payload) -> Outbound {
    match payload {
        Payload::Json(json) => Object::of_type("direct")
            .text("id", id)
            .text("to", to)
            .raw("payload", json.as_bytes())
            .finish(),
        Payload::Binary(bytes) => binary::encode(binary::DIRECT, [to, "", id], bytes),
    }
}

pub(in super::super) fn question(id: &str, question: &Question) -> Outbound {
    match question {
        Question::Members { room } => {
            Object::of_type("members").text("id", id).text("room", room).finish()
        }
        Question::History { room, since, limit } => {
            let object = Object::of_type("history").text("id", id).text("room", room);
            let object = object.position("since", *since);
            match limit {
                Some(limit) => object.raw("limit", limit.to_string().as_bytes()).finish(),
                None => object.finish(),
            }
        }
    }
}

pub(in super::super) fn reply(id: &MessageId, result: Result<&Json, &ReplyError>) -> Outbound {
    let object = Object::of_type("reply").text("id", id);
    match result {
        Ok(json) => object.raw("payload", json.as_bytes()).finish(),
        Err(ReplyError { code, message }) => {
            let error = Object::new().text("code", code).text("message", message).bytes();
            object.raw("error", &error).finish()
        }
    }
}

pub(in super::super) fn health_ping(timestamp: u64) -> Outbound {
    Object::of_type("health_ping").raw("timestamp", timestamp.to_string().as_bytes()).finish()
}

pub(in super::super) fn health_pong(timestamp: &Json) -> Outbound {
    Object::of_type("health_pong").raw("timestamp", timestamp.as_bytes()).finish()
}
