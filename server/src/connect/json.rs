//! JSON lines for scripts, in both directions.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use switchboard_core::client::State;
use switchboard_core::{Payload, RoomName};
use switchboard_smol::{ClientEvent, Delivery, RoomChange};

use super::command::{Answered, Command, Line, position, publication};

/// Parses a command such as
/// `{"command":"send","room":"lobby","type":"chat","payload":"hi","tag":1}`.
pub(super) fn parse(line: &str) -> Result<Line, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| format!("not JSON: {error}"))?;
    let Value::Object(mut fields) = value else { return Err("not a JSON object".to_owned()) };
    let tag = fields.remove("tag");
    let mut fields = Fields(fields);
    let name = fields.text("command")?;
    let command = match name.as_str() {
        "join" => Command::Join { room: fields.text("room")?, since: fields.position()? },
        "leave" => Command::Leave { room: fields.text("room")? },
        "send" => Command::Send {
            room: fields.text("room")?,
            kind: fields.text("type")?,
            key: fields.optional_text("key")?,
            payload: fields.payload(),
        },
        "direct" => Command::Direct { to: fields.text("to")?, payload: fields.payload() },
        "request" => Command::Request {
            room: fields.optional_text("room")?,
            kind: fields.text("type")?,
            payload: fields.payload(),
            timeout: fields.number("timeout_ms")?.map(Duration::from_millis),
        },
        "members" => Command::Members { room: fields.text("room")? },
        "history" => Command::History {
            room: fields.text("room")?,
            since: fields.position()?,
            limit: fields.number("limit")?.map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
        },
        "reply" => {
            let id = fields.text("id")?;
            let answer = match fields.0.remove("error") {
                None => Ok(fields.payload()),
                Some(error) => {
                    let part = |name: &str| {
                        let part = error.get(name).and_then(Value::as_str);
                        part.map(str::to_owned)
                            .ok_or_else(|| format!("`error.{name}` must be a text"))
                    };
                    Err((part("code")?, part("message")?))
                }
            };
            Command::Reply { id, answer }
        }
        "wake" => Command::Wake,
        "quit" => Command::Quit,
        _ => return Err(format!("there is no command {name:?}")),
    };
    if let Some(unknown) = fields.0.keys().next() {
        return Err(format!("{name} has no field `{unknown}`"));
    }
    Ok(Line { tag, command })
}

/// Fields that have not been read yet.
struct Fields(Map<String, Value>);

impl Fields {
    fn optional_text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("`{name}` must be a text")),
        }
    }

    fn text(&mut self, name: &str) -> Result<String, String> {
        self.optional_text(name)?.ok_or_else(|| format!("`{name}` is missing"))
    }

    fn number(&mut self, name: &str) -> Result<Option<u64>, String> {
        let Some(value) = self.0.remove(name) else { return Ok(None) };
        value.as_u64().map(Some).ok_or_else(|| format!("`{name}` must be a whole number"))
    }

    fn position(&mut self) -> Result<Option<switchboard_core::Position>, String> {
        self.optional_text("since")?.as_deref().map(position).transpose()
    }

    fn payload(&mut self) -> Value {
        self.0.remove("payload").unwrap_or_default()
    }
}

/// Adds the payload; a binary one is `binary`, in base64.
pub(super) fn put_payload(value: &mut Value, payload: &Payload) {
    match payload {
        Payload::Json(_) => value["payload"] = payload.read().unwrap_or_default(),
        Payload::Binary(bytes) => value["binary"] = STANDARD.encode(bytes).into(),
    }
}

/// Formats the outcome of a command.
pub(super) fn answer(tag: Option<&Value>, answer: &Answered) -> Value {
    let mut value = match answer {
        Ok((name, more)) => {
            let mut value = json!({ "event": "answer", "ok": name });
            for (name, field) in more.as_object().into_iter().flatten() {
                value[name] = field.clone();
            }
            value
        }
        Err((code, message)) => {
            json!({ "event": "answer", "error": { "code": code, "message": message } })
        }
    };
    if let Some(tag) = tag {
        value["tag"] = tag.clone();
    }
    value
}

/// Formats an event.
pub(super) fn event(event: &ClientEvent) -> Value {
    match event {
        ClientEvent::State { state, cause, detail } => {
            let mut value = json!({ "event": "state", "state": state_name(*state) });
            if let State::Waiting { retry_in } = state {
                value["retry_in_ms"] =
                    u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX).into();
            }
            let why = detail.as_deref().map(str::to_owned);
            if let Some(why) = why.or_else(|| cause.as_ref().map(ToString::to_string)) {
                value["reason"] = why.into();
            }
            value
        }
        ClientEvent::Delivery(delivery) => delivery_value(delivery),
        ClientEvent::Room { room, change } => room_value(room, change),
        ClientEvent::Request(request) => {
            let mut value =
                json!({ "event": "request", "id": request.id(), "method": &*request.method });
            put_payload(&mut value, &request.payload);
            value
        }
        ClientEvent::Lagged(lagged) => json!({ "event": "lagged", "others": lagged.others }),
        _ => json!({ "event": "unknown" }),
    }
}

/// Writes a line for an event, with its payload as it was received: a number or a depth that our
/// own JSON values cannot hold is not lost. Only line breaks between its tokens become spaces.
pub(super) fn line(mut value: Value, payload: Option<&Payload>) -> String {
    let (Some(Payload::Json(json)), Some(fields)) = (payload, value.as_object_mut()) else {
        return value.to_string();
    };
    fields.remove("payload");
    let mut line = value.to_string();
    line.pop();
    let json = String::from_utf8_lossy(json.as_bytes()).replace(['\n', '\r'], " ");
    line + ",\"payload\":" + &json + "}"
}

/// Returns the payload that an event has.
pub(super) fn payload_of(event: &ClientEvent) -> Option<&Payload> {
    match event {
        ClientEvent::Delivery(Delivery::Publication(message)) => Some(&message.payload),
        ClientEvent::Delivery(Delivery::Direct(direct)) => Some(&direct.payload),
        ClientEvent::Delivery(Delivery::Refresh { payload, .. }) => payload.as_ref(),
        ClientEvent::Request(request) => Some(&request.payload),
        ClientEvent::State { .. }
        | ClientEvent::Delivery(_)
        | ClientEvent::Room { .. }
        | ClientEvent::Lagged(_)
        | _ => None,
    }
}

fn room_value(room: &RoomName, change: &RoomChange) -> Value {
    match change {
        RoomChange::Joined(joined) => {
            let position = joined.position.to_string();
            let mut value =
                json!({ "event": "joined", "room": room.as_str(), "position": position });
            if let Some(recovered) = joined.recovered {
                value["recovered"] = recovered.into();
            }
            value
        }
        RoomChange::Left(why) => {
            let mut value = json!({ "event": "left", "room": room.as_str() });
            if let Some(why) = why {
                value["error"] = json!({ "code": &*why.code, "message": &*why.message });
            }
            value
        }
    }
}

fn delivery_value(delivery: &Delivery) -> Value {
    match delivery {
        Delivery::Publication(message) => {
            let mut value = publication(message);
            value["event"] = "message".into();
            value["room"] = message.room.as_str().into();
            value
        }
        Delivery::Direct(direct) => {
            let mut value = json!({ "event": "direct", "timestamp": direct.unix_ms });
            if let Some(from) = &direct.from {
                value["from"] = from.as_str().into();
            }
            put_payload(&mut value, &direct.payload);
            value
        }
        Delivery::MemberJoined { room, user } => {
            json!({ "event": "member_joined", "room": room.as_str(), "user": user.as_str() })
        }
        Delivery::MemberLeft { room, user } => {
            json!({ "event": "member_left", "room": room.as_str(), "user": user.as_str() })
        }
        Delivery::Gap { room, since, position, dropped } => json!({
            "event": "gap", "room": room.as_str(), "since": since.to_string(),
            "position": position.to_string(), "dropped": dropped,
        }),
        Delivery::Refresh { room, reason, position, payload } => {
            let mut value = json!({
                "event": "refresh", "room": room.as_str(), "reason": &**reason,
                "position": position.to_string(),
            });
            if let Some(payload) = payload {
                put_payload(&mut value, payload);
            }
            value
        }
    }
}

pub(super) fn state_name(state: State) -> &'static str {
    match state {
        State::Idle => "idle",
        State::Connecting => "connecting",
        State::Open => "open",
        State::Waiting { .. } => "waiting",
        State::Closed => "closed",
    }
}

#[cfg(test)]
mod tests {
    use switchboard_core::Json;

    use super::*;

    #[test]
    fn payloads_pass_unchanged_in_one_line() {
        let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
        for (sent, shown) in [
            ("[1,\r\n{\"event\":\"message\"}\n]", "[1,  {\"event\":\"message\"} ]"),
            ("{\"amount\":1e400}", "{\"amount\":1e400}"),
            ("\"\\ud800\\n\"", "\"\\ud800\\n\""),
            (&deep, &deep),
        ] {
            let payload = Payload::Json(Json::parse(sent).unwrap());
            let value = json!({ "event": "message", "payload": null });
            let expected = format!(r#"{{"event":"message","payload":{shown}}}"#);
            assert_eq!(line(value, Some(&payload)), expected);
        }
    }

    #[test]
    fn other_lines_have_no_payload() {
        assert_eq!(line(json!({ "event": "x" }), None), r#"{"event":"x"}"#);
        let binary = Payload::Binary(vec![1].into());
        let value = json!({ "binary": "AQ==" });
        assert_eq!(line(value, Some(&binary)), r#"{"binary":"AQ=="}"#);
    }
}
