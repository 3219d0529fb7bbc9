//! The application's handlers, by the type of message.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde::de::DeserializeOwned;
use switchboard_core::{Kind, Refusal, Request};
use switchboard_engine::server::{Reply, panicked, read, write};

use crate::Context;

type Handler = Box<dyn Fn(Context, Request) -> Reply + Send + Sync>;

#[derive(Default)]
pub(crate) struct Handlers(HashMap<Kind, Handler>);

impl Handlers {
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        self.0.keys().cloned().collect()
    }

    pub(crate) fn typed<M, R>(
        &mut self,
        kind: Kind,
        handler: impl Fn(Context, M) -> Result<R, Refusal> + Send + Sync + 'static,
    ) where
        M: DeserializeOwned,
        R: Serialize,
    {
        let handler = move |context: Context, request: Request| {
            write(&handler(context, read::<M>(&request.payload)?)?)
        };
        self.0.insert(kind, Box::new(handler));
    }

    /// Handles a request. `None` when nobody handles its type.
    pub(crate) fn handle(&self, context: Context, request: Request) -> Option<Reply> {
        let handler = self.0.get(&request.kind)?;
        let reply = catch_unwind(AssertUnwindSafe(|| handler(context, request)));
        Some(reply.unwrap_or_else(|_| Err(panicked())))
    }
}
