//! Text messages to clients.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::protocol::codec::binary;
use crate::protocol::codec::frame::{Frame, FrameBuilder, Opcode};
use crate::protocol::message_type as types;
use crate::protocol::name::{RoomName, UserName};
use crate::protocol::payload::{Json, Payload};
use crate::protocol::position::Beginning;
use crate::protocol::refusal::Refusal;
use crate::protocol::server_message::{Delivery, Greeting, Refused, ServerMessage, SessionToken};
use crate::protocol::to_client::{Direct, Message, Publication, Welcome};
use crate::protocol::version::{PROTOCOL_FEATURES, PROTOCOL_VERSION};

use super::write::{List, Serialized, object};
use super::{Field, Object, Value, fields, name};

fields! {
    Fields {
        kind as "type", protocol, features, id, client_id, user, session, room, rooms, heartbeat, limits, from,
        event_id, timestamp, payload, binary, position, since, dropped, reason, recovered, members,
        total, events, more, code, message, method, retry_after_ms,
    }
    write only { held, field, }
}

fields! {
    /// One of the rooms in `connected`.
    RoomPosition { room, position, }
    write only { recovered, }
}

#[derive(Serialize, Deserialize)]
struct Heartbeat {
    #[serde(skip_deserializing)]
    interval_ms: u64,
    stale_after_ms: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Limits {
    max_message_bytes: Option<usize>,
    #[serde(skip_deserializing)]
    max_rooms: Option<u32>,
    #[serde(skip_deserializing)]
    messages_per_second: u32,
    #[serde(skip_deserializing)]
    message_burst: u32,
}

/// What field names and numbers usually add to [`Message::cost_bytes`].
const FIXED: usize = 96;

pub(in super::super) fn encode(message: &Message) -> Frame {
    match message {
        Message::Connected(welcome) => text(message, types::CONNECTED, |it| connected(it, welcome)),
        Message::Joined { id, room, beginning: Beginning { position, recovered }, members } => {
            text(message, types::JOINED, |it| {
                let it = it.id(id.as_deref()).room(room.as_str()).position(*position);
                it.recovered(*recovered).members(*members)
            })
        }
        Message::Left { id, room } => {
            text(message, types::LEFT, |it| it.id(id.as_deref()).room(room.as_str()))
        }
        Message::MemberJoined { room, user } => {
            text(message, types::MEMBER_JOINED, |it| it.room(room.as_str()).user(user.as_str()))
        }
        Message::MemberLeft { room, user } => {
            text(message, types::MEMBER_LEFT, |it| it.room(room.as_str()).user(user.as_str()))
        }
        Message::Publication(event) => match &event.payload {
            Payload::Json(_) => {
                text(message, &event.kind, |it| publication(it, event, Some(&event.room)))
            }
            Payload::Binary(bytes) => binary::to_client::publication(event, bytes),
        },
        Message::Direct(direct) => match &direct.payload {
            Payload::Json(json) => text(message, types::DIRECT, |it| {
                let it = it.from(direct.from.as_deref()).id(direct.id.as_deref());
                it.timestamp(direct.unix_ms).payload(json)
            }),
            Payload::Binary(bytes) => binary::to_client::direct(direct, bytes),
        },
        Message::Members { id, room, members, total } => text(message, types::MEMBERS, |it| {
            let members = List(members.iter().map(UserName::as_str));
            it.id(id.as_deref()).room(room.as_str()).members(members).total(*total)
        }),
        Message::Ack { id, position } => {
            text(message, types::ACK, |it| it.id(id.as_str()).event_id(*position))
        }
        Message::Reply { id, payload } => match payload {
            Payload::Json(json) => text(message, types::ACK, |it| it.id(id.as_str()).payload(json)),
            Payload::Binary(bytes) => binary::to_client::reply(id, bytes),
        },
        Message::Error { id, room, refusal: Refusal { code, message: words, field } } => {
            text(message, types::ERROR, |it| {
                let it = it.id(id.as_deref()).room(room.as_deref()).code(code.as_str());
                it.message(&**words).field(field.as_deref())
            })
        }
        Message::History { id, room, events, position, more } => {
            text(message, types::HISTORY, |it| {
                let it = it.id(id.as_deref()).room(room.as_str()).position(*position).more(*more);
                it.events(List(events.iter().map(|event| {
                    object(|it: Writer<'_>| publication(it.kind(&*event.kind), event, None))
                })))
            })
        }
        Message::Request { id, method, payload } => text(message, types::REQUEST, |it| {
            with_payload(it.id(id.as_str()).method(method.as_str()), payload)
        }),
        Message::Refresh { room, reason, position, payload } => {
            text(message, types::REFRESH, |it| {
                let it = it.room(room.as_str()).reason(reason.as_str()).position(*position);
                match payload {
                    Some(payload) => with_payload(it, payload),
                    None => it,
                }
            })
        }
        Message::HealthPing { timestamp } => {
            text(message, types::HEALTH_PING, |it| it.timestamp(*timestamp))
        }
        Message::HealthPong { timestamp } => {
            text(message, types::HEALTH_PONG, |it| it.timestamp(timestamp))
        }
        Message::Gap { room, since, position, dropped } => text(message, types::GAP, |it| {
            it.room(room.as_str()).since(*since).position(*position).dropped(*dropped)
        }),
        Message::Draining { retry_after } => text(message, types::DRAINING, |it| {
            it.retry_after_ms(u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX))
        }),
        Message::Raw(frame) => Frame::whole(Opcode::Text, frame.as_bytes()),
    }
}

type Writer<'o> = Object<'o, Fields<'static>>;

fn text(
    message: &Message,
    kind: &str,
    fields: impl for<'o> FnOnce(Writer<'o>) -> Writer<'o>,
) -> Frame {
    let mut builder = FrameBuilder::new(FIXED + message.cost_bytes());
    fields(Object::new(&mut builder.0).kind(kind)).end();
    builder.finish(Opcode::Text, &Bytes::new())
}

/// Within `history`, which names the room itself, a publication has none.
fn publication<'o>(it: Writer<'o>, event: &Publication, room: Option<&str>) -> Writer<'o> {
    let it = it.room(room).from(event.from.as_deref()).id(event.id.as_deref());
    with_payload(it.event_id(event.position).timestamp(event.unix_ms), &event.payload)
}

/// Adds a payload of either kind to a text message.
fn with_payload<'o>(it: Writer<'o>, payload: &Payload) -> Writer<'o> {
    match payload {
        Payload::Json(json) => it.payload(json),
        Payload::Binary(bytes) => it.binary(&*STANDARD.encode(bytes)),
    }
}

fn connected<'o>(it: Writer<'o>, welcome: &Welcome) -> Writer<'o> {
    let Welcome { client, user, session, held, rooms, terms, unix_ms } = welcome;
    let millis = |duration: Duration| duration.as_millis() as u64;
    let held = (!held.is_empty()).then(|| List(held.iter().map(RoomName::as_str)));
    let rooms = rooms.iter().map(|(room, Beginning { position, recovered })| {
        object(|it: Object<'_, RoomPosition<'_>>| {
            it.room(room.as_str()).position(*position).recovered(*recovered)
        })
    });
    let heartbeat = Heartbeat {
        interval_ms: millis(terms.heartbeat_interval),
        stale_after_ms: Some(millis(terms.stale_after)),
    };
    let limits = Limits {
        max_message_bytes: Some(terms.max_message_bytes),
        max_rooms: terms.max_rooms,
        messages_per_second: terms.messages_per_second,
        message_burst: terms.message_burst,
    };
    let it = it.protocol(PROTOCOL_VERSION).features(List(PROTOCOL_FEATURES));
    let it = it.client_id(&*client.to_string()).user(user.as_str()).session(&*session.to_string());
    let it = it.held(held).rooms(List(rooms)).heartbeat(Serialized(heartbeat));
    it.limits(Serialized(limits)).timestamp(*unix_ms)
}

pub(in super::super) fn decode(text: &str) -> Option<ServerMessage> {
    serde_json::from_str(text).ok().and_then(|fields| read(&fields).ok())
}

fn read(fields: &Fields<'_>) -> Result<ServerMessage, Refusal> {
    let id = || fields.id().optional(Field::name);
    let room = || fields.room().name();
    let position = || fields.position().position();
    let optional_payload = || fields.payload().optional(|field| Ok(field.payload()));
    Ok(match &*fields.kind().text()? {
        types::CONNECTED => ServerMessage::Connected(greeting(fields)?),
        types::JOINED => ServerMessage::Joined {
            id: id()?,
            room: room()?,
            position: position()?,
            recovered: fields.recovered().optional(Field::read)?,
        },
        types::LEFT => ServerMessage::Left { id: id()?, room: room()? },
        types::MEMBERS => ServerMessage::Members {
            id: id()?,
            members: members(fields.members())?,
            total: fields.total().read()?,
        },
        types::HISTORY => ServerMessage::History {
            id: id()?,
            events: events(&room()?, fields.events())?,
            position: position()?,
            more: fields.more().read()?,
        },
        types::ACK => ServerMessage::Ack {
            id: fields.id().name()?,
            event_id: fields.event_id().optional(Field::position)?,
            payload: optional_payload()?,
        },
        types::ERROR => ServerMessage::Error {
            id: id()?,
            room: fields.room().optional(Field::name)?,
            refused: Refused { code: fields.code().shared()?, message: fields.message().shared()? },
        },
        types::HEALTH_PING => {
            ServerMessage::HealthPing { timestamp: Json::from_raw(fields.timestamp().number()?) }
        }
        types::HEALTH_PONG => ServerMessage::HealthPong,
        types::REQUEST => ServerMessage::Request {
            id: fields.id().name()?,
            method: fields.method().shared()?,
            payload: fields.payload().payload(),
        },
        types::DRAINING => ServerMessage::Draining {
            retry_after: Duration::from_millis(fields.retry_after_ms().read()?),
        },
        types::DIRECT => ServerMessage::Delivery(Delivery::Direct(Direct {
            kind: None,
            from: fields.from().optional(Field::name)?,
            id: id()?,
            unix_ms: fields.timestamp().read()?,
            payload: fields.payload().payload(),
        })),
        types::MEMBER_JOINED => ServerMessage::Delivery(Delivery::MemberJoined {
            room: room()?,
            user: fields.user().name()?,
        }),
        types::MEMBER_LEFT => ServerMessage::Delivery(Delivery::MemberLeft {
            room: room()?,
            user: fields.user().name()?,
        }),
        types::GAP => ServerMessage::Delivery(Delivery::Gap {
            room: room()?,
            since: fields.since().position()?,
            position: position()?,
            dropped: fields.dropped().read()?,
        }),
        types::REFRESH => ServerMessage::Delivery(Delivery::Refresh {
            room: room()?,
            reason: fields.reason().shared()?,
            position: position()?,
            payload: optional_payload()?,
        }),
        _ => ServerMessage::Delivery(Delivery::Publication(published(fields, &room()?)?)),
    })
}

fn published(fields: &Fields<'_>, room: &RoomName) -> Result<Publication, Refusal> {
    let binary = |field: Field<'_>| {
        let bytes = STANDARD.decode(field.text()?.as_bytes());
        bytes.map(|bytes| Payload::Binary(bytes.into())).map_err(|error| field.wrong(error))
    };
    Ok(Publication {
        room: room.clone(),
        position: fields.event_id().position()?,
        kind: fields.kind().name()?,
        from: fields.from().optional(Field::name)?,
        id: fields.id().optional(Field::name)?,
        key: None,
        unix_ms: fields.timestamp().read()?,
        payload: match fields.binary().optional(binary)? {
            Some(payload) => payload,
            None => fields.payload().payload(),
        },
    })
}

fn events(room: &RoomName, field: Field<'_>) -> Result<Vec<Publication>, Refusal> {
    field.read::<Vec<Fields<'_>>>()?.iter().map(|fields| published(fields, room)).collect()
}

fn members(field: Field<'_>) -> Result<Vec<UserName>, Refusal> {
    let name = |name: &String| UserName::new(name).map_err(|error| field.wrong(error));
    field.read::<Vec<String>>()?.iter().map(name).collect()
}

fn greeting(fields: &Fields<'_>) -> Result<Greeting, Refusal> {
    let rooms: Option<Vec<RoomPosition<'_>>> = fields.rooms().optional(Field::read)?;
    let in_room = |it: RoomPosition<'_>| Ok((it.room().name()?, it.position().position()?));
    let heartbeat: Option<Heartbeat> = fields.heartbeat().optional(Field::read)?;
    let limits: Option<Limits> = fields.limits().optional(Field::read)?;
    let session = fields.session().optional(Field::text)?;
    let features: Option<Vec<String>> = fields.features().optional(Field::read)?;
    Ok(Greeting {
        protocol: fields.protocol().optional(Field::read)?,
        features: features.unwrap_or_default().into_iter().map(Arc::from).collect(),
        client_id: fields.client_id().optional(Field::shared)?,
        user: fields.user().optional(Field::name)?,
        session: session.and_then(|session| SessionToken::new(&session)),
        rooms: rooms.unwrap_or_default().into_iter().map(in_room).collect::<Result<_, _>>()?,
        stale_after: heartbeat.and_then(|it| it.stale_after_ms).map(Duration::from_millis),
        max_message_bytes: limits.and_then(|limits| limits.max_message_bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::name::{Kind, MessageId};
    use crate::protocol::position::{Epoch, Position};

    /// Compares with what a serialiser writes, and checks that the client reads it.
    #[test]
    fn a_publication_is_what_a_serialiser_would_write() {
        for number in [0, 1, 9, 10, 1_790_000_000_000, u64::MAX] {
            for text in ["x", "a\"b", "\\", "a/b", "Zoë 🦀\u{2028}"] {
                let mut publication = Publication {
                    room: RoomName::new(text).unwrap(),
                    position: Position { epoch: Epoch(number), offset: number },
                    kind: Kind::new(text).unwrap(),
                    from: (number > 0).then(|| UserName::new(text).unwrap()),
                    id: (number > 1).then(|| MessageId::new(text).unwrap()),
                    key: None,
                    unix_ms: number,
                    payload: Payload::Json(Json::parse("[1]").unwrap()),
                };
                let quoted = serde_json::to_string(text).unwrap();
                let (from, id) = (
                    if number > 0 { alloc::format!(",\"from\":{quoted}") } else { String::new() },
                    if number > 1 { alloc::format!(",\"id\":{quoted}") } else { String::new() },
                );
                let position = publication.position;
                let expected = alloc::format!(
                    "{{\"type\":{quoted},\"room\":{quoted}{from}{id},\"event_id\":\"{position}\",\
                     \"timestamp\":{number},\"payload\":[1]}}"
                );
                let frame = encode(&Message::Publication(Arc::new(publication.clone())));
                assert_eq!(String::from_utf8(frame.payload().concat()).unwrap(), expected);
                publication.payload = Payload::Binary(Bytes::from_static(b"x"));
                let mut past = Vec::new();
                let it = Object::new(&mut past).kind(&*publication.kind);
                super::publication(it, &publication, None).end();
                let expected = expected
                    .replace(&alloc::format!("\"room\":{quoted},"), "")
                    .replace("\"payload\":[1]", "\"binary\":\"eA==\"");
                assert_eq!(String::from_utf8(past).unwrap(), expected);
            }
        }
    }
}
