//! How a server is put together.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use switchboard_core::http::{HttpError, HttpRequest, Response};
use switchboard_core::{Command, Output, Refusal, RoomName, Ticket};
use switchboard_engine::server::{
    BuildError, Credentials, Handlers, Observer, Reply, ServerSettings, Verdict, anonymous, read,
    state, write,
};
use switchboard_engine::{Blocking, Clock, seed};

use crate::Context;
use crate::server::Server;
use crate::shared::Shared;

/// The parts that the application brings.
pub(crate) struct Services {
    pub(crate) authenticate: Box<dyn Fn(Credentials) -> Verdict + Send + Sync>,
    pub(crate) http: Box<dyn Fn(HttpRequest) -> Response + Send + Sync>,
    pub(crate) handlers: Handlers<Blocking, Reply>,
    pub(crate) state: Box<dyn Fn(Ticket, RoomName) -> Command + Send + Sync>,
    pub(crate) observer: Observer,
    pub(crate) thread_stack_bytes: usize,
}

/// A server that is not yet made. See [`Server::builder`].
pub struct Builder {
    settings: ServerSettings,
    services: Services,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            settings: ServerSettings::default(),
            services: Services {
                authenticate: Box::new(|credentials| anonymous(&credentials)),
                http: Box::new(|_| HttpError::not_found().to_response()),
                handlers: Handlers::default(),
                state: Box::new(|ticket, room| Command::State { ticket, room, payload: None }),
                observer: Box::new(|_| {}),
                thread_stack_bytes: 256 * 1024,
            },
        }
    }

    /// What can be set: limits, classes of rooms, the path of upgrades, time-outs.
    ///
    /// ```
    /// # use switchboard_std::{Limit, Server, ServerSettings};
    /// let mut settings = ServerSettings { path: "/chat".into(), ..ServerSettings::default() };
    /// settings.config.limits.max_per_user = Limit::at_most(3);
    /// let server = Server::builder().settings(settings).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn settings(mut self, settings: ServerSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Finds out whose connection it is, before the upgrade is answered. By default the name in
    /// `?user=` is trusted. It runs on the connection's own thread, and may take until the
    /// handshake time-out.
    ///
    /// ```
    /// # use switchboard_std::{Identity, Server, UserName, http::HttpError};
    /// let server = Server::builder()
    ///     .authenticate(|credentials| {
    ///         match credentials.token.as_ref().map(|token| token.expose()) {
    ///             Some("secret") => Ok(Identity::new(UserName::new("alice").unwrap())),
    ///             _ => Err(HttpError::unauthorized("the token is unknown")),
    ///         }
    ///     })
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn authenticate(
        mut self,
        authenticator: impl Fn(Credentials) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        self.services.authenticate = Box::new(authenticator);
        self
    }

    /// Handles messages of one type, which are then not published. The payload is read by serde; if
    /// it does not fit, the answer is an error that says where. What the handler returns is the
    /// answer to a message that has an `id`: `()` acknowledges it. A handler that panics fails that
    /// one message. It runs on its connection's thread, which reads nothing meanwhile.
    ///
    /// ```
    /// # use switchboard_std::{Context, Server};
    /// #[derive(serde::Deserialize)]
    /// struct Move {
    ///     piece: String,
    ///     to: String,
    /// }
    ///
    /// let server = Server::builder()
    ///     .on("move", |context: Context, step: Move| {
    ///         context.publish("board", "moved", &(step.piece, step.to))?;
    ///         Ok("your turn is over")
    ///     })
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on<M, R>(
        mut self,
        kind: &str,
        handler: impl Fn(Context, M) -> Result<R, Refusal> + Send + Sync + 'static,
    ) -> Self
    where
        M: DeserializeOwned,
        R: Serialize,
    {
        self.services.handlers.insert(kind, move |context, request| {
            write(&handler(context, read::<M>(&request.payload)?)?)
        });
        self
    }

    /// Gives the full state of a room, for members who come back after more was published than the
    /// room keeps. It is asked for rooms whose class
    /// [says so](switchboard_core::RoomClass::provides_state), on a thread of its own (at most 16
    /// at once), and has [`Limits::state_timeout`](switchboard_core::Limits::state_timeout); what
    /// is published meanwhile follows its answer. If it returns `None`, panics or is late, the
    /// members have to find out for themselves.
    ///
    /// ```
    /// # use switchboard_std::Server;
    /// let server = Server::builder()
    ///     .state(|room| (room.as_str() == "board").then_some(["e4", "e5"]))
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

    /// Answers requests on the same port that are not upgrades, by default with 404. The body of a
    /// request is not read.
    ///
    /// ```
    /// # use switchboard_std::{Server, http::{HttpError, Response, Status}};
    /// let server = Server::builder()
    ///     .http(|request| {
    ///         match request.path() {
    ///             "/healthz" => Response::new(Status::Ok, "text/plain", "ok"),
    ///             _ => HttpError::not_found().to_response(),
    ///         }
    ///     })
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn http(
        mut self,
        service: impl Fn(HttpRequest) -> Response + Send + Sync + 'static,
    ) -> Self {
        self.services.http = Box::new(service);
        self
    }

    /// Is called with everything that happens to connections: opened, joined, left, refused,
    /// closed. This is in the middle of the server's work, so it must be quick.
    ///
    /// ```
    /// # use switchboard_std::{Output, Server};
    /// let server = Server::builder()
    ///     .on_output(|output| {
    ///         if let Output::Closed { user, ending, .. } = output {
    ///             println!("{user} left: {ending}");
    ///         }
    ///     })
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_output(mut self, observer: impl Fn(&Output) + Send + Sync + 'static) -> Self {
        self.services.observer = Box::new(observer);
        self
    }

    /// Address space for each thread's stack; only what was used of it is memory. The default of
    /// 256 KiB is enough for handlers of some depth; the server itself needs less than 64 KiB. A
    /// stack that is too small ends the process.
    ///
    /// ```
    /// # use switchboard_std::Server;
    /// let server = Server::builder().thread_stack_bytes(1024 * 1024).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn thread_stack_bytes(mut self, bytes: usize) -> Self {
        self.services.thread_stack_bytes = bytes.max(64 * 1024);
        self
    }

    /// Makes the server. It does nothing until it is served.
    ///
    /// # Errors
    /// If the settings contradict each other, or the type of a handler is invalid.
    ///
    /// ```
    /// # use switchboard_std::Server;
    /// let server = Server::builder().build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build(mut self) -> Result<Server, BuildError> {
        let clock = Clock::start();
        let driver = self.settings.driver(self.services.handlers.kinds()?, seed())?;
        let Self { settings, services } = self;
        Ok(Server::new(Arc::new_cyclic(|me| Shared::new(me, driver, clock, settings, services))))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("settings", &self.settings).finish_non_exhaustive()
    }
}
