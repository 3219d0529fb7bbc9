//! The settings of a server.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use socket2::SockRef;
use switchboard_core::http::{DEFAULT_MAX_HEAD_BYTES, Hosts, Origins};
use switchboard_core::{
    CloseReason, Codec, Command, Config, ConfigError, ConnectionId, Driver, Handled, Heartbeat,
    Kind, Limit, Limits, Message, NameError, Outlet, Rate, RawFrame, Tap, Timestamp,
};

use super::entrance::RefuseBy;
use crate::system::unix_ms;

/// What answers the frames of connections without a protocol.
pub type RawService = Box<dyn Fn(ConnectionId, RawFrame) -> Option<RawFrame> + Send + Sync>;

/// What can be set of a server, the same in every runtime. Start from the defaults.
///
/// ```
/// use std::time::Duration;
/// use switchboard_core::Limit;
/// use switchboard_engine::server::ServerSettings;
///
/// let mut settings = ServerSettings {
///     path: "/chat".into(),
///     handshake_timeout: Duration::from_secs(5),
///     ..ServerSettings::default()
/// };
/// settings.config.limits.max_connections = Limit::at_most(20_000);
/// ```
pub struct ServerSettings {
    /// Limits, heartbeats, what is kept for clients that come back, and the classes of rooms. A
    /// server sets `handled`, `unix_ms_at_start` and the handshake time-out in it by itself.
    pub config: Config,
    /// The path of upgrades; `PATH/ROOM` joins that room at once. Default `/ws`.
    pub path: String,
    /// Which web pages may connect. A client that is not a browser sends no origin, and is let
    /// through. Default: pages from the server's own host.
    pub origins: Origins,
    /// Which hosts an upgrade may name that a page asks for. Other requests are the application's,
    /// which checks them with the same rule. Default: any. A server on loopback without tokens
    /// needs [`Hosts::LoopbackOr`], or pages reach it by a name of their own.
    pub hosts: Hosts,
    /// How an upgrade is refused if there is no free seat. Default: accepted and closed with 4002.
    pub capacity_answer: RefuseBy,
    /// How an upgrade is refused that the authenticator does not let in: closed with 4001 or 4003,
    /// or by HTTP with 401 or 403; any other status is always sent by HTTP. Default: closed if a
    /// web page asks.
    pub auth_answer: RefuseBy,
    /// Time from the accepted socket to the answered upgrade, the authenticator's included.
    /// Default 10 s.
    pub handshake_timeout: Duration,
    /// Time from the accepted socket to the first byte of its request. Default 3 s.
    pub first_byte_timeout: Duration,
    /// Bytes of a request's head; a longer one is answered with 431. Default 16 KiB.
    pub max_head_bytes: usize,
    /// Handshakes at the same time, at least 1. One more closes the handshake that has been silent
    /// longest, among those of the address that has the most; while all of them wait for the
    /// authenticator, it waits to be accepted. Sockets that are being closed are counted by
    /// themselves, with the same bound. Default 1,024.
    pub max_handshakes: usize,
    /// Handshakes of one address at the same time. One more closes the one that has been silent
    /// longest, even if it was accepted in the same moment. Those that wait for the authenticator
    /// are counted by themselves, and one more is answered with 429; so are sockets that are being
    /// closed. Default 64.
    ///
    /// An address is an IPv4 address, or the first 64 bits of an IPv6 address. Addresses of this
    /// machine are exempt from the limits per address, unless [`Limits::loopback`] says otherwise.
    /// Behind a proxy, the limits per address are the proxy's part: here, all clients share its
    /// address.
    pub handshakes_per_address: Limit,
    /// Connections of one address, and upgrades that are being decided; one more is answered with
    /// 429. Default 100.
    pub connections_per_address: Limit,
    /// Upgrades of one address; one more is answered with 429 before anything is verified. Default
    /// 10 a second, and 50 at once after a pause.
    pub connects_per_address: Rate,
    /// Bytes of each socket's send buffer in the kernel, which doubles them; 0 leaves them to the
    /// kernel. With fewer bytes a slow client is noticed sooner and takes less memory; with more a
    /// far one can be faster. Default 64 KiB.
    pub send_buffer: usize,
    /// No rooms and no protocol: every frame goes to this function, and what it returns is sent
    /// back.
    pub raw: Option<RawService>,
    /// Reads the wall clock, in milliseconds since the Unix epoch; it must be quick. A server asks
    /// in every turn, so that messages have the right time even after the clock was set or the
    /// machine has slept. Default: the system's clock, [`unix_ms`].
    pub wall_clock: fn() -> u64,
    /// Sees all that goes into the hub and comes out of it, to record it for instance.
    pub tap: Option<Box<dyn Tap>>,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            config: Config::default(),
            path: "/ws".into(),
            origins: Origins::default(),
            hosts: Hosts::default(),
            capacity_answer: RefuseBy::Close,
            auth_answer: RefuseBy::Auto,
            handshake_timeout: Duration::from_secs(10),
            first_byte_timeout: Duration::from_secs(3),
            max_head_bytes: DEFAULT_MAX_HEAD_BYTES,
            max_handshakes: 1_024,
            handshakes_per_address: Limit::at_most(64),
            connections_per_address: Limit::at_most(100),
            connects_per_address: Rate { per_second: 10, burst: 50 },
            send_buffer: 64 * 1024,
            raw: None,
            wall_clock: unix_ms,
            tap: None,
        }
    }
}

impl ServerSettings {
    /// Without rooms and protocol: every frame is sent back. For suites that test the framing, so
    /// nearly every limit is off: not for the open internet.
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
        Self {
            config: Config { limits, heartbeat, ..Config::default() },
            // At `/` and everything below it.
            path: String::new(),
            origins: Origins::Any,
            handshakes_per_address: Limit::NONE,
            connections_per_address: Limit::NONE,
            connects_per_address: Rate::NONE,
            raw: Some(Box::new(|_, frame| Some(frame))),
            ..Self::default()
        }
    }

    /// What connections speak.
    pub fn codec(&self) -> Codec {
        if self.raw.is_some() { Codec::Raw } else { Codec::Json }
    }

    /// The driver of a server that has handlers for these types of messages. It takes the tap.
    ///
    /// # Errors
    /// If the settings contradict each other.
    pub fn driver<O: Outlet>(
        &mut self,
        handled: Vec<Kind>,
        seed: u64,
    ) -> Result<Driver<O>, BuildError> {
        if let Some(kind) = handled.iter().find(|kind| kind.is_reserved()) {
            return Err(BuildError::ReservedKind(kind.clone()));
        }
        let mut config = self.config.clone();
        config.handled = Handled::Kinds(handled.into_iter().collect());
        config.limits.handshake_timeout = self.handshake_timeout;
        config.unix_ms_at_start = (self.wall_clock)();
        let driver = Driver::new(config, seed, Timestamp::ZERO).map_err(BuildError::Config)?;
        Ok(match self.tap.take() {
            Some(tap) => driver.with_tap(tap),
            None => driver,
        })
    }

    /// What [`raw`](Self::raw) makes of a frame: something to be sent, or the end of the connection
    /// if it panics.
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

impl fmt::Debug for ServerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSettings").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Why a server could not be made.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The settings contradict each other.
    Config(ConfigError),
    /// A handler's type of message is not a valid name.
    Kind(String, NameError),
    /// A handler's type of message belongs to the protocol.
    ReservedKind(Kind),
    /// The operating system refuses what a server needs; it says why.
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
