//! An accepted socket, and its place at the door.

use std::io;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use switchboard_engine::server::{Place, TooMany, evicted};

use crate::shared::Shared;

/// A socket whose handshake is under way, or that is being refused.
pub(crate) struct Guest {
    pub(crate) shared: Arc<Shared>,
    pub(crate) socket: Arc<TcpStream>,
    place: Kept,
}

/// A place, given back when it is dropped.
pub(crate) struct Kept {
    shared: Arc<Shared>,
    place: Option<Place>,
}

impl Guest {
    /// Waits for room, and accepts a socket without waiting. Returns `None` if the server has ended.
    ///
    /// # Errors
    /// As `accept`.
    pub(crate) fn accept<T>(
        shared: &Arc<Shared>,
        accept: impl FnOnce() -> io::Result<(IpAddr, Arc<TcpStream>, T)>,
    ) -> Option<io::Result<(Self, T)>> {
        let accept = || {
            let (address, socket, accepted) = accept()?;
            Ok((address, socket.clone(), (socket, accepted)))
        };
        let entered = shared.doorway.accept(|| shared.clock.now(), accept)?;
        Some(entered.map(|entered| {
            let (socket, accepted) = entered.accepted;
            if let Some(silent) = entered.evicted {
                shared.refused(|entrance, now| entrance.unreadable(now, &evicted()));
                end(&silent);
            }
            let place = Kept { shared: shared.clone(), place: Some(entered.place) };
            (Self { shared: shared.clone(), socket, place }, accepted)
        }))
    }

    /// The peer sent something.
    pub(crate) fn heard(&self) {
        let now = self.shared.clock.now();
        if let Some(place) = &self.place.place {
            self.shared.doorway.change(|door| door.heard(now, place));
        }
    }

    /// Its request is an upgrade, which is to be verified.
    ///
    /// # Errors
    /// If that is too much for its address.
    pub(crate) fn decide(&self) -> Result<(), TooMany> {
        let now = self.shared.clock.now();
        match &self.place.place {
            Some(place) => self.shared.doorway.change(|door| door.decide(now, place)),
            None => Ok(()),
        }
    }

    /// It is told no more than its last bytes.
    pub(crate) fn farewell(&mut self) {
        let now = self.shared.clock.now();
        if let Some(place) = &mut self.place.place
            && let Some(other) = self.shared.doorway.farewell(now, place, self.socket.clone())
        {
            end(&other);
        }
    }

    /// Waits until it has to make room or the server has ended, but no longer than until then.
    pub(crate) fn wait(&self, until: Instant) {
        if let Some(place) = &self.place.place {
            self.shared.doorway.wait_in(place, until);
        }
    }

    /// It has a connection, which has its place from here on.
    pub(crate) fn into_place(mut self) -> Kept {
        if let Some(place) = &mut self.place.place {
            self.shared.doorway.change(|door| door.opened(place));
        }
        self.place
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.shared.doorway.change(|door| door.left(place));
        }
    }
}

/// Ends a socket for the thread that waits for it.
fn end(socket: &TcpStream) {
    // If it fails, the peer has disconnected.
    let _ = socket.shutdown(Shutdown::Both);
}
