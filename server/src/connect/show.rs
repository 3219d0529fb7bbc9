//! Output of events and answers.

use std::fmt::Display;

use jiff::Timestamp;
use serde_json::Value;
use switchboard_core::Payload;
use switchboard_core::client::State;
use switchboard_smol::{ClientEvent, Delivery, RoomChange};

use super::command::Answered;
use super::json;
use crate::printable::Printable;

/// Bytes shown of a binary payload.
const SHOWN_BYTES: usize = 16;

/// The output format: text for people, or JSON for scripts.
pub(super) struct Show {
    as_json: bool,
}

impl Show {
    pub(super) fn new(as_json: bool) -> Self {
        Self { as_json }
    }

    pub(super) fn event(&self, event: &ClientEvent) -> String {
        if self.as_json {
            return stamped(json::event(event), json::payload_of(event));
        }
        format!("{} {}", clock(), Printable(&words(event)))
    }

    pub(super) fn answer(&self, tag: Option<&Value>, answer: &Answered) -> String {
        if self.as_json {
            return stamped(json::answer(tag, answer), None);
        }
        let words = match answer {
            Ok((name, more)) if more.as_object().is_none_or(|fields| fields.is_empty()) => {
                format!("= {name}")
            }
            Ok((name, more)) => format!("= {name} {more}"),
            Err((code, message)) => format!("! {code}: {message}"),
        };
        format!("{} {}", clock(), Printable(&words))
    }
}

fn stamped(mut value: Value, payload: Option<&Payload>) -> String {
    value["at"] = Timestamp::now().as_millisecond().into();
    json::line(value, payload)
}

/// Returns the time of day in UTC.
fn clock() -> impl Display {
    Timestamp::now().strftime("%T")
}

fn words(event: &ClientEvent) -> String {
    match event {
        ClientEvent::State { state, cause, detail } => {
            let why = detail.as_deref().map(str::to_owned);
            let why = why.or_else(|| cause.as_ref().map(ToString::to_string));
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            if let State::Waiting { retry_in } = state {
                return format!("* reconnecting in {:.1} s{why}", retry_in.as_secs_f64());
            }
            format!("* {}{why}", json::state_name(*state))
        }
        ClientEvent::Delivery(delivery) => delivery_words(delivery),
        ClientEvent::Room { room, change } => match change {
            RoomChange::Joined(joined) => {
                let how = if joined.recovered == Some(true) { ", nothing is missing" } else { "" };
                format!("{room} * entered at {}{how}", joined.position)
            }
            RoomChange::Left(Some(why)) => {
                format!("{room} * cannot be joined again: {}: {}", why.code, why.message)
            }
            RoomChange::Left(None) => format!("{room} * the server removed you"),
        },
        ClientEvent::Request(request) => {
            let (id, method) = (request.id(), &request.method);
            format!("? {method} {} (answer with /reply {id} PAYLOAD)", payload(&request.payload))
        }
        ClientEvent::Lagged(lagged) => {
            let dropped: u64 = lagged.rooms.iter().map(|room| room.dropped).sum();
            format!("* too slow: {} events were left out here", dropped + lagged.others)
        }
        _ => format!("{event:?}"),
    }
}

fn delivery_words(delivery: &Delivery) -> String {
    match delivery {
        Delivery::Publication(message) => {
            let from = message.from.as_ref().map_or("the server", |user| user.as_str());
            let (offset, kind) = (message.position.offset, &message.kind);
            format!("{} #{offset} {from} [{kind}] {}", message.room, payload(&message.payload))
        }
        Delivery::Direct(direct) => {
            let from = direct.from.as_ref().map_or("the server", |user| user.as_str());
            format!("{from} to you: {}", payload(&direct.payload))
        }
        Delivery::MemberJoined { room, user } => {
            format!("{room} * {user} is here")
        }
        Delivery::MemberLeft { room, user } => {
            format!("{room} * {user} is gone")
        }
        Delivery::Gap { room, since, position, dropped } => {
            format!("{room} * {dropped} messages were left out between {since} and {position}")
        }
        Delivery::Refresh { room, reason, position, payload: state } => {
            let state = state.as_ref().map(|state| format!(": {}", payload(state)));
            let state = state.unwrap_or_default();
            format!(
                "{room} * messages are missing ({reason}); it continues after {position}{state}"
            )
        }
    }
}

fn payload(payload: &Payload) -> String {
    match payload {
        Payload::Json(json) => String::from_utf8_lossy(json.as_bytes()).into_owned(),
        Payload::Binary(bytes) => {
            let shown: String =
                bytes.iter().take(SHOWN_BYTES).map(|byte| format!(" {byte:02x}")).collect();
            let more = if bytes.len() > SHOWN_BYTES { " …" } else { "" };
            format!("<{} bytes:{shown}{more}>", bytes.len())
        }
    }
}
