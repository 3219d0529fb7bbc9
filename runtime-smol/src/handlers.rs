//! The application's handlers, by the type of message.

use std::collections::HashMap;
use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;
use switchboard_core::{ErrorCode, Json, Kind, Payload, Refusal, Request};

use crate::auth::BoxFuture;
use crate::context::Context;

/// What a handler answers: `None` is a plain acknowledgement.
pub(crate) type Answer = Result<Option<Payload>, Refusal>;
type Handler = Box<dyn Fn(Context, Request) -> BoxFuture<Answer> + Send + Sync>;

#[derive(Default)]
pub(crate) struct Handlers(HashMap<Kind, Handler>);

impl Handlers {
    pub(crate) fn kinds(&self) -> impl Iterator<Item = Kind> + '_ {
        self.0.keys().cloned()
    }

    pub(crate) fn typed<M, R, F>(
        &mut self,
        kind: Kind,
        handler: impl Fn(Context, M) -> F + Send + Sync + 'static,
    ) where
        M: DeserializeOwned + Send + 'static,
        R: Serialize,
        F: Future<Output = Result<R, Refusal>> + Send + 'static,
    {
        let handler = move |context: Context, request: Request| -> BoxFuture<Answer> {
            match read::<M>(&request.payload) {
                Ok(message) => {
                    let answer = handler(context, message);
                    Box::pin(async move { write(&answer.await?) })
                }
                Err(refusal) => Box::pin(std::future::ready(Err(refusal))),
            }
        };
        self.0.insert(kind, Box::new(handler));
    }

    /// Begins to handle a request. `None` when nobody handles its type.
    pub(crate) fn handle(&self, context: Context, request: Request) -> Option<BoxFuture<Answer>> {
        self.0.get(&request.kind).map(|handler| handler(context, request))
    }
}

/// Reads a payload, or says where it does not fit.
fn read<M: DeserializeOwned>(payload: &Payload) -> Result<M, Refusal> {
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

fn write(answer: &impl Serialize) -> Answer {
    let json = Json::of(answer).map_err(|error| {
        tracing::error!(%error, "a handler's answer is no JSON");
        Refusal::new(ErrorCode::Internal, "the answer could not be written")
    })?;
    Ok((json.as_bytes() != b"null").then_some(Payload::Json(json)))
}

#[cfg(test)]
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
