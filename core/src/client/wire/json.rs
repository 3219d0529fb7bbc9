//! Text messages of a server.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::name::{NameError, RoomName, UserName};
use crate::protocol::payload::{Json, Payload};
use crate::protocol::position::Position;
use crate::protocol::to_client::{Direct, Publication};

use super::super::action::{Delivery, Refused};
use super::{Greeting, ServerMessage, Session};

/// The fields of a message, each still unread: those that its type does not have may be anything.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    room: Option<&'a RawValue>,
    #[serde(borrow)]
    user: Option<&'a RawValue>,
    #[serde(borrow)]
    from: Option<&'a RawValue>,
    #[serde(borrow)]
    event_id: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    binary: Option<&'a RawValue>,
    #[serde(borrow)]
    position: Option<&'a RawValue>,
    #[serde(borrow)]
    since: Option<&'a RawValue>,
    #[serde(borrow)]
    recovered: Option<&'a RawValue>,
    #[serde(borrow)]
    members: Option<&'a RawValue>,
    #[serde(borrow)]
    total: Option<&'a RawValue>,
    #[serde(borrow)]
    events: Option<&'a RawValue>,
    #[serde(borrow)]
    more: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    dropped: Option<&'a RawValue>,
    #[serde(borrow)]
    reason: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    retry_after_ms: Option<&'a RawValue>,
    #[serde(borrow)]
    client_id: Option<&'a RawValue>,
    #[serde(borrow)]
    session: Option<&'a RawValue>,
    #[serde(borrow)]
    rooms: Option<&'a RawValue>,
    #[serde(borrow)]
    heartbeat: Option<&'a RawValue>,
    #[serde(borrow)]
    limits: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct InRoom {
    room: String,
    position: String,
}

#[derive(Deserialize)]
struct Heartbeat {
    stale_after_ms: Option<u64>,
}

#[derive(Deserialize)]
struct Limits {
    max_message_bytes: Option<usize>,
}

pub(super) fn decode(text: &str) -> Option<ServerMessage> {
    let fields: Fields<'_> = serde_json::from_str(text).ok()?;
    let kind: String = read(fields.kind)?;
    Some(match kind.as_str() {
        "connected" => ServerMessage::Connected(greeting(&fields)?),
        "joined" => ServerMessage::Joined {
            id: optional(fields.id)?,
            room: name(fields.room)?,
            position: position(fields.position)?,
            recovered: read_optional(fields.recovered)?,
        },
        "left" => ServerMessage::Left { id: optional(fields.id)?, room: name(fields.room)? },
        "members" => ServerMessage::Members {
            id: optional(fields.id)?,
            members: names(fields.members)?,
            total: read(fields.total)?,
        },
        "history" => ServerMessage::History {
            id: optional(fields.id)?,
            events: events(&name(fields.room)?, fields.events)?,
            position: position(fields.position)?,
            more: read(fields.more)?,
        },
        "ack" => ServerMessage::Ack {
            id: name(fields.id)?,
            event_id: fields.event_id.map_or(Some(None), |raw| position(Some(raw)).map(Some))?,
            payload: fields.payload.map(json),
        },
        "error" => ServerMessage::Error {
            id: optional(fields.id)?,
            room: optional(fields.room)?,
            refused: Refused { code: shared(fields.code)?, message: shared(fields.message)? },
        },
        "health_ping" => ServerMessage::HealthPing {
            timestamp: match fields.timestamp?.get().as_bytes() {
                [b'-' | b'0'..=b'9', ..] => Json::from_raw(fields.timestamp?),
                _ => return None,
            },
        },
        "health_pong" => ServerMessage::HealthPong,
        "request" => ServerMessage::Request {
            id: name(fields.id)?,
            method: shared(fields.method)?,
            payload: payload(&fields),
        },
        "draining" => ServerMessage::Draining {
            retry_after: Duration::from_millis(read(fields.retry_after_ms)?),
        },
        "direct" => super::delivered_direct(Direct {
            kind: None,
            from: optional(fields.from)?,
            id: optional(fields.id)?,
            unix_ms: read(fields.timestamp)?,
            payload: payload(&fields),
        }),
        "member_joined" => ServerMessage::Delivery(Delivery::MemberJoined {
            room: name(fields.room)?,
            user: name(fields.user)?,
        }),
        "member_left" => ServerMessage::Delivery(Delivery::MemberLeft {
            room: name(fields.room)?,
            user: name(fields.user)?,
        }),
        "gap" => ServerMessage::Delivery(Delivery::Gap {
            room: name(fields.room)?,
            since: position(fields.since)?,
            position: position(fields.position)?,
            dropped: read(fields.dropped)?,
        }),
        "refresh" => ServerMessage::Delivery(Delivery::Refresh {
            room: name(fields.room)?,
            reason: shared(fields.reason)?,
            position: position(fields.position)?,
            payload: fields.payload.map(json),
        }),
        _ => super::delivered(publication(&fields, &name(fields.room)?)?),
    })
}

fn publication(fields: &Fields<'_>, room: &RoomName) -> Option<Publication> {
    Some(Publication {
        room: room.clone(),
        position: position(fields.event_id)?,
        kind: name(fields.kind)?,
        from: optional(fields.from)?,
        id: optional(fields.id)?,
        key: None,
        unix_ms: read(fields.timestamp)?,
        payload: match fields.binary {
            Some(raw) => {
                let text: String = read(Some(raw))?;
                Payload::Binary(STANDARD.decode(text).ok()?.into())
            }
            None => payload(fields),
        },
    })
}

fn events(room: &RoomName, raw: Option<&RawValue>) -> Option<Vec<Publication>> {
    let events: Vec<Fields<'_>> = serde_json::from_str(raw?.get()).ok()?;
    events.iter().map(|fields| publication(fields, room)).collect()
}

fn greeting(fields: &Fields<'_>) -> Option<Greeting> {
    let rooms: Option<Vec<InRoom>> = read_optional(fields.rooms)?;
    let in_room =
        |room: InRoom| Some((RoomName::new(&room.room).ok()?, room.position.parse().ok()?));
    let heartbeat: Option<Heartbeat> = read_optional(fields.heartbeat)?;
    let limits: Option<Limits> = read_optional(fields.limits)?;
    let session: Option<String> = read_optional(fields.session)?;
    let client_id: Option<String> = read_optional(fields.client_id)?;
    Some(Greeting {
        client_id: client_id.map(Arc::from),
        user: optional(fields.user)?,
        session: session.and_then(|session| Session::new(&session)),
        rooms: rooms.unwrap_or_default().into_iter().map(in_room).collect::<Option<_>>()?,
        stale_after: heartbeat.and_then(|times| times.stale_after_ms).map(Duration::from_millis),
        max_message_bytes: limits.and_then(|limits| limits.max_message_bytes),
    })
}

fn json(raw: &RawValue) -> Payload {
    Payload::Json(Json::from_raw(raw))
}

fn payload(fields: &Fields<'_>) -> Payload {
    fields.payload.map_or_else(Payload::null, json)
}

fn read<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

/// `None` when it is there and cannot be read.
fn read_optional<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<Option<T>> {
    match raw {
        Some(_) => read(raw).map(Some),
        None => Some(None),
    }
}

fn shared(raw: Option<&RawValue>) -> Option<Arc<str>> {
    read::<String>(raw).map(Arc::from)
}

fn name<T>(raw: Option<&RawValue>) -> Option<T>
where
    T: for<'t> TryFrom<&'t str, Error = NameError>,
{
    T::try_from(&read::<String>(raw)?).ok()
}

fn optional<T>(raw: Option<&RawValue>) -> Option<Option<T>>
where
    T: for<'t> TryFrom<&'t str, Error = NameError>,
{
    match raw {
        Some(_) => name(raw).map(Some),
        None => Some(None),
    }
}

fn names(raw: Option<&RawValue>) -> Option<Vec<UserName>> {
    let texts: Vec<String> = read(raw)?;
    texts.iter().map(|text| UserName::new(text).ok()).collect()
}

fn position(raw: Option<&RawValue>) -> Option<Position> {
    read::<String>(raw)?.parse().ok()
}
