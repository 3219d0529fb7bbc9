//! Reads configurations and events of vectors.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;
use switchboard_core::client::{
    ClientConfig, CloseFrame, Machine, MachineEvent, Question, ReplyError, ServerMessage, Token,
};
use switchboard_core::{Epoch, Json, NameError, Payload, Position, Ticket};

type Object = serde_json::Map<String, Value>;

/// Checks that no field of an object is misspelt: an unread field would test nothing.
fn only(object: &Object, allowed: &[&str]) {
    for field in object.keys() {
        assert!(allowed.contains(&field.as_str()), "nobody reads `{field}` of {object:?}");
    }
}

fn object(value: &Value) -> &Object {
    value.as_object().unwrap_or_else(|| panic!("{value} is not an object"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is not a number"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string"))
}

fn name<T: for<'t> TryFrom<&'t str, Error = NameError>>(value: &Value) -> T {
    T::try_from(text(value)).unwrap_or_else(|error| panic!("{value} {error}"))
}

fn optional<T>(value: Option<&Value>, read: impl Fn(&Value) -> T) -> Option<T> {
    value.map(read)
}

fn millis(value: &Value) -> Duration {
    Duration::from_millis(number(value))
}

/// A machine with the configuration of a case.
pub(crate) fn config(value: Option<&Value>) -> Machine {
    let mut config = ClientConfig::default();
    let (mut seed, mut prefix) = (0, "v".to_owned());
    for (field, value) in value.map(object).into_iter().flatten() {
        match field.as_str() {
            "min_backoff_ms" => config.min_backoff = millis(value),
            "max_backoff_ms" => config.max_backoff = millis(value),
            "stable_after_ms" => config.stable_after = millis(value),
            "connect_timeout_ms" => config.connect_timeout = millis(value),
            "request_timeout_ms" => config.request_timeout = millis(value),
            "stale_after_ms" => config.stale_after = millis(value),
            "buffer" => config.buffer = number(value) as usize,
            "max_in_flight" => config.max_in_flight = number(value) as usize,
            "max_rooms" => config.max_rooms = number(value) as usize,
            "ask_token" => config.ask_token = value.as_bool().expect("true or false"),
            "seed" => seed = u32::try_from(number(value)).expect("32 bits"),
            "id_prefix" => text(value).clone_into(&mut prefix),
            _ => panic!("there is no setting `{field}`"),
        }
    }
    Machine::new(config, &prefix, seed).expect("a prefix")
}

fn payload(fields: &Object) -> Payload {
    match (fields.get("payload"), fields.get("binary")) {
        (Some(json), None) => Payload::Json(Json::of(json).expect("JSON")),
        (None, Some(binary)) => Payload::Binary(base64(binary)),
        both => panic!("exactly one payload, not {both:?}"),
    }
}

fn base64(value: &Value) -> Bytes {
    STANDARD.decode(text(value)).expect("base64").into()
}

/// Reads an event of a vector.
pub(crate) fn event(value: &Value) -> MachineEvent {
    let (kind, fields) = object(value).iter().next().expect("an event");
    assert_eq!(object(value).len(), 1, "one event a step: {value}");
    if kind == "received" {
        return MachineEvent::Received(message(fields));
    }
    let fields = object(fields);
    let get = |field: &str| &fields[field];
    let ticket = || Ticket(number(get("ticket")));
    let timeout = || optional(fields.get("timeout_ms"), millis);
    let (event, allowed): (MachineEvent, &[&str]) = match kind.as_str() {
        "connect" => (MachineEvent::Connect, &[]),
        "stop" => (MachineEvent::Stop, &[]),
        "token" => {
            let token = match fields.get("token") {
                Some(token) => Ok(Token::new(text(token))),
                None => Err(Arc::from(text(get("error")))),
            };
            (MachineEvent::Token(token), &["token", "error"])
        }
        "opened" => (MachineEvent::Opened, &[]),
        "alive" => (MachineEvent::Alive, &[]),
        "ended" => {
            let reason = || optional(fields.get("reason"), |reason| Arc::from(text(reason)));
            let close = fields.get("code").map(|code| CloseFrame {
                code: number(code).try_into().expect("16 bits"),
                reason: reason(),
            });
            (MachineEvent::Ended(close), &["code", "reason"])
        }
        "refused" => {
            let status = number(get("status")).try_into().expect("a status");
            let retry_after = optional(fields.get("retry_after_ms"), millis);
            let code = optional(fields.get("code"), |code| Arc::from(text(code)));
            let event = MachineEvent::Refused { status, code, retry_after };
            (event, &["status", "code", "retry_after_ms"])
        }
        "join" => {
            let since = optional(fields.get("since"), |since| position(text(since)));
            let event = MachineEvent::Join { ticket: ticket(), room: name(get("room")), since };
            (event, &["ticket", "room", "since"])
        }
        "leave" => {
            (MachineEvent::Leave { ticket: ticket(), room: name(get("room")) }, &["ticket", "room"])
        }
        "send" => {
            let event = MachineEvent::Send {
                ticket: ticket(),
                room: optional(fields.get("room"), name),
                kind: name(get("type")),
                key: optional(fields.get("key"), name),
                payload: payload(fields),
            };
            (event, &["ticket", "room", "type", "key", "payload", "binary"])
        }
        "direct" => {
            let (to, payload) = (name(get("to")), payload(fields));
            (
                MachineEvent::Direct { ticket: ticket(), to, payload },
                &["ticket", "to", "payload", "binary"],
            )
        }
        "request" => {
            let event = MachineEvent::Request {
                ticket: ticket(),
                room: optional(fields.get("room"), name),
                kind: name(get("type")),
                payload: payload(fields),
                timeout: timeout(),
            };
            (event, &["ticket", "room", "type", "payload", "binary", "timeout_ms"])
        }
        "ask" => {
            let question = question(object(get("message")));
            let event = MachineEvent::Ask { ticket: ticket(), question, timeout: timeout() };
            (event, &["ticket", "message", "timeout_ms"])
        }
        "cancel" => (MachineEvent::Cancel { ticket: ticket() }, &["ticket"]),
        "reply" => {
            let result = match fields.get("error") {
                Some(error) => Err(ReplyError {
                    code: text(&error["code"]).into(),
                    message: text(&error["message"]).into(),
                }),
                None => Ok(Json::of(get("payload")).expect("JSON")),
            };
            (MachineEvent::Reply { id: name(get("id")), result }, &["id", "payload", "error"])
        }
        "wake" => (MachineEvent::Wake, &[]),
        "tick" => (MachineEvent::Tick, &[]),
        _ => panic!("there is no event `{kind}`"),
    };
    only(fields, allowed);
    event
}

fn question(fields: &Object) -> Question {
    let room = name(&fields["room"]);
    match text(&fields["type"]) {
        "members" => {
            only(fields, &["type", "room"]);
            Question::Members { room }
        }
        "history" => {
            only(fields, &["type", "room", "since", "limit"]);
            let since = optional(fields.get("since"), |since| position(text(since)));
            let limit = optional(fields.get("limit"), |limit| number(limit) as u32);
            Question::History { room, since, limit }
        }
        other => panic!("`{other}` is not a question"),
    }
}

/// Reads a server's message, as it travels: a text, or a frame if it has a binary payload.
fn message(value: &Value) -> ServerMessage {
    match value.get("binary") {
        Some(binary) => ServerMessage::from_binary(&frame(object(value), &base64(binary)).into()),
        None => ServerMessage::from_text(&value.to_string()),
    }
}

/// The binary frame of a server's message.
fn frame(fields: &Object, payload: &[u8]) -> Vec<u8> {
    only(fields, &["type", "room", "from", "id", "event_id", "timestamp", "binary"]);
    let get = |field: &str| fields.get(field).map_or("", text);
    let position = fields.get("event_id").map(|id| position(text(id)));
    let unix_ms = fields.get("timestamp").map_or(0, number);
    let (kind, name) = match get("type") {
        "direct" => (129, ""),
        "ack" => (130, ""),
        // A frame may omit it.
        "binary" => (128, ""),
        name => (128, name),
    };
    let names = [get("room"), name, get("id"), get("from")];
    let [room, name, id, from] = names.map(|name| u8::try_from(name.len()).expect("short"));
    let mut frame = vec![1, kind, room, name, id, from, 0, 0];
    let numbers = position.map_or([0, 0], |position| [position.epoch.0, position.offset]);
    for number in numbers.into_iter().chain([unix_ms]) {
        frame.extend_from_slice(&number.to_be_bytes());
    }
    frame.extend_from_slice(names.concat().as_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// `00c9f1b2a4d07e35:42`
fn position(text: &str) -> Position {
    let (epoch, offset) = text.split_once(':').expect("a position");
    let epoch = Epoch(u64::from_str_radix(epoch, 16).expect("an epoch"));
    Position { epoch, offset: offset.parse().expect("an offset") }
}
