//! The application's handlers, by the type of message.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use switchboard_core::{Kind, NameError, Output, Request};

use super::Context;
use super::settings::BuildError;

/// Is called with everything that happens to connections.
pub type Observer = Box<dyn Fn(&Output) + Send + Sync>;

/// Lets the observer see an output. If it panics, nothing else is harmed, and its message has been
/// logged by the panic hook.
pub fn observe(observer: &Observer, output: &Output) {
    if catch_unwind(AssertUnwindSafe(|| observer(output))).is_err() {
        tracing::error!("the observer failed");
    }
}

type Handler<K, T> = Box<dyn Fn(Context<K>, Request) -> T + Send + Sync>;

/// The handlers of an application of kind `K`. Each begins with a `T`: a
/// [`Reply`](super::Reply), or the future of one.
pub struct Handlers<K, T> {
    by_kind: HashMap<Kind, Handler<K, T>>,
    invalid: Option<(String, NameError)>,
}

impl<K, T> Default for Handlers<K, T> {
    fn default() -> Self {
        Self { by_kind: HashMap::new(), invalid: None }
    }
}

impl<K, T> Handlers<K, T> {
    /// Adds a handler for messages of a type, or replaces the one that there is.
    pub fn insert(
        &mut self,
        kind: &str,
        handler: impl Fn(Context<K>, Request) -> T + Send + Sync + 'static,
    ) {
        match Kind::new(kind) {
            Ok(kind) => drop(self.by_kind.insert(kind, Box::new(handler))),
            Err(error) => self.invalid = Some((kind.into(), error)),
        }
    }

    /// The types of messages that are handled.
    ///
    /// # Errors
    /// If one of them is not a valid name.
    pub fn kinds(&self) -> Result<Vec<Kind>, BuildError> {
        match &self.invalid {
            Some((kind, error)) => Err(BuildError::Kind(kind.clone(), *error)),
            None => Ok(self.by_kind.keys().cloned().collect()),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_kind.is_empty()
    }

    /// Begins to handle a message; `None` if there is no handler for its type.
    pub fn begin(&self, context: Context<K>, request: Request) -> Option<T> {
        self.by_kind.get(&request.kind).map(|handler| handler(context, request))
    }
}
