//! The application's handlers, by the type of message.

use std::collections::HashMap;
use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;
use switchboard_core::{Kind, Refusal, Request};
use switchboard_engine::server::{Reply, read, write};

use crate::Context;
use crate::auth::BoxFuture;

type Handler = Box<dyn Fn(Context, Request) -> BoxFuture<Reply> + Send + Sync>;

#[derive(Default)]
pub(crate) struct Handlers(HashMap<Kind, Handler>);

impl Handlers {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn kinds(&self) -> Vec<Kind> {
        self.0.keys().cloned().collect()
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
        let handler = move |context: Context, request: Request| -> BoxFuture<Reply> {
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
    pub(crate) fn handle(&self, context: Context, request: Request) -> Option<BoxFuture<Reply>> {
        self.0.get(&request.kind).map(|handler| handler(context, request))
    }
}
