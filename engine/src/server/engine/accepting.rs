//! Sockets that come in.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use switchboard_core::{ConnectionId, Outlet, Timestamp};

use super::Engine;
use super::peers::Stage;
use crate::server::accept::AcceptFailure;
use crate::server::framing::Framing;
use crate::server::head::HeadReader;

/// How long waiting peers are left to the kernel if no socket can be accepted
/// ([`AcceptFailure::ForNow`]).
pub const SHORTAGE: Duration = Duration::from_millis(100);

impl<O: Outlet + Clone> Engine<O> {
    /// Whether another socket is to be accepted: not while the system has none, or while too many
    /// handshakes are under way.
    pub fn has_room(&self) -> bool {
        self.shortage_until.is_none()
            && self.peers.handshakes() < self.settings.max_handshakes.max(1)
    }

    /// Accepting failed. If the reason passes, such as too many open files, there is no room for a
    /// while.
    ///
    /// # Errors
    /// If it is the listener that has failed.
    pub fn not_accepted(&mut self, now: Timestamp, error: io::Error) -> io::Result<()> {
        match AcceptFailure::of(&error) {
            AcceptFailure::OneSocket => Ok(()),
            AcceptFailure::ForNow => {
                tracing::warn!(%error, "no socket can be accepted for now");
                self.shortage_until = Some(now + SHORTAGE);
                Ok(())
            }
            AcceptFailure::Listener => Err(error),
        }
    }

    /// A socket was accepted. Returns its key, by which the loop names it from here on: a small
    /// number, which belongs to another socket only in a turn after the one in which this one was
    /// over. Returns `None` if the drain is over; the socket has been dropped. The address is that
    /// of the peer, if it has one and it is known.
    pub fn accepted(
        &mut self,
        now: Timestamp,
        outlet: O,
        address: Option<IpAddr>,
    ) -> Option<usize> {
        let deadline = now + self.settings.handshake_timeout;
        (!self.is_drained)
            .then(|| self.peers.insert(outlet, Stage::Head(HeadReader::new(address), deadline)))
    }

    /// A socket whose upgrade was answered elsewhere, for a seat that
    /// [`Driver::connect`](switchboard_core::Driver::connect) reserved. Returns its key, or `None`
    /// if the reservation has expired.
    pub fn adopted(&mut self, now: Timestamp, id: ConnectionId, outlet: O) -> Option<usize> {
        let framing = Framing::new(&self.settings.config.limits);
        let key = self.peers.insert(outlet.clone(), Stage::Open(id, framing));
        let held = self.ended.hold(key, outlet);
        if !self.driver.open(now, id, self.entrance.codec(), held) {
            self.peers.end(key);
            return None;
        }
        Some(key)
    }
}
