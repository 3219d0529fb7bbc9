//! Read-only views of a hub.
//!
//! Changes: nothing.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use crate::hub::config::Config;
use crate::hub::stats::Stats;
use crate::protocol::id::ConnectionId;
use crate::protocol::name::{RoomName, UserName};
use crate::protocol::position::{Position, Session};
use crate::time::{Timestamp, WallClock};

use super::Hub;
use super::keys::RoomKey;
use super::tables::connection::{Connection, Seat};
use super::tables::room::Room;
use super::tables::user::User;

impl Hub {
    /// Returns a connection that is reserved, open or closing.
    pub fn connection(&self, id: ConnectionId) -> Option<ConnectionView<'_>> {
        let connection = self.connections.get(id).filter(|connection| !connection.is_held())?;
        Some(ConnectionView { hub: self, id, connection })
    }

    /// Returns a room that has members or reserved seats, or is kept for returning clients.
    pub fn room(&self, name: &str) -> Option<RoomView<'_>> {
        let key = self.rooms.find(name)?;
        Some(RoomView { hub: self, key, room: self.rooms.get(key) })
    }

    /// Returns a user that has a connection or is in its grace period.
    pub fn user(&self, name: &str) -> Option<UserView<'_>> {
        let key = self.users.find(name)?;
        Some(UserView { hub: self, user: self.users.get(key) })
    }

    /// Iterates over all connections except held ones, in no particular order.
    pub fn connections(&self) -> impl Iterator<Item = ConnectionView<'_>> {
        self.connections.ids_from(0).filter_map(|id| self.connection(id))
    }

    /// Iterates over all rooms, in no particular order.
    pub fn rooms(&self) -> impl Iterator<Item = RoomView<'_>> {
        self.rooms.iter().map(|(key, room)| RoomView { hub: self, key, room })
    }

    /// Returns the counters and gauges.
    pub fn stats(&self) -> Stats {
        Stats {
            rooms: self.rooms.len(),
            kept_rooms: self.rooms.idle.len(),
            users: self.users.len(),
            ..self.stats.clone()
        }
    }

    /// Returns whether every table is empty and nothing waits for time. A hub without connections
    /// becomes idle at the latest after its last deadline.
    pub fn is_empty(&self) -> bool {
        self.connections.len() == 0
            && self.users.len() == 0
            && self.networks.is_empty()
            && self.absent.accounts.is_empty()
            && self.rooms.len() == 0
            && self.probes.is_empty()
            && self.requests.is_empty()
            && self.deadlines.is_empty()
            && self.overflowed.is_empty()
            && self.queue.is_empty()
    }

    /// Returns whether a drain has started.
    pub fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    /// Returns what the hub was last told of the wall clock.
    pub fn wall_clock(&self) -> WallClock {
        self.wall_clock
    }

    /// Returns the configuration that the hub was created with.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

/// A view of a connection.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionView<'a> {
    hub: &'a Hub,
    id: ConnectionId,
    connection: &'a Connection,
}

impl<'a> ConnectionView<'a> {
    /// Returns the id of the connection.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// Returns the user of the connection.
    pub fn user(&self) -> &'a UserName {
        &self.hub.users.get(self.connection.user).name
    }

    /// Returns where its client is, if that is known.
    pub fn address(&self) -> Option<IpAddr> {
        self.connection.address
    }

    /// Iterates over the rooms that it is in, and those in which a seat is reserved until its
    /// upgrade is complete or the application has given the room's state.
    pub fn rooms(&self) -> impl Iterator<Item = &'a RoomName> + use<'a> {
        self.seats(false)
    }

    /// Iterates over the rooms in which seats are held for its session; the connection, or the next
    /// one of the session, has to join them.
    pub fn held_rooms(&self) -> impl Iterator<Item = &'a RoomName> + use<'a> {
        self.seats(true)
    }

    fn seats(&self, held: bool) -> impl Iterator<Item = &'a RoomName> + use<'a> {
        let (hub, memberships) = (self.hub, &self.connection.memberships);
        let those = memberships.iter().filter(move |it| (it.seat == Seat::HELD) == held);
        those.map(move |membership| &hub.rooms.get(membership.room).name)
    }

    /// Returns the session, which the client keeps across its connections.
    pub fn session(&self) -> Session {
        self.connection.session
    }

    /// Returns whether it is open: it sends and gets messages.
    pub fn is_open(&self) -> bool {
        self.connection.is_open()
    }

    /// Returns whether it is being closed.
    pub fn is_closing(&self) -> bool {
        self.connection.is_closing()
    }

    /// Returns whether its outlet is full, so that messages queue.
    pub fn is_blocked(&self) -> bool {
        self.connection.outbox.as_ref().is_some_and(|outbox| outbox.is_blocked())
    }

    /// Returns the number of messages queued for it, and the number of bytes they count as.
    pub fn waiting(&self) -> (usize, usize) {
        self.connection.outbox.as_ref().map_or((0, 0), |outbox| (outbox.len(), outbox.bytes()))
    }

    /// Returns the round-trip time of the last ping that was answered.
    pub fn latency(&self) -> Option<Duration> {
        let micros = self.connection.latency_micros?;
        Some(Duration::from_micros(u64::from(micros.get())))
    }

    /// Returns the time of the last sign of life.
    pub fn last_seen(&self) -> Timestamp {
        self.connection.last_seen
    }

    /// Returns when it was opened or, before that, admitted.
    pub fn since(&self) -> Timestamp {
        self.connection.since
    }
}

/// A view of a room.
#[derive(Clone, Copy, Debug)]
pub struct RoomView<'a> {
    hub: &'a Hub,
    key: RoomKey,
    room: &'a Room,
}

impl<'a> RoomView<'a> {
    /// Returns the name of the room.
    pub fn name(&self) -> &'a RoomName {
        &self.room.name
    }

    /// Iterates over the connections in it, in no particular order.
    pub fn members(&self) -> &'a [ConnectionId] {
        &self.room.members
    }

    /// Returns the number of seats that are taken, by members and handshakes in flight.
    pub fn seats(&self) -> usize {
        self.room.seats()
    }

    /// Returns the users in it, sorted, including those in their grace period.
    ///
    /// # Cost
    /// Linear in the number of members.
    pub fn users(&self) -> Vec<UserName> {
        self.hub.users_in(self.key)
    }

    /// Returns the number of publications it keeps, and their bytes.
    pub fn kept(&self) -> (usize, usize) {
        (self.room.kept.len(), self.room.kept.bytes())
    }

    /// Returns the position of its last publication.
    pub fn position(&self) -> Position {
        self.room.position()
    }
}

/// A view of a user.
#[derive(Clone, Copy, Debug)]
pub struct UserView<'a> {
    hub: &'a Hub,
    user: &'a User,
}

impl<'a> UserView<'a> {
    /// Iterates over its connections that count against its limit: reserved and open ones, and held
    /// ones, whose ids are internal.
    pub fn connections(&self) -> &'a [ConnectionId] {
        &self.user.connections
    }

    /// Returns whether any of its connections is open.
    pub fn is_online(&self) -> bool {
        let connections = self.user.connections.iter();
        connections.filter_map(|&id| self.hub.connections.get(id)).any(Connection::is_open)
    }
}
