//! How a server is put together.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use switchboard_core::http::{Refusal as HttpRefusal, Request, Response};
use switchboard_core::{Command, Kind, NameError, Refusal, RoomName};
use switchboard_engine::server::{
    BuildError, Credentials, Engine, Identity, Settings, anonymous, state,
};
use switchboard_engine::{Clock, seed, unix_ms};

use crate::Context;
use crate::auth::Authenticator;
use crate::handlers::Handlers;
use crate::poller::Poller;
use crate::server::Server;
use crate::shared::{HttpService, Shared, StateProvider};

/// The parts that the application brings.
pub(crate) struct Services {
    pub(crate) authenticate: Authenticator,
    pub(crate) http: HttpService,
    pub(crate) handlers: Handlers,
    pub(crate) state: StateProvider,
    pub(crate) handler_timeout: Duration,
    pub(crate) threads: usize,
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
        let not_found = |_| async { HttpRefusal::not_found().to_response() };
        Self {
            settings: Settings::default(),
            services: Services {
                authenticate: Arc::new(|credentials| {
                    Box::pin(async move { anonymous(&credentials) })
                }),
                http: Arc::new(move |request| Box::pin(not_found(request))),
                handlers: Handlers::default(),
                state: Box::new(|ticket, room| {
                    Box::pin(async move { Command::State { ticket, room, payload: None } })
                }),
                handler_timeout: Duration::from_secs(5),
                threads: 1,
            },
            bad_kind: None,
        }
    }

    /// Finds out whose connection it is, before the upgrade is answered. By default everybody is believed the name in
    /// `?user=`. It has the handshake time-out to come to a decision.
    pub fn authenticate<F>(
        mut self,
        authenticator: impl Fn(Credentials) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Identity, HttpRefusal>> + Send + 'static,
    {
        self.services.authenticate =
            Arc::new(move |credentials| Box::pin(authenticator(credentials)));
        self
    }

    /// Handles messages of one type, which are then not published by themselves. The payload is read by serde; one that
    /// does not fit is answered with an error that says where. What the handler returns is the answer to a message
    /// that has an `id`: `()` acknowledges it. A handler that panics, or takes longer than
    /// [`handler_timeout`](Self::handler_timeout), fails that one message.
    pub fn on<M, R, F>(
        mut self,
        kind: &str,
        handler: impl Fn(Context, M) -> F + Send + Sync + 'static,
    ) -> Self
    where
        M: DeserializeOwned + Send + 'static,
        R: Serialize,
        F: Future<Output = Result<R, Refusal>> + Send + 'static,
    {
        match Kind::new(kind) {
            Ok(kind) => self.services.handlers.typed(kind, handler),
            Err(error) => self.bad_kind = Some((kind.into(), error)),
        }
        self
    }

    /// Gives the full state of a room, for members who come back after more was published than the room keeps. It is asked
    /// for rooms whose class [says so](switchboard_core::RoomClass::provides_state), and has
    /// [`Limits::state_timeout`](switchboard_core::Limits::state_timeout); what is published meanwhile follows its answer. `None`,
    /// a panic or a late answer tells the members to see for themselves.
    pub fn state<R, F>(mut self, provider: impl Fn(RoomName) -> F + Send + Sync + 'static) -> Self
    where
        R: Serialize,
        F: Future<Output = Option<R>> + Send + 'static,
    {
        self.services.state = Box::new(move |ticket, room| {
            let found = provider(room.clone());
            Box::pin(async move { state(ticket, room, found.await) })
        });
        self
    }

    /// Answers requests that are no upgrades, on the same port. By default with 404. A request's body is not read.
    pub fn http<F>(mut self, service: impl Fn(Request) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response> + Send + 'static,
    {
        self.services.http = Arc::new(move |request| Box::pin(service(request)));
        self
    }

    /// Time for one message's handler. 5 s unless set.
    pub fn handler_timeout(mut self, timeout: Duration) -> Self {
        self.services.handler_timeout = timeout;
        self
    }

    /// Threads that write to sockets: the server's own, and as many more as are missing to this number. All rules stay on
    /// the server's own thread, so that every bound is exact; the others take over part of what large broadcasts cost. 1
    /// unless set.
    pub fn threads(mut self, threads: usize) -> Self {
        self.services.threads = threads.max(1);
        self
    }

    /// Makes the server. It does nothing until it is served.
    ///
    /// # Errors
    /// When the settings contradict each other, or the system has no files left for a server to wait with.
    pub fn build(self) -> Result<Server, BuildError> {
        if let Some((kind, error)) = self.bad_kind {
            return Err(BuildError::Kind(kind, error));
        }
        let clock = Clock::start();
        let kinds = self.services.handlers.kinds();
        let engine = Engine::new(self.settings, kinds, seed(), unix_ms())?;
        let settings = engine.settings().clone();
        let poller = Poller::new().map_err(|error| BuildError::System(error.to_string()))?;
        let executor = Arc::new(smol::Executor::new());
        let shared = Arc::new_cyclic(|me| {
            Shared::new(me, (engine, poller), clock, settings, self.services, &executor)
        });
        Ok(Server::new(shared, executor))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("settings", &self.settings).finish_non_exhaustive()
    }
}
