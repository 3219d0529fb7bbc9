//! Runs the server.

use std::fmt;

use crate::config::Config;
use crate::{bind, logging, os};

/// Why the server does not run.
#[derive(Debug)]
pub(crate) enum Error {
    /// The configuration asks for what must not or cannot be done; the text says which.
    Refused(String),
    NotWired,
}

/// Serves until told to stop.
pub(crate) fn serve(config: Config) -> Result<(), Error> {
    logging::init(&config.log).map_err(Error::Refused)?;
    let listen = &config.server.listen;
    let addresses = bind::resolve(listen).map_err(Error::Refused)?;
    bind::check_exposure(listen, &addresses, config.auth.mode, config.server.allow_anonymous)
        .map_err(Error::Refused)?;
    match os::raise_open_files() {
        Ok(files) => {
            let wanted = config.limits.max_connections.get();
            if let Some(Err(shortage)) = wanted.map(|wanted| files.suffice_for(wanted)) {
                tracing::warn!("{shortage}");
            }
        }
        Err(error) => tracing::warn!("the limit on open files cannot be raised: {error}"),
    }
    Err(Error::NotWired)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => f.write_str(why),
            Self::NotWired => f.write_str("the runtime is not wired to this program yet"),
        }
    }
}

impl std::error::Error for Error {}
