//! The client's configuration.

use core::time::Duration;

/// Timeouts and bounds of a [`Machine`](super::Machine). Start from the defaults.
///
/// ```
/// use core::time::Duration;
/// use switchboard_core::client::ClientConfig;
///
/// let config = ClientConfig { max_backoff: Duration::from_secs(5), ..ClientConfig::default() };
/// assert_eq!(config.buffer, 100);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientConfig {
    /// The longest wait after the first failure. It doubles with each further failure. Default 1 s.
    pub min_backoff: Duration,
    /// The upper bound on any wait. Default 30 s.
    pub max_backoff: Duration,
    /// How long a connection must stay open before earlier failures are forgotten. Default 60 s.
    pub stable_after: Duration,
    /// The bound on fetching a token, and on the time from the dial to the server's `connected`.
    /// Default 10 s.
    pub connect_timeout: Duration,
    /// The timeout of a request that does not set its own. Default 5 s.
    pub request_timeout: Duration,
    /// Without any frame for this long, the server counts as lost, unless its `connected` sets
    /// another time. Zero disables the check. Default 45 s.
    pub stale_after: Duration,
    /// The number of messages that may wait to be transmitted. Default 100.
    pub buffer: usize,
    /// The number of messages that may be unanswered. Default 100.
    pub max_in_flight: usize,
    /// The number of rooms that can be wanted, and of calls of `join` and `leave` that can be
    /// unanswered. Default 1,000.
    pub max_rooms: usize,
    /// Whether the application provides tokens. Default no.
    pub ask_token: bool,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            min_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(30),
            stable_after: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(5),
            stale_after: Duration::from_secs(45),
            buffer: 100,
            max_in_flight: 100,
            max_rooms: 1_000,
            ask_token: false,
        }
    }
}
