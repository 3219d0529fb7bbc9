//! How a client is put together.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use switchboard_core::client::Token;
use switchboard_engine::client::{BuildClient, ClientSettings, Setup, Shell, StartError};
use switchboard_engine::seed;

use super::task::{Environment, Source, TokenProvider, run};
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
    /// # use switchboard_smol::Client;
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
    /// # use switchboard_smol::Client;
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
    /// # use switchboard_smol::{Client, ClientSettings};
    /// let settings = ClientSettings { max_events: 100, ..ClientSettings::default() };
    /// let builder = Client::builder("ws://localhost:8080/ws")?.settings(settings);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn settings(mut self, settings: ClientSettings) -> Self {
        self.setup.settings = settings;
        self
    }

    /// Where tokens come from: asked before the first connection, and again when the server refuses
    /// the last one or an attempt fails before it opens.
    ///
    /// ```
    /// # use switchboard_smol::Client;
    /// let builder = Client::builder("ws://localhost:8080/ws")?
    ///     .token_from(|| async { std::fs::read_to_string("token") });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
        self
    }

    /// Makes the client and begins to connect. Its task runs on smol's global executor.
    ///
    /// # Errors
    /// None at present; what is wrong with the server is told by
    /// [`ClientEvent::State`](crate::ClientEvent::State).
    ///
    /// ```no_run
    /// # use switchboard_smol::Client;
    /// let (client, events) = Client::builder("ws://localhost:8080/ws")?.user("alice").start()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start(self) -> Result<(Client, Events), StartError> {
        let (client, events, task) = self.build();
        smol::spawn(task).detach();
        Ok((client, events))
    }

    /// [`start`](Self::start) for other executors: the client works while the future runs, which
    /// ends with the client. A future that is dropped ends the client.
    ///
    /// ```no_run
    /// # use switchboard_smol::Client;
    /// let (client, events, task) = Client::builder("ws://localhost:8080/ws")?.build();
    /// let executor = smol::LocalExecutor::new();
    /// executor.spawn(task).detach();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build(mut self) -> (Client, Events, impl Future<Output = ()> + Send + use<>) {
        self.setup.settings.config.ask_token = self.tokens.is_some();
        let environment = Arc::new(Environment::default());
        let (shell, events) = Shell::new(Arc::new(self.setup), seed(), environment.clone());
        let client = Client::new(shell.clone());
        client.connect();
        (client, events, run(Source { shell, environment, tokens: self.tokens }))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("setup", &self.setup).finish_non_exhaustive()
    }
}
