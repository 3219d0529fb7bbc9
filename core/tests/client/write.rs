//! Writes actions in the format of vectors.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use switchboard_core::client::{
    Accepted, Cause, CloseFrame, Delivery, Failure, Joined, Machine, MachineAction, Members,
    Outbound, Refused, RoomChange, RoomHistory, Settled, State,
};
use switchboard_core::{Payload, Publication};

/// An object without the fields that are null.
fn object(value: Value) -> Map<String, Value> {
    let Value::Object(fields) = value else { panic!("{value} is not an object") };
    fields.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

fn with_payload(value: Value, payload: Option<&Payload>) -> Value {
    let mut fields = object(value);
    match payload {
        Some(Payload::Json(json)) => {
            let json = serde_json::from_slice(json.as_bytes()).expect("JSON");
            fields.insert("payload".into(), json);
        }
        Some(Payload::Binary(bytes)) => {
            fields.insert("binary".into(), STANDARD.encode(bytes).into());
        }
        None => {}
    }
    fields.into()
}

fn text(value: Option<&impl AsRef<str>>) -> Option<&str> {
    value.map(AsRef::as_ref)
}

/// The next deadline, in milliseconds.
pub(crate) fn deadline(client: &Machine) -> Value {
    client.next_deadline().map_or(Value::Null, |deadline| deadline.as_millis().into())
}

/// An action of a vector.
pub(crate) fn action(action: &MachineAction) -> Value {
    match action {
        MachineAction::Drop { code } => json!({ "drop": object(json!({ "code": code })) }),
        MachineAction::State { state, cause } => {
            json!({ "state": state_of(*state, cause.as_ref()) })
        }
        MachineAction::Deliver(delivery) => json!({ "deliver": delivered(delivery) }),
        MachineAction::Requested { id, method, payload } => {
            let fields = json!({ "id": id.as_str(), "method": &**method });
            json!({ "requested": with_payload(fields, Some(payload)) })
        }
        MachineAction::Room { room, change } => {
            let (what, fields) = match change {
                RoomChange::Joined(joined) => ("joined", joined_of(joined)),
                RoomChange::Left(None) => ("left", json!({})),
                RoomChange::Left(Some(Refused { code, message })) => {
                    ("left", json!({ "code": &**code, "message": &**message }))
                }
            };
            json!({ "room": { "room": room.as_str(), what: fields } })
        }
        MachineAction::Settled { ticket, result: Ok(settled) } => {
            json!({ "settled": { "ticket": ticket.0, "ok": settled_of(settled) } })
        }
        MachineAction::Settled { ticket, result: Err(failure) } => {
            let message = match failure {
                Failure::Refused(Refused { message, .. }) => Some(&**message),
                Failure::Timeout
                | Failure::Disconnected
                | Failure::BufferFull
                | Failure::TooBig
                | Failure::ReservedType
                | Failure::TooManyRooms
                | Failure::Left
                | Failure::Stopped
                | Failure::Closed => None,
            };
            let error = object(json!({ "code": failure.code(), "message": message }));
            json!({ "settled": { "ticket": ticket.0, "error": error } })
        }
        MachineAction::AskToken => json!({ "ask_token": {} }),
        MachineAction::Dial { token, session } => {
            let token = token.as_ref().map(|token| token.as_str());
            let session = session.as_ref().map(|session| session.as_str());
            json!({ "dial": object(json!({ "token": token, "session": session })) })
        }
        MachineAction::Transmit(Outbound::Text(text)) => {
            json!({ "transmit": serde_json::from_str::<Value>(text).expect("JSON") })
        }
        MachineAction::Transmit(Outbound::Binary(bytes)) => json!({ "transmit": frame(bytes) }),
    }
}

fn state_of(state: State, cause: Option<&Cause>) -> Value {
    let (name, retry_in) = match state {
        State::Idle => ("idle", None),
        State::Connecting => ("connecting", None),
        State::Open => ("open", None),
        State::Waiting { retry_in } => ("waiting", Some(retry_in.as_millis() as u64)),
        State::Closed => ("closed", None),
    };
    let (code, reason) = match cause {
        Some(Cause::Closed(CloseFrame { code, reason })) => (Some(*code), text(reason.as_ref())),
        Some(Cause::Refused { status, code }) => (Some(*status), text(code.as_ref())),
        Some(Cause::NoToken(why)) => (None, Some(&**why)),
        Some(Cause::Lost | Cause::TimedOut | Cause::Stale) | None => (None, None),
    };
    object(json!({ "state": name, "retry_in_ms": retry_in, "code": code, "reason": reason })).into()
}

fn joined_of(Joined { position, recovered }: &Joined) -> Value {
    object(json!({ "position": position.to_string(), "recovered": recovered })).into()
}

fn settled_of(settled: &Settled) -> Value {
    match settled {
        Settled::Joined(joined) => joined_of(joined),
        Settled::Left => json!({}),
        Settled::Accepted(Accepted { event_id, payload }) => {
            let event_id = event_id.map(|position| position.to_string());
            with_payload(json!({ "event_id": event_id }), payload.as_ref())
        }
        Settled::Members(Members { users: members, total }) => {
            let members: Vec<_> = members.iter().map(|user| user.as_str()).collect();
            json!({ "members": members, "total": total })
        }
        Settled::History(RoomHistory { events, position, more }) => {
            let events: Vec<_> = events.iter().map(|event| published(event, false)).collect();
            json!({ "events": events, "position": position.to_string(), "more": more })
        }
    }
}

fn published(publication: &Publication, with_room: bool) -> Value {
    let fields = json!({
        "type": publication.kind.as_str(),
        "room": with_room.then_some(publication.room.as_str()),
        "from": publication.from.as_deref(),
        "id": publication.id.as_deref(),
        "event_id": publication.position.to_string(),
        "timestamp": publication.unix_ms,
    });
    with_payload(fields, Some(&publication.payload))
}

fn delivered(delivery: &Delivery) -> Value {
    match delivery {
        Delivery::Publication(publication) => published(publication, true),
        Delivery::Direct(direct) => {
            let fields = json!({
                "type": "direct",
                "from": direct.from.as_deref(),
                "id": direct.id.as_deref(),
                "timestamp": direct.unix_ms,
            });
            with_payload(fields, Some(&direct.payload))
        }
        Delivery::MemberJoined { room, user } => {
            json!({ "type": "member_joined", "room": room.as_str(), "user": user.as_str() })
        }
        Delivery::MemberLeft { room, user } => {
            json!({ "type": "member_left", "room": room.as_str(), "user": user.as_str() })
        }
        Delivery::Gap { room, since, position, dropped } => json!({
            "type": "gap",
            "room": room.as_str(),
            "since": since.to_string(),
            "position": position.to_string(),
            "dropped": dropped,
        }),
        Delivery::Refresh { room, reason, position, payload } => {
            let fields = json!({
                "type": "refresh",
                "room": room.as_str(),
                "reason": &**reason,
                "position": position.to_string(),
            });
            with_payload(fields, payload.as_ref())
        }
    }
}

/// A client's binary frame, read by the table in PROTOCOL.md.
fn frame(bytes: &[u8]) -> Value {
    let [1, kind, target, name, id, 0, 0, 0, rest @ ..] = bytes else {
        panic!("{bytes:?} has no valid client header");
    };
    let (target, rest) = rest.split_at(usize::from(*target));
    let (name, rest) = rest.split_at(usize::from(*name));
    let (id, payload) = rest.split_at(usize::from(*id));
    let utf8 = |bytes| {
        let text = std::str::from_utf8(bytes).expect("UTF-8");
        (!text.is_empty()).then_some(text)
    };
    let (target, name, id) = (utf8(target), utf8(name), utf8(id));
    let binary = STANDARD.encode(payload);
    let fields = match kind {
        0 => json!({ "type": name, "room": target, "id": id, "binary": binary }),
        1 => json!({ "type": "direct", "to": target, "id": id, "binary": binary }),
        _ => panic!("{kind} is not a kind of client frame"),
    };
    object(fields).into()
}
