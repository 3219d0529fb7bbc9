//! How a client is put together.

use std::fmt;
use std::io;
use std::sync::Arc;

use switchboard_core::client::Token;
use switchboard_engine::client::{
    BuildClient, ClientEvent, ClientSettings, Setup, Shell, StartError,
};
use switchboard_engine::seed;

use super::thread::{Environment, Source, TokenProvider, run};
use super::{Client, Events};

/// A client that has not started. See [`Client::builder`].
pub struct ClientBuilder {
    setup: Setup,
    tokens: Option<TokenProvider>,
}

impl BuildClient for ClientBuilder {
    fn new(setup: Setup) -> Self {
        Self { setup, tokens: None }
    }
}

impl ClientBuilder {
    /// The name, for servers that ask for no token.
    ///
    /// ```
    /// # use switchboard_std::Client;
    /// let builder = Client::builder("ws://localhost:8080/ws")?.user("alice");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn user(mut self, name: &str) -> Self {
        self.setup.user = Some(name.into());
        self
    }

    /// The token, the same for each connection. If the server refuses it, the client is closed for
    /// good.
    ///
    /// ```
    /// # use switchboard_std::Client;
    /// let builder = Client::builder("ws://localhost:8080/ws")?.token("secret");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn token(mut self, token: &str) -> Self {
        self.setup.token = Some(Token::new(token));
        self
    }

    /// Everything else that can be set.
    ///
    /// ```
    /// # use switchboard_std::{Client, ClientSettings};
    /// let settings = ClientSettings { max_events: 100, ..ClientSettings::default() };
    /// let builder = Client::builder("ws://localhost:8080/ws")?.settings(settings);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn settings(mut self, settings: ClientSettings) -> Self {
        self.setup.settings = settings;
        self
    }

    /// Where tokens come from: asked before the first connection, and again when the server refuses
    /// the last one or an attempt fails before it opens. It runs on a thread of its own and may take
    /// its time.
    ///
    /// ```
    /// # use switchboard_std::Client;
    /// let builder = Client::builder("ws://localhost:8080/ws")?
    ///     .token_from(|| std::fs::read_to_string("token"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn token_from<E: fmt::Display>(
        mut self,
        provider: impl Fn() -> Result<String, E> + Send + Sync + 'static,
    ) -> Self {
        self.tokens = Some(Arc::new(move || provider().map_err(|error| error.to_string())));
        self
    }

    /// Makes the client and begins to connect, on a thread of its own.
    ///
    /// # Errors
    /// If there can be no more threads or files.
    ///
    /// ```no_run
    /// # use switchboard_std::Client;
    /// let (client, events) = Client::builder("ws://localhost:8080/ws")?.user("alice").start()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start(mut self) -> Result<(Client, Events), StartError> {
        self.setup.settings.config.ask_token = self.tokens.is_some();
        let environment = Arc::new(Environment::new().map_err(refused)?);
        let (shell, events) = Shell::new(Arc::new(self.setup), seed(), environment.clone());
        let client = Client::new(shell.clone());
        client.connect();
        let source = Source { shell, environment, tokens: self.tokens };
        spawn("switchboard-client", move || run(&source))?;
        Ok((client, events))
    }

    /// [`start`](Self::start), and handles each event on the thread `switchboard-events`, one after
    /// the other.
    ///
    /// # Errors
    /// If there can be no more threads or files.
    ///
    /// ```no_run
    /// # use switchboard_std::Client;
    /// let client = Client::builder("ws://localhost:8080/ws")?
    ///     .start_with(|event| println!("{event:?}"))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start_with(
        self,
        handle: impl FnMut(ClientEvent) + Send + 'static,
    ) -> Result<Client, StartError> {
        let (client, events) = self.start()?;
        spawn("switchboard-events", move || events.for_each(handle))?;
        Ok(client)
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), StartError> {
    let thread = std::thread::Builder::new().name(name.into());
    thread.spawn(work).map(drop).map_err(refused)
}

fn refused(error: io::Error) -> StartError {
    StartError::System(error.to_string())
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("setup", &self.setup).finish_non_exhaustive()
    }
}
