//! The settings of a client, and how they are put into a builder.

use std::string::String;

use super::address::Address;
use super::tls::Tls;
use switchboard_core::client::{Config, Token};

/// What every runtime's builder sets.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where the server is.
    pub address: Address,
    /// The machine's.
    pub config: Config,
    /// The name, for servers that ask for no token.
    pub user: Option<String>,
    /// The token, where it is always the same.
    pub token: Option<Token>,
    /// Whom to trust.
    pub tls: Tls,
    /// How many events are kept for the application.
    pub max_events: usize,
    /// How many bytes of payload those may have.
    pub max_event_bytes: usize,
    /// How large a message of the server may be.
    pub max_message_bytes: usize,
}

impl Setup {
    /// The defaults.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            config: Config::default(),
            user: None,
            token: None,
            tls: Tls::default(),
            max_events: 1_024,
            max_event_bytes: 8 * 1024 * 1024,
            max_message_bytes: 16 * 1024 * 1024,
        }
    }

    /// More messages than this do not wait for a socket: all that can be without an answer, and some to spare.
    pub(super) fn max_waiting(&self) -> usize {
        let Config { max_in_flight, max_rooms, .. } = self.config;
        max_in_flight.saturating_add(max_rooms.saturating_mul(2)).saturating_add(1_000)
    }
}

/// The part of a client's builder that is the same everywhere. The builder has a field `setup`.
#[macro_export]
#[doc(hidden)]
macro_rules! client_settings {
    () => {
        /// How patient the client is, and how much it keeps.
        pub fn config(mut self, config: ::switchboard_core::client::Config) -> Self {
            let ask_token = self.setup.config.ask_token;
            self.setup.config = ::switchboard_core::client::Config { ask_token, ..config };
            self
        }

        /// The name, for servers that ask for no token.
        pub fn user(mut self, name: &str) -> Self {
            self.setup.user = Some(name.into());
            self
        }

        /// The token, the same for each connection. When the server refuses it, the client is closed for good.
        pub fn token(mut self, token: &str) -> Self {
            self.setup.token = Some(::switchboard_core::client::Token::new(token));
            self
        }

        /// Whom to trust on `wss` connections. Mozilla's list of authorities unless set.
        pub fn tls(mut self, tls: $crate::client::Tls) -> Self {
            self.setup.tls = tls;
            self
        }

        /// How many events are kept for an application that does not take them, and how many bytes of payload those may
        /// have; what is over that is left out, and the application told
        /// ([`Event::Lagged`]($crate::client::Event::Lagged)). 1,024 events and 8 MiB unless set.
        pub fn events_kept(mut self, events: usize, bytes: usize) -> Self {
            self.setup.max_events = events.max(1);
            self.setup.max_event_bytes = bytes;
            self
        }

        /// How large a message of the server may be; one that is larger ends the connection. 16 MiB unless set.
        pub fn max_message_bytes(mut self, bytes: usize) -> Self {
            self.setup.max_message_bytes = bytes;
            self
        }
    };
}
