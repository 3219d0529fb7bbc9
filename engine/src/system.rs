//! What a loop takes from the operating system: time, randomness and a listener.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::{Instant, SystemTime};

use socket2::{Domain, Protocol, Socket, Type};
use switchboard_core::Timestamp;

/// Sockets that wait to be accepted. With the usual 128, clients in a storm of reconnects would
/// wait for a second and more.
const BACKLOG: i32 = 4_096;

/// The time since a server or client was started, from the system's monotonic clock.
///
/// ```
/// let clock = switchboard_engine::Clock::start();
/// let now = clock.now();
/// assert!(clock.now() >= now);
/// ```
#[derive(Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that begins now, at [`Timestamp::ZERO`].
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The time that has passed since the start.
    pub fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.start.elapsed()
    }

    /// The same moment as the system counts it.
    pub fn instant_of(&self, timestamp: Timestamp) -> Instant {
        self.start + (timestamp - Timestamp::ZERO)
    }
}

/// The wall clock, in milliseconds since the Unix epoch.
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A secret seed, from the randomness that the standard library keys its hash maps with.
pub fn seed() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// A listener with a backlog that is long enough for a storm of reconnects.
///
/// # Errors
/// If the address cannot be listened on.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
