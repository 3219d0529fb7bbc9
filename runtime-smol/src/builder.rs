//! How a server is put together.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use switchboard_core::http::{Origins, Refusal as HttpRefusal, Request, Response};
use switchboard_core::{
    Codec, Config, ConfigError, ConnectionId, Driver, Handled, Heartbeat, Kind, Limits, NameError,
    Output, RawFrame, Refusal, RoomClass, Timestamp,
};

use crate::auth::{Authenticator, Credentials, Identity, anonymous};
use crate::context::Context;
use crate::handlers::Handlers;
use crate::server::Server;
use crate::shared::{Clock, HttpService, Observer, RawService, Rules, Shared, unix_ms};

/// How a refused upgrade is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// By HTTP: 401, 403 or 503 with a JSON body. A browser's script cannot see which.
    Http,
    /// The upgrade is accepted, and closed at once with a code that says why.
    Close,
}

/// The parts that the application brings.
pub(crate) struct Services {
    pub(crate) authenticate: Authenticator,
    pub(crate) http: HttpService,
    pub(crate) handlers: Handlers,
    pub(crate) raw: Option<RawService>,
    pub(crate) observer: Observer,
}

/// Settings and handlers of a server that is not yet made. See [`Server::builder`].
pub struct Builder {
    config: Config,
    rules: Rules,
    services: Services,
    bad_kind: Option<(String, NameError)>,
}

impl Builder {
    pub(crate) fn new() -> Self {
        let not_found = |_| async { HttpRefusal::not_found().to_response() };
        Self {
            config: Config::default(),
            rules: Rules {
                path: "/ws".into(),
                origins: Origins::default(),
                codec: Codec::Json,
                capacity_answer: Answer::Close,
                auth_answer: Answer::Http,
                handshake_timeout: Duration::from_secs(10),
                max_handshakes: 1_024,
                handler_timeout: Duration::from_secs(5),
                send_buffer: 64 * 1024,
                framing: tungstenite::protocol::WebSocketConfig::default(),
            },
            services: Services {
                authenticate: Arc::new(|credentials| Box::pin(anonymous(credentials))),
                http: Arc::new(move |request| Box::pin(not_found(request))),
                handlers: Handlers::default(),
                raw: None,
                observer: Box::new(|_| {}),
            },
            bad_kind: None,
        }
    }

    /// The bounds. Their defaults are those of [`Limits`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// The rules of liveness. Their defaults are those of [`Heartbeat`].
    pub fn heartbeat(mut self, heartbeat: Heartbeat) -> Self {
        self.config.heartbeat = heartbeat;
        self
    }

    /// The rules of the rooms whose names begin with this prefix; the longest prefix wins, and `""` is every room.
    pub fn rooms(mut self, prefix: &str, class: RoomClass) -> Self {
        self.config.rooms.push((prefix.into(), class));
        self
    }

    /// The path of upgrades, `/ws` unless set; `/ws/{room}` joins that room at once.
    pub fn path(mut self, path: &str) -> Self {
        self.rules.path = path.trim_end_matches('/').into();
        self
    }

    /// Which web pages may connect; by default only those from the server's own host. A client that is no browser sends no
    /// origin and is let through.
    pub fn origins(mut self, origins: Origins) -> Self {
        self.rules.origins = origins;
        self
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

    /// Hears of everything that happens to connections: opened, joined, left, refused, closed. Called in the middle of the
    /// server's work: keep it short.
    pub fn observe(mut self, observer: impl Fn(&Output) + Send + Sync + 'static) -> Self {
        self.services.observer = Box::new(observer);
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

    /// No rooms and no protocol: every frame goes to this function, and what it returns goes back.
    pub fn raw(
        mut self,
        service: impl Fn(ConnectionId, RawFrame) -> Option<RawFrame> + Send + Sync + 'static,
    ) -> Self {
        self.rules.codec = Codec::Raw;
        self.services.raw = Some(Box::new(service));
        self
    }

    /// How an upgrade without a free seat is answered: by default accepted and closed with 4002.
    pub fn capacity_answer(mut self, answer: Answer) -> Self {
        self.rules.capacity_answer = answer;
        self
    }

    /// How an upgrade that the authenticator refused is answered: by default by HTTP.
    pub fn auth_answer(mut self, answer: Answer) -> Self {
        self.rules.auth_answer = answer;
        self
    }

    /// Time from the accepted socket to the answered upgrade, the authenticator's included. 10 s unless set.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.rules.handshake_timeout = timeout;
        self
    }

    /// Upgrades under way at once; while there are so many, further sockets wait to be accepted. 1,024 unless set.
    pub fn max_handshakes(mut self, max: usize) -> Self {
        self.rules.max_handshakes = max.max(1);
        self
    }

    /// Time for one message's handler. 5 s unless set.
    pub fn handler_timeout(mut self, timeout: Duration) -> Self {
        self.rules.handler_timeout = timeout;
        self
    }

    /// Size of each socket's send buffer in the kernel, which doubles it. The smaller, the sooner a slow client is noticed
    /// and the less memory it holds; the larger, the faster a far one can be. 64 KiB unless set; 0 leaves it to the
    /// kernel.
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.rules.send_buffer = bytes;
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
        if let Some(kind) = self.services.handlers.kinds().find(Kind::is_reserved) {
            return Err(BuildError::ReservedKind(kind));
        }
        let limits = &self.config.limits;
        let max_message_bytes = limits.max_message_bytes;
        // The driver writes all frames itself, so that tungstenite's write buffer only ever holds one control frame; and it
        // reads from memory, so that a small read buffer costs nothing.
        self.rules.framing = self
            .rules
            .framing
            .read_buffer_size(256)
            .write_buffer_size(0)
            .max_write_buffer_size(1_024)
            .max_message_size(Some(max_message_bytes))
            .max_frame_size(Some(max_message_bytes));
        self.config.handled = Handled::Kinds(self.services.handlers.kinds().collect());
        self.config.limits.handshake_timeout = self.rules.handshake_timeout;
        let clock = Clock::start();
        self.config.unix_ms_at_start = unix_ms();
        let driver =
            Driver::new(self.config, seed(), Timestamp::ZERO).map_err(BuildError::Config)?;
        let executor = Arc::new(smol::Executor::new());
        let shared = Shared::new(driver, clock, self.rules, self.services, &executor);
        Ok(Server::new(shared, executor))
    }
}

/// From the randomness that the standard library keys its hash maps with.
pub(crate) fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Why a server could not be made.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The settings contradict each other.
    Config(ConfigError),
    /// A handler's type is no good as a name.
    Kind(String, NameError),
    /// A handler's type belongs to the protocol.
    ReservedKind(Kind),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Kind(kind, error) => write!(f, "the type {kind:?} of a handler {error}"),
            Self::ReservedKind(kind) => write!(f, "the type {kind:?} belongs to the protocol"),
        }
    }
}

impl std::error::Error for BuildError {}
