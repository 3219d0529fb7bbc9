//! How a client is put together.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use switchboard_engine::client::{Address, AddressError, Caller, Setup, Shell};
use switchboard_engine::seed;

use super::Client;
use super::events::Events;
use super::task::{Source, Surroundings, TokenProvider, run};

/// Settings of a client that has not started. See [`Client::builder`].
pub struct ClientBuilder {
    setup: Setup,
    tokens: Option<TokenProvider>,
}

/// Why a client cannot start.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The address is no good.
    Address(AddressError),
    /// The address is a `wss` one, and the feature `tls` was not built in.
    NoTls,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::NoTls => write!(f, "wss addresses need the feature `tls`"),
        }
    }
}

impl std::error::Error for StartError {}

impl ClientBuilder {
    switchboard_engine::client_settings!();

    pub(super) fn new(address: &str) -> Result<Self, StartError> {
        let address = Address::parse(address).map_err(StartError::Address)?;
        if address.is_secure() && !cfg!(feature = "tls") {
            return Err(StartError::NoTls);
        }
        Ok(Self { setup: Setup::new(address), tokens: None })
    }

    /// Where tokens come from: asked before the first connection, and again when the server refuses the last one.
    pub fn token_from<E: fmt::Display, F>(
        mut self,
        provider: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<String, E>> + Send + 'static,
    {
        self.tokens = Some(Box::new(move || {
            let answer = provider();
            Box::pin(async move { answer.await.map_err(|error| error.to_string()) })
        }));
        self.setup.config.ask_token = true;
        self
    }

    /// Makes the client and begins to connect. Its task runs on smol's global executor.
    ///
    /// # Errors
    /// None at present; what is wrong with the server comes as [`Event::State`](crate::Event::State).
    pub fn start(self) -> Result<(Client, Events), StartError> {
        let (client, events, task) = self.build();
        smol::spawn(task).detach();
        Ok((client, events))
    }

    /// The same for other executors: the client does what it does while the future runs, which ends with the client. A
    /// future that is dropped ends the client.
    pub fn build(self) -> (Client, Events, impl Future<Output = ()> + Send + use<>) {
        let surroundings = Arc::new(Surroundings::default());
        let (shell, events) = Shell::new(Arc::new(self.setup), seed(), surroundings.clone());
        let caller = Caller::new(shell.clone());
        caller.connect();
        let source = Source { shell, surroundings, tokens: self.tokens };
        (Client(caller), Events(events), run(source))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("setup", &self.setup).finish_non_exhaustive()
    }
}
