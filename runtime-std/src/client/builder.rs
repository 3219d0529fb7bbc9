//! How a client is put together.

use std::sync::Arc;
use std::{fmt, io};

use switchboard_engine::client::{Address, AddressError, Caller, Event, Setup, Shell};
use switchboard_engine::seed;

use super::Client;
use super::events::Events;
use super::thread::{Source, Surroundings, TokenProvider, run};

/// Settings of a client that has not started. See [`Client::builder`].
pub struct ClientBuilder {
    setup: Setup,
    tokens: Option<TokenProvider>,
}

/// Why a client cannot start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The address is no good.
    Address(AddressError),
    /// The address is a `wss` one, and the feature `tls` was not built in.
    NoTls,
    /// There can be no more threads or files.
    Io(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::NoTls => write!(f, "wss addresses need the feature `tls`"),
            Self::Io(error) => write!(f, "the client's thread cannot start: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl ClientBuilder {
    switchboard_engine::client_settings!();

    pub(super) fn new(address: &str) -> Result<Self, StartError> {
        let address = Address::parse(address).map_err(StartError::Address)?;
        if address.is_secure() && !cfg!(feature = "tls") {
            return Err(StartError::NoTls);
        }
        Ok(Self { setup: Setup::new(address), tokens: None })
    }

    /// Where tokens come from: asked before the first connection, and again when the server refuses the last one. It runs
    /// on a thread of its own and may take its time.
    pub fn token_from<E: fmt::Display>(
        mut self,
        provider: impl Fn() -> Result<String, E> + Send + Sync + 'static,
    ) -> Self {
        self.tokens = Some(Arc::new(move || provider().map_err(|error| error.to_string())));
        self.setup.config.ask_token = true;
        self
    }

    /// Makes the client and begins to connect, on a thread of its own.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn start(self) -> Result<(Client, Events), StartError> {
        let surroundings = Arc::new(Surroundings::new()?);
        let (shell, events) = Shell::new(Arc::new(self.setup), seed(), surroundings.clone());
        let caller = Caller::new(shell.clone());
        caller.connect();
        let source = Source { shell, surroundings, tokens: self.tokens };
        let thread = std::thread::Builder::new().name("switchboard-client".into());
        thread.spawn(move || run(&source))?;
        Ok((Client(caller), Events(events)))
    }

    /// The same, and has each event handled on the thread `switchboard-events`, one after the other.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn start_with(
        self,
        mut handle: impl FnMut(Event) + Send + 'static,
    ) -> Result<Client, StartError> {
        let (client, events) = self.start()?;
        let thread = std::thread::Builder::new().name("switchboard-events".into());
        thread.spawn(move || {
            for event in events {
                handle(event);
            }
        })?;
        Ok(client)
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("setup", &self.setup).finish_non_exhaustive()
    }
}
