//! Messages to clients: JSON in text frames, and binary frames for binary payloads.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Serialize, Serializer};

use crate::protocol::name::{MessageId, UserName};
use crate::protocol::payload::Payload;
use crate::protocol::position::{Beginning, Position, Session};
use crate::protocol::refusal::Refusal;
use crate::protocol::to_client::{Message, Publication, Welcome};

use super::frame::{Frame, FrameBuilder, Opcode};
use super::{binary, publication};

pub(super) fn encode(message: &Message) -> Frame {
    match message {
        Message::Connected(welcome) => text(&Connected::from(&**welcome), None),
        Message::Joined { id, room, beginning, members } => text(
            &Joined {
                kind: "joined",
                id: id.as_deref(),
                room,
                position: Text(beginning.position),
                recovered: beginning.recovered,
                members: *members,
            },
            None,
        ),
        Message::Left { id, room } => text(&Left { kind: "left", id: id.as_deref(), room }, None),
        Message::MemberJoined { room, user } => {
            text(&Member { kind: "member_joined", room, user }, None)
        }
        Message::MemberLeft { room, user } => {
            text(&Member { kind: "member_left", room, user }, None)
        }
        Message::Publication(event) => match &event.payload {
            Payload::Json(json) => publication::encode(event, json.as_bytes()),
            Payload::Binary(payload) => binary::publication(event, payload),
        },
        Message::Direct(direct) => match &direct.payload {
            Payload::Json(json) => text(
                &Direct {
                    kind: "direct",
                    from: direct.from.as_deref(),
                    id: direct.id.as_deref(),
                    timestamp: direct.unix_ms,
                },
                Some(json.as_bytes()),
            ),
            Payload::Binary(payload) => binary::direct(direct, payload),
        },
        Message::Members { id, room, members, total } => {
            let members = members.iter().map(UserName::as_str).collect();
            text(
                &Members { kind: "members", id: id.as_deref(), room, members, total: *total },
                None,
            )
        }
        Message::Ack { id, position } => {
            text(&Ack { kind: "ack", id, event_id: position.map(Text) }, None)
        }
        Message::Reply { id, payload } => match payload {
            Payload::Json(json) => {
                text(&Ack { kind: "ack", id, event_id: None }, Some(json.as_bytes()))
            }
            Payload::Binary(payload) => binary::reply(id, payload),
        },
        Message::Error { id, room, refusal } => {
            text(&Failed::new(id.as_ref(), room.as_deref(), refusal), None)
        }
        Message::History { id, room, events, position, more } => {
            let id = id.as_deref();
            let history =
                History { kind: "history", id, room, position: Text(*position), more: *more };
            field(&history, "events", &list(events))
        }
        Message::Request { id, method, payload } => {
            with_payload(&Request { kind: "request", id, method }, payload)
        }
        Message::Refresh { room, reason, position, payload } => {
            let refresh = Refresh {
                kind: "refresh",
                room,
                reason: reason.as_str(),
                position: Text(*position),
            };
            match payload {
                Some(payload) => with_payload(&refresh, payload),
                None => text(&refresh, None),
            }
        }
        Message::HealthPing { timestamp } => {
            text(&HealthPing { kind: "health_ping", timestamp: *timestamp }, None)
        }
        Message::HealthPong { timestamp } => {
            field(&Kind { kind: "health_pong" }, "timestamp", timestamp.as_bytes())
        }
        Message::Gap { room, since, position, dropped } => text(
            &Gap {
                kind: "gap",
                room,
                since: Text(*since),
                position: Text(*position),
                dropped: *dropped,
            },
            None,
        ),
        Message::Draining { retry_after } => {
            let retry_after_ms = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
            text(&Draining { kind: "draining", retry_after_ms }, None)
        }
        Message::Raw(frame) => Frame::whole(Opcode::Text, frame.as_bytes()),
    }
}

fn text(message: &impl Serialize, payload: Option<&[u8]>) -> Frame {
    match payload {
        Some(payload) => field(message, "payload", payload),
        None => finish(write(message, 0)),
    }
}

/// A message whose last field is JSON already: it is copied in as it is.
fn field(message: &impl Serialize, name: &str, value: &[u8]) -> Frame {
    let mut builder = write(message, name.len() + value.len() + 4);
    append(&mut builder.0, name, value);
    finish(builder)
}

/// Puts one more field at the end of a JSON object.
fn append(object: &mut Vec<u8>, name: &str, value: &[u8]) {
    object.pop();
    object.extend_from_slice(b",\"");
    object.extend_from_slice(name.as_bytes());
    object.extend_from_slice(b"\":");
    object.extend_from_slice(value);
    object.push(b'}');
}

/// A message with its payload in text, whatever it is.
fn with_payload(message: &impl Serialize, payload: &Payload) -> Frame {
    match payload {
        Payload::Json(json) => field(message, "payload", json.as_bytes()),
        Payload::Binary(bytes) => field(message, "binary", base64(bytes).as_bytes()),
    }
}

fn base64(bytes: &[u8]) -> String {
    alloc::format!("\"{}\"", STANDARD.encode(bytes))
}

/// The publications in an answer to `history`.
fn list(events: &[Arc<Publication>]) -> Vec<u8> {
    let mut list = Vec::from(b"[");
    for event in events {
        if list.len() > 1 {
            list.push(b',');
        }
        match &event.payload {
            Payload::Json(json) => {
                publication::write(&mut list, event, false, "payload", json.as_bytes());
            }
            Payload::Binary(bytes) => {
                publication::write(&mut list, event, false, "binary", base64(bytes).as_bytes());
            }
        }
    }
    list.push(b']');
    list
}

fn write(message: &impl Serialize, more: usize) -> FrameBuilder {
    // Structs of strings and numbers, written to memory: there is nothing that could fail.
    let json = serde_json::to_vec(message);
    debug_assert!(json.is_ok(), "{json:?}");
    let json = json.unwrap_or_default();
    let mut builder = FrameBuilder::new(json.len() + more);
    builder.0.extend_from_slice(&json);
    builder
}

fn finish(builder: FrameBuilder) -> Frame {
    builder.finish(Opcode::Text, &Bytes::new())
}

/// Written as its `Display` text.
struct Text<T>(T);

impl<T: core::fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(Serialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct Connected<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    client_id: String,
    user: &'a str,
    session: Text<Session>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    held: Vec<&'a str>,
    rooms: Vec<RoomPosition<'a>>,
    heartbeat: HeartbeatTimes,
    limits: Limits,
    timestamp: u64,
}

#[derive(Serialize)]
struct RoomPosition<'a> {
    room: &'a str,
    position: Text<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered: Option<bool>,
}

#[derive(Serialize)]
struct HeartbeatTimes {
    interval_ms: u64,
    stale_after_ms: u64,
}

#[derive(Serialize)]
struct Limits {
    max_message_bytes: usize,
    max_rooms: Option<u32>,
    messages_per_second: u32,
    message_burst: u32,
}

impl<'a> From<&'a Welcome> for Connected<'a> {
    fn from(welcome: &'a Welcome) -> Self {
        let terms = &welcome.terms;
        let millis = |duration: core::time::Duration| duration.as_millis() as u64;
        Self {
            kind: "connected",
            client_id: welcome.client.to_string(),
            user: &welcome.user,
            session: Text(welcome.session),
            held: welcome.held.iter().map(|room| room.as_str()).collect(),
            rooms: welcome
                .rooms
                .iter()
                .map(|(room, Beginning { position, recovered })| RoomPosition {
                    room,
                    position: Text(*position),
                    recovered: *recovered,
                })
                .collect(),
            heartbeat: HeartbeatTimes {
                interval_ms: millis(terms.heartbeat_interval),
                stale_after_ms: millis(terms.stale_after),
            },
            limits: Limits {
                max_message_bytes: terms.max_message_bytes,
                max_rooms: terms.max_rooms,
                messages_per_second: terms.messages_per_second,
                message_burst: terms.message_burst,
            },
            timestamp: welcome.unix_ms,
        }
    }
}

#[derive(Serialize)]
struct Joined<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    room: &'a str,
    position: Text<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<usize>,
}

#[derive(Serialize)]
struct Left<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    room: &'a str,
}

#[derive(Serialize)]
struct Member<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    room: &'a str,
    user: &'a str,
}

#[derive(Serialize)]
struct History<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    room: &'a str,
    position: Text<Position>,
    more: bool,
}

#[derive(Serialize)]
struct Request<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    method: &'a str,
}

#[derive(Serialize)]
struct Refresh<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    room: &'a str,
    reason: &'static str,
    position: Text<Position>,
}

#[derive(Serialize)]
struct Direct<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    timestamp: u64,
}

#[derive(Serialize)]
struct Members<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    room: &'a str,
    members: Vec<&'a str>,
    total: usize,
}

#[derive(Serialize)]
struct Ack<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<Text<Position>>,
}

#[derive(Serialize)]
struct Failed<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

impl<'a> Failed<'a> {
    fn new(id: Option<&'a MessageId>, room: Option<&'a str>, refusal: &'a Refusal) -> Self {
        Self {
            kind: "error",
            id: id.map(MessageId::as_str),
            room,
            code: refusal.code.as_str(),
            message: &refusal.message,
            field: refusal.field.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct HealthPing {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: u64,
}

#[derive(Serialize)]
struct Gap<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    room: &'a str,
    since: Text<Position>,
    position: Text<Position>,
    dropped: u64,
}

#[derive(Serialize)]
struct Draining {
    #[serde(rename = "type")]
    kind: &'static str,
    retry_after_ms: u64,
}
