//! Sockets that come in.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use switchboard_core::{ConnectionId, Outlet, Timestamp};

use super::Engine;
use super::peers::{Head, Stage};
use crate::server::accept::AcceptFailure;
use crate::server::door::{self, Place};
use crate::server::framing::Framing;
use crate::server::head::HeadReader;

/// How long waiting peers are left to the kernel if no socket can be accepted
/// ([`AcceptFailure::ForNow`]).
pub const SHORTAGE: Duration = Duration::from_millis(100);

impl<O: Outlet + Clone> Engine<O> {
    /// Whether another socket is to be accepted: not while the system has none, nor while too many
    /// handshakes are under way of which none can make room. One that was accepted before `now` can;
    /// so read before you accept, and pass the time that you read at.
    pub fn has_room(&self, now: Timestamp) -> bool {
        self.shortage_until.is_none() && self.peers.as_door().has_room(now)
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
    /// over. Returns `None` if the drain is over, or there is no room; the socket has been dropped.
    /// The address is that of the peer, if it has one and it is known.
    pub fn accepted(
        &mut self,
        now: Timestamp,
        outlet: O,
        address: Option<IpAddr>,
    ) -> Option<usize> {
        if self.is_drained {
            return None;
        }
        let settings = &self.settings;
        let reader = HeadReader::new(address, settings.max_head_bytes);
        let (first_byte, whole) = (settings.first_byte_timeout, settings.handshake_timeout);
        let head = Head::new(reader, now + first_byte, now + whole);
        let (key, evicted) = self.peers.enter(now, address, outlet, head)?;
        self.make_room(now, evicted);
        Some(key)
    }

    /// Closes the socket that has to make room, without a word.
    pub(super) fn make_room(&mut self, now: Timestamp, evicted: Option<usize>) {
        let Some(key) = evicted else { return };
        if let Some(Stage::Head(_) | Stage::Deciding(..)) = self.peers.stage(key) {
            self.entrance.unreadable(now, &door::evicted());
        }
        self.peers.end(key);
    }

    /// A socket whose upgrade was answered elsewhere, for a seat that
    /// [`Driver::connect`](switchboard_core::Driver::connect) reserved, and a place that the
    /// [`door`](Self::door) [admitted](crate::server::Door::admit). Returns its key, or `None` if
    /// the reservation has expired.
    pub fn adopted(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        place: Place,
        outlet: O,
    ) -> Option<usize> {
        let framing = Framing::new(&self.settings.config.limits);
        let key = self.peers.insert(outlet.clone(), Stage::Open(id, framing), place);
        let held = self.ended.hold(key, outlet);
        if !self.driver.open(now, id, self.entrance.codec(), held) {
            self.peers.end(key);
            return None;
        }
        Some(key)
    }
}
