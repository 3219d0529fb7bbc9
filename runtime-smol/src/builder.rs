//! How a server is put together.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use switchboard_core::http::{HttpError, HttpRequest, Response};
use switchboard_core::{Command, Output, Refusal, RoomName, Ticket};
use switchboard_engine::server::{
    BuildError, Credentials, Engine, Handlers, Identity, Observer, Reply, ServerSettings, Verdict,
    anonymous, read, state, write,
};
use switchboard_engine::{Async, Clock, seed};

use crate::Context;
use crate::auth::BoxFuture;
use crate::poller::Poller;
use crate::server::Server;
use crate::shared::Shared;

/// The parts that the application brings.
pub(crate) struct Services {
    pub(crate) authenticate: Box<dyn Fn(Credentials) -> BoxFuture<Verdict> + Send + Sync>,
    pub(crate) http: Box<dyn Fn(HttpRequest) -> BoxFuture<Response> + Send + Sync>,
    pub(crate) handlers: Handlers<Async, BoxFuture<Reply>>,
    pub(crate) state: Box<dyn Fn(Ticket, RoomName) -> BoxFuture<Command> + Send + Sync>,
    pub(crate) observer: Observer,
    pub(crate) handler_timeout: Duration,
    pub(crate) threads: usize,
}

/// A server that is not yet made. See [`Server::builder`].
pub struct Builder {
    settings: ServerSettings,
    services: Services,
}

impl Builder {
    pub(crate) fn new() -> Self {
        let none = |ticket, room| Command::State { ticket, room, payload: None };
        Self {
            settings: ServerSettings::default(),
            services: Services {
                authenticate: Box::new(|credentials| at_once(anonymous(&credentials))),
                http: Box::new(|_| at_once(HttpError::not_found().to_response())),
                handlers: Handlers::default(),
                state: Box::new(move |ticket, room| at_once(none(ticket, room))),
                observer: Box::new(|_| {}),
                handler_timeout: Duration::from_secs(5),
                threads: 1,
            },
        }
    }

    /// What can be set: limits, classes of rooms, the path of upgrades, time-outs.
    ///
    /// ```
    /// # use switchboard_smol::{Limit, Server, ServerSettings};
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
    /// `?user=` is trusted. It has the handshake time-out to decide.
    ///
    /// ```
    /// # use switchboard_smol::{Identity, Server, UserName, http::HttpError};
    /// let server = Server::builder()
    ///     .authenticate(|credentials| async move {
    ///         match credentials.token.as_ref().map(|token| token.expose()) {
    ///             Some("secret") => Ok(Identity::new(UserName::new("alice").unwrap())),
    ///             _ => Err(HttpError::unauthorized("the token is unknown")),
    ///         }
    ///     })
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn authenticate<F>(
        mut self,
        authenticator: impl Fn(Credentials) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Identity, HttpError>> + Send + 'static,
    {
        self.services.authenticate =
            Box::new(move |credentials| Box::pin(authenticator(credentials)));
        self
    }

    /// Handles messages of one type, which are then not published. The payload is read by serde; if
    /// it does not fit, the answer is an error that says where. What the handler returns is the
    /// answer to a message that has an `id`: `()` acknowledges it. A handler that panics, or takes
    /// longer than [`handler_timeout`](Self::handler_timeout), fails that one message.
    ///
    /// ```
    /// # use switchboard_smol::{Context, Server};
    /// #[derive(serde::Deserialize)]
    /// struct Move {
    ///     piece: String,
    ///     to: String,
    /// }
    ///
    /// let server = Server::builder()
    ///     .on("move", |context: Context, step: Move| async move {
    ///         context.publish("board", "moved", &(step.piece, step.to))?;
    ///         Ok("your turn is over")
    ///     })
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
        self.services.handlers.insert(kind, move |context, request| {
            match read::<M>(&request.payload) {
                Ok(message) => {
                    let answer = handler(context, message);
                    Box::pin(async move { write(&answer.await?) })
                }
                Err(refusal) => at_once(Err(refusal)),
            }
        });
        self
    }

    /// Gives the full state of a room, for members who come back after more was published than the
    /// room keeps. It is asked for rooms whose class
    /// [says so](switchboard_core::RoomClass::provides_state), and has
    /// [`Limits::state_timeout`](switchboard_core::Limits::state_timeout); what is published
    /// meanwhile follows its answer. If it returns `None`, panics or is late, the members have to
    /// find out for themselves.
    ///
    /// ```
    /// # use switchboard_smol::Server;
    /// let server = Server::builder()
    ///     .state(|room| async move { (room.as_str() == "board").then_some(["e4", "e5"]) })
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

    /// Answers requests on the same port that are not upgrades, by default with 404. The body of a
    /// request is not read.
    ///
    /// ```
    /// # use switchboard_smol::{Server, http::{HttpError, Response, Status}};
    /// let server = Server::builder()
    ///     .http(|request| async move {
    ///         match request.path() {
    ///             "/healthz" => Response::new(Status::Ok, "text/plain", "ok"),
    ///             _ => HttpError::not_found().to_response(),
    ///         }
    ///     })
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn http<F>(mut self, service: impl Fn(HttpRequest) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response> + Send + 'static,
    {
        self.services.http = Box::new(move |request| Box::pin(service(request)));
        self
    }

    /// Is called with everything that happens to connections: opened, joined, left, refused,
    /// closed. This is in the middle of the server's work, so it must be quick.
    ///
    /// ```
    /// # use switchboard_smol::{Output, Server};
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

    /// Time for the handler of one message. Default 5 s.
    ///
    /// ```
    /// # use switchboard_smol::Server;
    /// # use std::time::Duration;
    /// let server = Server::builder().handler_timeout(Duration::from_secs(30)).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handler_timeout(mut self, timeout: Duration) -> Self {
        self.services.handler_timeout = timeout;
        self
    }

    /// Threads that write to sockets, the server's own included. All rules stay on the server's own
    /// thread, so that every limit is exact; the others take over part of what large broadcasts
    /// cost. Default 1.
    ///
    /// ```
    /// # use switchboard_smol::Server;
    /// let server = Server::builder().threads(4).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn threads(mut self, threads: usize) -> Self {
        self.services.threads = threads.max(1);
        self
    }

    /// Makes the server. It does nothing until it is served.
    ///
    /// # Errors
    /// If the settings contradict each other, the type of a handler is invalid, or the system has
    /// no files left for a server to wait with.
    ///
    /// ```
    /// # use switchboard_smol::Server;
    /// let server = Server::builder().build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build(self) -> Result<Server, BuildError> {
        let clock = Clock::start();
        let kinds = self.services.handlers.kinds()?;
        let engine = Engine::new(self.settings, kinds, seed())?;
        let poller = Poller::new().map_err(|error| BuildError::System(error.to_string()))?;
        let executor = Arc::new(smol::Executor::new());
        let shared =
            Arc::new_cyclic(|me| Shared::new(me, engine, poller, clock, self.services, &executor));
        Ok(Server::new(shared, executor))
    }
}

fn at_once<T: Send + 'static>(value: T) -> BoxFuture<T> {
    Box::pin(std::future::ready(value))
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("settings", &self.settings).finish_non_exhaustive()
    }
}
