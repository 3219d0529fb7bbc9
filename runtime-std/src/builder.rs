//! How a server is put together.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use switchboard_core::http::{Refusal as HttpRefusal, Request, Response};
use switchboard_core::{Command, Kind, NameError, Refusal, RoomName};
use switchboard_engine::server::{BuildError, Credentials, Settings, Verdict, anonymous, state};
use switchboard_engine::{Clock, seed, unix_ms};

use crate::Context;
use crate::auth::Authenticator;
use crate::handlers::Handlers;
use crate::server::Server;
use crate::shared::{Shared, StateProvider};

/// The parts that the application brings.
pub(crate) struct Services {
    pub(crate) authenticate: Authenticator,
    pub(crate) http: Box<dyn Fn(Request) -> Response + Send + Sync>,
    pub(crate) handlers: Handlers,
    pub(crate) state: StateProvider,
    pub(crate) thread_stack_bytes: usize,
}

/// Settings and handlers of a server that is not yet made. See [`Server::builder`].
pub struct Builder {
    settings: Settings,
    services: Services,
    bad_kind: Option<(String, NameError)>,
}

impl Builder {
    switchboard_engine::builder_settings!();

    pub(crate) fn new() -> Self {
        Self {
            settings: Settings::default(),
            services: Services {
                authenticate: Box::new(|credentials| anonymous(&credentials)),
                http: Box::new(|_| HttpRefusal::not_found().to_response()),
                handlers: Handlers::default(),
                state: Box::new(|ticket, room| Command::State { ticket, room, payload: None }),
                thread_stack_bytes: 256 * 1024,
            },
            bad_kind: None,
        }
    }

    /// Finds out whose connection it is, before the upgrade is answered. By default everybody is believed the name in
    /// `?user=`. It runs on the connection's own thread, and may take until the handshake time-out.
    pub fn authenticate(
        mut self,
        authenticator: impl Fn(Credentials) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        self.services.authenticate = Box::new(authenticator);
        self
    }

    /// Handles messages of one type, which are then not published by themselves. The payload is read by serde; one that
    /// does not fit is answered with an error that says where. What the handler returns is the answer to a message
    /// that has an `id`: `()` acknowledges it. A handler that panics fails that one message. It runs on its connection's
    /// thread, which reads nothing meanwhile.
    pub fn on<M, R>(
        mut self,
        kind: &str,
        handler: impl Fn(Context, M) -> Result<R, Refusal> + Send + Sync + 'static,
    ) -> Self
    where
        M: DeserializeOwned,
        R: Serialize,
    {
        match Kind::new(kind) {
            Ok(kind) => self.services.handlers.typed(kind, handler),
            Err(error) => self.bad_kind = Some((kind.into(), error)),
        }
        self
    }

    /// Gives the full state of a room, for members who come back after more was published than the room keeps. It is asked
    /// for rooms whose class [says so](switchboard_core::RoomClass::provides_state), on a thread of its own (at most 16 at once), and has
    /// [`Limits::state_timeout`](switchboard_core::Limits::state_timeout); what is published meanwhile follows its answer. `None`,
    /// a panic or a late answer tells the members to see for themselves.
    pub fn state<R: Serialize>(
        mut self,
        provider: impl Fn(RoomName) -> Option<R> + Send + Sync + 'static,
    ) -> Self {
        self.services.state = Box::new(move |ticket, room| {
            let found = provider(room.clone());
            state(ticket, room, found)
        });
        self
    }

    /// Answers requests that are no upgrades, on the same port. By default with 404. A request's body is not read.
    pub fn http(mut self, service: impl Fn(Request) -> Response + Send + Sync + 'static) -> Self {
        self.services.http = Box::new(service);
        self
    }

    /// Address space for each thread's stack; only what was used of it is memory. 256 KiB unless set, which is enough for
    /// handlers of some depth; what the server itself needs fits into 64 KiB. A stack that is too small ends the
    /// process.
    pub fn thread_stack_bytes(mut self, bytes: usize) -> Self {
        self.services.thread_stack_bytes = bytes.max(64 * 1024);
        self
    }

    /// Makes the server. It does nothing until it is served.
    ///
    /// # Errors
    /// When the settings contradict each other.
    pub fn build(mut self) -> Result<Server, BuildError> {
        if let Some((kind, error)) = self.bad_kind {
            return Err(BuildError::Kind(kind, error));
        }
        let clock = Clock::start();
        let driver = self.settings.driver(self.services.handlers.kinds(), seed(), unix_ms())?;
        let Self { settings, services, .. } = self;
        Ok(Server::new(Arc::new_cyclic(|me| Shared::new(me, driver, clock, settings, services))))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("settings", &self.settings).finish_non_exhaustive()
    }
}
