//! A seat on its way to a connection.

use std::boxed::Box;
use std::fmt;
use std::sync::Arc;

use super::auth::Claims;
use super::control::Hosted;
use super::entrance::{Guest, Refused};
use switchboard_core::ConnectionId;
use switchboard_core::http::Upgrade;

/// A seat, from the admission to the open connection. Dropped before that, it is given back.
pub struct Admission {
    server: Arc<dyn Hosted>,
    connection: ConnectionId,
    claims: Claims,
    upgrade: Upgrade,
    is_taken: bool,
}

impl Admission {
    /// Takes a seat.
    ///
    /// # Errors
    /// When there is none.
    pub fn new(server: Arc<dyn Hosted>, guest: Guest) -> Result<Self, Box<Refused>> {
        let Guest { upgrade, user, rooms, claims } = guest;
        match server.connect(user, rooms, upgrade.session) {
            Ok(connection) => Ok(Self { server, connection, claims, upgrade, is_taken: false }),
            Err(rejection) => Err(Refused::full(upgrade, rejection)),
        }
    }

    /// What the 101 has to say.
    pub fn upgrade(&self) -> &Upgrade {
        &self.upgrade
    }

    /// The connection that it will be.
    pub fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// The socket is there: from here on the seat is the connection's, which is about to be opened. `None` when this is a seat
    /// of another server.
    pub fn take<S: Hosted>(mut self, server: &Arc<S>) -> Option<(ConnectionId, Claims)> {
        self.is_taken = core::ptr::addr_eq(Arc::as_ptr(&self.server), Arc::as_ptr(server));
        self.is_taken.then(|| (self.connection, std::mem::take(&mut self.claims)))
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if !self.is_taken {
            self.server.abandon(self.connection);
        }
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Admission({:?})", self.connection)
    }
}
