//! The settings of a server, and how they are put into a builder.

use std::boxed::Box;
use std::fmt;
use std::io;
use std::string::String;
use std::time::Duration;
use std::vec::Vec;

use super::entrance::Entrance;
use socket2::SockRef;
use std::panic::{AssertUnwindSafe, catch_unwind};
use switchboard_core::http::Origins;
use switchboard_core::{
    CloseReason, Codec, Command, Config, ConfigError, ConnectionId, Driver, Handled, Heartbeat,
    Kind, Limit, Limits, Message, NameError, Outlet, Output, Rate, RawFrame, Timestamp, Witness,
};

/// What hears of everything that happens to connections.
pub type Observer = Box<dyn Fn(&Output) + Send + Sync>;

/// What answers the frames of connections without a protocol.
pub type RawService = Box<dyn Fn(ConnectionId, RawFrame) -> Option<RawFrame> + Send + Sync>;

/// What every runtime's builder sets.
pub struct Settings {
    /// The hub's.
    pub config: Config,
    /// How upgrades are dealt with.
    pub entrance: Entrance,
    /// From the accepted socket to the answered upgrade.
    pub handshake_timeout: Duration,
    /// Handshakes at once.
    pub max_handshakes: usize,
    /// Bytes of a socket's send buffer; 0 leaves it to the kernel.
    pub send_buffer: usize,
    /// Hears of everything.
    pub observer: Observer,
    /// There when every frame is handled by itself.
    pub raw: Option<RawService>,
    /// Hears of all that the hub does, to record it for instance.
    pub witness: Option<Box<dyn Witness>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            config: Config::default(),
            entrance: Entrance::default(),
            handshake_timeout: Duration::from_secs(10),
            max_handshakes: 1_024,
            send_buffer: 64 * 1024,
            observer: Box::new(|_| {}),
            raw: None,
            witness: None,
        }
    }
}

impl Settings {
    /// Without rooms and protocol: every frame comes back. For suites that test the framing, so nearly every limit is off:
    /// not for the open internet.
    pub fn echo() -> Self {
        let limits = Limits {
            max_connections: Limit::NONE,
            max_per_user: Limit::NONE,
            max_message_bytes: 64 * 1024 * 1024,
            max_fragments: 100_000,
            messages: Rate::NONE,
            bytes: Rate::NONE,
            outbox_messages: 1_000_000,
            outbox_bytes: 1024 * 1024 * 1024,
            ..Limits::default()
        };
        let heartbeat = Heartbeat { interval: Duration::ZERO, ..Heartbeat::default() };
        let mut entrance = Entrance::default();
        // At `/` and everything below it.
        entrance.path.clear();
        entrance.origins = Origins::Any;
        entrance.codec = Codec::Raw;
        Self {
            config: Config { limits, heartbeat, ..Config::default() },
            entrance,
            raw: Some(Box::new(|_, frame| Some(frame))),
            ..Self::default()
        }
    }

    /// The driver of a server that has handlers for these types of messages. The witness goes with it.
    ///
    /// # Errors
    /// When the settings contradict each other.
    pub fn driver<O: Outlet>(
        &mut self,
        handled: Vec<Kind>,
        seed: u64,
        unix_ms: u64,
    ) -> Result<Driver<O>, BuildError> {
        if let Some(kind) = handled.iter().find(|kind| kind.is_reserved()) {
            return Err(BuildError::ReservedKind(kind.clone()));
        }
        let mut config = self.config.clone();
        config.handled = Handled::Kinds(handled.into_iter().collect());
        config.limits.handshake_timeout = self.handshake_timeout;
        config.unix_ms_at_start = unix_ms;
        let driver = Driver::new(config, seed, Timestamp::ZERO).map_err(BuildError::Config)?;
        Ok(match self.witness.take() {
            Some(witness) => driver.witnessed(witness),
            None => driver,
        })
    }

    /// Lets the observer hear of something. Its panic harms nobody else, and its message has gone to the log by the panic
    /// hook.
    pub fn observe(&self, output: &Output) {
        if catch_unwind(AssertUnwindSafe(|| (self.observer)(output))).is_err() {
            tracing::error!("the observer failed");
        }
    }

    /// What [`raw`](Self::raw) makes of a frame: something to be sent, or the end of the connection if it panics.
    pub fn answer_raw(&self, connection: ConnectionId, frame: RawFrame) -> Option<Command> {
        let raw = self.raw.as_ref()?;
        match catch_unwind(AssertUnwindSafe(|| raw(connection, frame))) {
            Ok(answer) => answer.map(|frame| {
                let message = Message::Raw(frame);
                Command::Send { to: connection, message }
            }),
            Err(_) => Some(Command::Close { connection, reason: CloseReason::Internal }),
        }
    }

    /// Prepares a listener, whose sockets inherit this on Linux, or an accepted socket: small
    /// messages are sent at once, and a slow reader is noticed before the kernel holds much for it.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn tune<S>(&self, socket: &S) -> io::Result<()>
    where
        for<'s> SockRef<'s>: From<&'s S>,
    {
        let socket = SockRef::from(socket);
        socket.set_tcp_nodelay(true)?;
        match self.send_buffer {
            0 => Ok(()),
            bytes => socket.set_send_buffer_size(bytes),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The methods of a builder that has its [`Settings`] in a field `settings`: to be called within its `impl`. So every
/// runtime has the same ones, described once.
#[macro_export]
macro_rules! builder_settings {
    () => {
        /// All of these settings at once, instead of what was set before.
        pub fn settings(mut self, settings: $crate::server::Settings) -> Self {
            self.settings = settings;
            self
        }

        /// The bounds. Their defaults are those of [`Limits`](switchboard_core::Limits).
        pub fn limits(mut self, limits: ::switchboard_core::Limits) -> Self {
            self.settings.config.limits = limits;
            self
        }

        /// The rules of liveness. Their defaults are those of [`Heartbeat`](switchboard_core::Heartbeat).
        pub fn heartbeat(mut self, heartbeat: ::switchboard_core::Heartbeat) -> Self {
            self.settings.config.heartbeat = heartbeat;
            self
        }

        /// What is kept for clients that come back. Its defaults are those of
        /// [`Recovery`](switchboard_core::Recovery).
        pub fn recovery(mut self, recovery: ::switchboard_core::Recovery) -> Self {
            self.settings.config.recovery = recovery;
            self
        }

        /// The rules of the rooms whose names begin with this prefix; the longest prefix wins, and `""` is every room.
        pub fn rooms(mut self, prefix: &str, class: ::switchboard_core::RoomClass) -> Self {
            self.settings.config.rooms.push((prefix.into(), class));
            self
        }

        /// The path of upgrades, `/ws` unless set; `/ws/{room}` joins that room at once.
        pub fn path(mut self, path: &str) -> Self {
            self.settings.entrance.path = path.trim_end_matches('/').into();
            self
        }

        /// Which web pages may connect; by default only those from the server's own host. A client that is no browser
        /// sends no origin and is let through.
        pub fn origins(mut self, origins: ::switchboard_core::http::Origins) -> Self {
            self.settings.entrance.origins = origins;
            self
        }

        /// Hears of everything that happens to connections: opened, joined, left, refused, closed. Called in the middle of the
        /// server's work: keep it short.
        pub fn observe(
            mut self,
            observer: impl Fn(&::switchboard_core::Output) + Send + Sync + 'static,
        ) -> Self {
            self.settings.observer = ::std::boxed::Box::new(observer);
            self
        }

        /// Hears of all that goes into the hub and comes out of it, to record it for instance.
        pub fn witness(mut self, witness: impl ::switchboard_core::Witness + 'static) -> Self {
            self.settings.witness = Some(::std::boxed::Box::new(witness));
            self
        }

        /// No rooms and no protocol: every frame goes to this function, and what it returns goes back.
        pub fn raw(
            mut self,
            service: impl Fn(
                ::switchboard_core::ConnectionId,
                ::switchboard_core::RawFrame,
            ) -> Option<::switchboard_core::RawFrame>
            + Send
            + Sync
            + 'static,
        ) -> Self {
            self.settings.entrance.codec = ::switchboard_core::Codec::Raw;
            self.settings.raw = Some(::std::boxed::Box::new(service));
            self
        }

        /// How an upgrade without a free seat is answered: by default accepted and closed with 4002.
        pub fn capacity_answer(mut self, answer: $crate::server::RefuseBy) -> Self {
            self.settings.entrance.capacity_answer = answer;
            self
        }

        /// How an upgrade that the authenticator refused is answered: by default by HTTP.
        pub fn auth_answer(mut self, answer: $crate::server::RefuseBy) -> Self {
            self.settings.entrance.auth_answer = answer;
            self
        }

        /// Time from the accepted socket to the answered upgrade, the authenticator's included. 10 s unless set.
        pub fn handshake_timeout(mut self, timeout: ::std::time::Duration) -> Self {
            self.settings.handshake_timeout = timeout;
            self
        }

        /// Upgrades under way at once; while there are so many, further sockets wait to be accepted. 1,024 unless set.
        pub fn max_handshakes(mut self, max: usize) -> Self {
            self.settings.max_handshakes = max.max(1);
            self
        }

        /// Size of each socket's send buffer in the kernel, which doubles it. The smaller, the sooner a slow client is noticed
        /// and the less memory it holds; the larger, the faster a far one can be. 64 KiB unless set; 0 leaves it to the
        /// kernel.
        pub fn send_buffer(mut self, bytes: usize) -> Self {
            self.settings.send_buffer = bytes;
            self
        }
    };
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
    /// The operating system has no means for it; it says why.
    System(String),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Kind(kind, error) => write!(f, "the type {kind:?} of a handler {error}"),
            Self::ReservedKind(kind) => write!(f, "the type {kind:?} belongs to the protocol"),
            Self::System(why) => write!(f, "the system refuses what a server needs: {why}"),
        }
    }
}

impl std::error::Error for BuildError {}
