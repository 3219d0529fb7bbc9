//! A seat that waits for its connection.

use std::fmt;
use std::sync::Arc;

use switchboard_core::ConnectionId;
use switchboard_core::http::Upgrade;

use super::auth::Claims;
use super::entrance::{Authenticated, RefusedUpgrade};
use super::host::{AnyHost, Host};

/// A seat that is held until its connection opens. Dropped before that, it is free again.
pub struct Reservation {
    server: Arc<dyn AnyHost>,
    connection: ConnectionId,
    claims: Claims,
    upgrade: Upgrade,
    is_taken: bool,
}

impl Reservation {
    /// Takes a seat.
    ///
    /// # Errors
    /// If there is none.
    pub fn new(server: Arc<impl Host>, peer: Authenticated) -> Result<Self, Box<RefusedUpgrade>> {
        let Authenticated { upgrade, attempt, claims } = peer;
        match server.connect(attempt) {
            Ok(connection) => Ok(Self { server, connection, claims, upgrade, is_taken: false }),
            Err(rejection) => Err(RefusedUpgrade::full(upgrade, rejection)),
        }
    }

    /// What the 101 has to say.
    pub fn upgrade(&self) -> &Upgrade {
        &self.upgrade
    }

    /// The id of the future connection.
    pub fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// Passes the seat on to a connection that is about to be opened. Returns `None` if it is a
    /// seat of another server.
    pub fn take<S: Host>(mut self, server: &Arc<S>) -> Option<(ConnectionId, Claims)> {
        self.is_taken = core::ptr::addr_eq(Arc::as_ptr(&self.server), Arc::as_ptr(server));
        self.is_taken.then(|| (self.connection, std::mem::take(&mut self.claims)))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.is_taken {
            self.server.abandon(self.connection);
        }
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reservation({:?})", self.connection)
    }
}
