//! The settings of a client.

use std::fmt;

use switchboard_core::client::{ClientConfig, Token};

use super::address::{Address, AddressError};
use super::tls::Tls;

/// How patient a client is, how much it keeps, and whom it trusts. Start from the defaults.
///
/// ```
/// use switchboard_engine::client::ClientSettings;
///
/// let settings = ClientSettings { max_events: 100, ..ClientSettings::default() };
/// ```
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// How patient the client is, and how much it keeps.
    pub config: ClientConfig,
    /// Whom to trust on `wss` connections. Default: Mozilla's list of authorities.
    pub tls: Tls,
    /// How many events are kept for an application that takes them too slowly. What comes then is
    /// left out, and the application is told ([`ClientEvent::Lagged`](super::ClientEvent::Lagged)).
    /// Default 1,024.
    pub max_events: usize,
    /// How many bytes of payload those events may have. Default 8 MiB.
    pub max_event_bytes: usize,
    /// How large a message of the server may be; a larger one ends the connection. Default 16 MiB.
    pub max_message_bytes: usize,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            config: ClientConfig::default(),
            tls: Tls::default(),
            max_events: 1_024,
            max_event_bytes: 8 * 1024 * 1024,
            max_message_bytes: 16 * 1024 * 1024,
        }
    }
}

/// What a runtime's builder fills in.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where the server is.
    pub address: Address,
    /// The name, for servers that ask for no token.
    pub user: Option<String>,
    /// The token, if it is always the same.
    pub token: Option<Token>,
    /// Everything else.
    pub settings: ClientSettings,
}

/// The builder of a runtime's clients.
pub trait BuildClient {
    /// Begins with the defaults, for a client of this address.
    fn new(setup: Setup) -> Self;
}

impl Setup {
    /// The defaults for a client of this address.
    ///
    /// # Errors
    /// If it is not the address of a WebSocket server, or a `wss` one without the feature `tls`.
    pub fn new(address: &str) -> Result<Self, StartError> {
        let address = Address::parse(address).map_err(StartError::Address)?;
        if address.is_secure() && !cfg!(feature = "tls") {
            return Err(StartError::NoTls);
        }
        Ok(Self { address, user: None, token: None, settings: ClientSettings::default() })
    }

    /// More messages than this do not wait for a socket: all that can be without an answer, and
    /// some to spare.
    pub(super) fn max_waiting(&self) -> usize {
        let ClientConfig { max_in_flight, max_rooms, .. } = self.settings.config;
        max_in_flight.saturating_add(max_rooms.saturating_mul(2)).saturating_add(1_000)
    }
}

/// Why a client cannot start.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The address is invalid.
    Address(AddressError),
    /// The address is a `wss` one, and the feature `tls` was not built in.
    NoTls,
    /// The operating system refuses what a client needs; it says why.
    System(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::NoTls => write!(f, "wss addresses need the feature `tls`"),
            Self::System(why) => write!(f, "the system refuses what a client needs: {why}"),
        }
    }
}

impl std::error::Error for StartError {}
