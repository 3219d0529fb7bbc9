//! What can be set.

use core::time::Duration;

/// How patient a [`Client`](super::Client) is, and how much it keeps. Start from the defaults.
///
/// ```
/// use core::time::Duration;
/// use switchboard_core::client::Config;
///
/// let config = Config { max_backoff: Duration::from_secs(5), ..Config::default() };
/// assert_eq!(config.buffer, 100);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The longest wait after the first failure. It doubles with each one more. Default 1 s.
    pub min_backoff: Duration,
    /// The longest wait at all. Default 30 s.
    pub max_backoff: Duration,
    /// How long a connection must have been open for earlier failures to be forgotten. Default 60 s.
    pub stable_after: Duration,
    /// How long a token may take, and how long it may take from the dial to the server's `connected`. Default 10 s.
    pub connect_timeout: Duration,
    /// How long a request may take if it does not say so itself. Default 5 s.
    pub request_timeout: Duration,
    /// After so long without any frame the server counts as lost, unless its `connected` says otherwise; zero
    /// switches this off. Default 45 s.
    pub stale_after: Duration,
    /// How many messages may wait to be transmitted. Default 100.
    pub buffer: usize,
    /// How many messages may be without their answer. Default 100.
    pub max_in_flight: usize,
    /// How many rooms can be wanted, and how many calls of `join` and `leave` can be without their answer.
    /// Default 1,000.
    pub max_rooms: usize,
    /// Whether there is somebody to ask for a token. Default no.
    pub ask_token: bool,
}

impl Default for Config {
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
