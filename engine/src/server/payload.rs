//! From payloads to the types of handlers, and back.

use serde::Serialize;
use serde::de::DeserializeOwned;

use switchboard_core::{
    Command, ConnectionId, ErrorCode, Json, Message, MessageId, Payload, Refusal, RoomName, Ticket,
    UserName,
};

/// What a handler answers; `None` is a plain acknowledgement.
pub type Reply = Result<Option<Payload>, Refusal>;

/// Reads a payload.
///
/// # Errors
/// If it does not fit; the refusal says where.
pub fn read<M: DeserializeOwned>(payload: &Payload) -> Result<M, Refusal> {
    let invalid = |message: String, field: Option<String>| Refusal {
        code: ErrorCode::InvalidPayload,
        message: message.into(),
        field: field.map(Into::into),
    };
    let Payload::Json(json) = payload else {
        return Err(invalid(
            "this type of message has a JSON payload, not a binary one".into(),
            None,
        ));
    };
    let mut parser = serde_json::Deserializer::from_slice(json.as_bytes());
    serde_path_to_error::deserialize(&mut parser).map_err(|error| {
        let field = match error.path().to_string().as_str() {
            "." => "payload".to_owned(),
            path if path.starts_with('[') => format!("payload{path}"),
            path => format!("payload.{path}"),
        };
        invalid(format!("`{field}`: {}", error.inner()), Some(field))
    })
}

/// Writes what a handler answers; `null` is a plain acknowledgement.
///
/// # Errors
/// If it cannot be written as JSON.
pub fn write(answer: &impl Serialize) -> Reply {
    let json = Json::of(answer).map_err(|error| {
        tracing::error!(%error, "a handler's answer is no JSON");
        Refusal::new(ErrorCode::Internal, "the answer could not be written")
    })?;
    Ok((json.as_bytes() != b"null").then_some(Payload::Json(json)))
}

/// The command that tells the sender of a message its handler's answer, if there is anything to
/// tell.
pub fn answer(
    connection: ConnectionId,
    user: UserName,
    id: Option<MessageId>,
    reply: Reply,
) -> Option<Command> {
    match (reply, id) {
        (result, Some(id)) => Some(Command::Answer { connection, user, id, result }),
        (Ok(_), None) => None,
        (Err(refusal), None) => {
            let message = Message::Error { id: None, room: None, refusal };
            Some(Command::Send { to: connection, message })
        }
    }
}

/// The answer to a question for the state of a room, `None` if the application has none or failed.
pub fn state<R: Serialize>(ticket: Ticket, room: RoomName, state: Option<R>) -> Command {
    let payload = state.and_then(|state| {
        let json = Json::of(&state);
        json.inspect_err(|error| tracing::error!(%error, "the state of a room is no JSON")).ok()
    });
    Command::State { ticket, room, payload: payload.map(Payload::Json) }
}

/// The answer to a message whose handler panicked. The panic's own message has been logged by the
/// panic hook.
pub fn panicked() -> Refusal {
    Refusal::new(ErrorCode::Internal, "the handler failed")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize, Debug)]
    struct Move {
        #[expect(dead_code, reason = "only its type matters")]
        to: Vec<Point>,
    }

    #[derive(Deserialize, Debug)]
    struct Point {
        #[expect(dead_code, reason = "only its type matters")]
        x: u32,
    }

    #[test]
    fn a_payload_that_does_not_fit_says_where() {
        let payload = Payload::Json(Json::parse(r#"{"to":[{"x":1},{"x":"two"}]}"#).unwrap());
        let refusal = read::<Move>(&payload).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::InvalidPayload);
        assert_eq!(refusal.field.as_deref(), Some("payload.to[1].x"));
        assert!(
            refusal.message.contains("invalid type: string \"two\", expected u32"),
            "{refusal}"
        );
    }
}
