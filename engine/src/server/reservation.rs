//! A seat that waits for its connection.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use switchboard_core::ConnectionId;
use switchboard_core::http::Upgrade;

use super::auth::Claims;
use super::door::Place;
use super::entrance::{Authenticated, RefusedUpgrade};
use super::host::{AnyHost, Host};

/// A place at the door of a server, for an upgrade that another server answers. Dropped, it is given
/// back.
pub struct Entry {
    server: Arc<dyn AnyHost>,
    place: Option<Place>,
}

impl Entry {
    /// Asks the door for a place, for a peer at this address, if it is known.
    ///
    /// # Errors
    /// If the address has too much already.
    pub fn new(
        server: Arc<impl Host>,
        address: Option<IpAddr>,
    ) -> Result<Self, Box<RefusedUpgrade>> {
        let place = server.door(|door, now| door.admit(now, address));
        let place = Some(place.map_err(RefusedUpgrade::too_many)?);
        Ok(Self { server, place })
    }

    /// Passes the place on to an [`Engine`](super::Engine).
    pub fn into_place(mut self) -> Option<Place> {
        self.place.take()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.server.give_back(place);
        }
    }
}

/// A seat that is held until its connection opens. Dropped before that, it is free again.
pub struct Reservation {
    server: Arc<dyn AnyHost>,
    connection: ConnectionId,
    claims: Claims,
    upgrade: Upgrade,
    entry: Option<Entry>,
    is_taken: bool,
}

impl Reservation {
    /// Takes a seat. The entry is that of an upgrade which another server answers.
    ///
    /// # Errors
    /// If there is none.
    pub fn new(
        server: Arc<impl Host>,
        peer: Authenticated,
        entry: Option<Entry>,
    ) -> Result<Self, Box<RefusedUpgrade>> {
        let Authenticated { upgrade, attempt, claims } = peer;
        match server.connect(attempt) {
            Ok(connection) => {
                Ok(Self { server, connection, claims, upgrade, entry, is_taken: false })
            }
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
    pub fn take<S: Host>(
        mut self,
        server: &Arc<S>,
    ) -> Option<(ConnectionId, Claims, Option<Entry>)> {
        self.is_taken = core::ptr::addr_eq(Arc::as_ptr(&self.server), Arc::as_ptr(server));
        let claims = std::mem::take(&mut self.claims);
        self.is_taken.then(|| (self.connection, claims, self.entry.take()))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.is_taken {
            self.server.abandon(self.connection);
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({:?})", self.place)
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reservation({:?})", self.connection)
    }
}
