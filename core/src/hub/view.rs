//! Looking at a hub without changing it.
//!
//! Changes: nothing.

use alloc::vec::Vec;
use core::time::Duration;

use crate::hub::config::Config;
use crate::hub::stats::Stats;
use crate::protocol::id::ConnectionId;
use crate::protocol::name::{RoomName, UserName};
use crate::protocol::position::{Position, Session};
use crate::time::Timestamp;

use super::Hub;
use super::keys::RoomKey;
use super::tables::connection::{Connection, Seat};
use super::tables::room::Room;
use super::tables::user::User;

impl Hub {
    /// A connection that is reserved, open or closing.
    pub fn connection(&self, id: ConnectionId) -> Option<ConnectionView<'_>> {
        let connection = self.connections.get(id).filter(|connection| !connection.is_held())?;
        Some(ConnectionView { hub: self, id, connection })
    }

    /// A room that somebody is in or about to enter, or that is kept for clients that may come
    /// back.
    pub fn room(&self, name: &str) -> Option<RoomView<'_>> {
        let key = self.rooms.find(name)?;
        Some(RoomView { hub: self, key, room: self.rooms.get(key) })
    }

    /// A user that has a connection, or had one until a moment ago.
    pub fn user(&self, name: &str) -> Option<UserView<'_>> {
        let key = self.users.find(name)?;
        Some(UserView { hub: self, user: self.users.get(key) })
    }

    /// All connections, in no particular order, except lost ones whose seats are held.
    pub fn connections(&self) -> impl Iterator<Item = ConnectionView<'_>> {
        self.connections.ids_from(0).filter_map(|id| self.connection(id))
    }

    /// All rooms, in no particular order.
    pub fn rooms(&self) -> impl Iterator<Item = RoomView<'_>> {
        self.rooms.iter().map(|(key, room)| RoomView { hub: self, key, room })
    }

    /// Counters and gauges.
    pub fn stats(&self) -> Stats {
        Stats {
            rooms: self.rooms.len(),
            kept_rooms: self.rooms.idle.len(),
            users: self.users.len(),
            ..self.stats.clone()
        }
    }

    /// Whether every table is empty, and nothing waits for time. A hub without connections becomes
    /// so at the latest when its last deadline is over.
    pub fn is_empty(&self) -> bool {
        self.connections.len() == 0
            && self.users.len() == 0
            && self.rooms.len() == 0
            && self.probes.is_empty()
            && self.requests.is_empty()
            && self.deadlines.is_empty()
            && self.overflowed.is_empty()
            && self.queue.is_empty()
    }

    /// Whether a drain has begun.
    pub fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    /// The configuration that it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

/// A connection, as it is at this moment.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionView<'a> {
    hub: &'a Hub,
    id: ConnectionId,
    connection: &'a Connection,
}

impl<'a> ConnectionView<'a> {
    /// Its id.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// Its user.
    pub fn user(&self) -> &'a UserName {
        &self.hub.users.get(self.connection.user).name
    }

    /// The rooms that it is in, and those in which it has a seat until its upgrade is complete or
    /// the application has given their state.
    pub fn rooms(&self) -> impl Iterator<Item = &'a RoomName> + use<'a> {
        self.seats(false)
    }

    /// The rooms in which seats are held for its session: it, or the next connection of the
    /// session, has to join them.
    pub fn held_rooms(&self) -> impl Iterator<Item = &'a RoomName> + use<'a> {
        self.seats(true)
    }

    fn seats(&self, held: bool) -> impl Iterator<Item = &'a RoomName> + use<'a> {
        let (hub, memberships) = (self.hub, &self.connection.memberships);
        let those = memberships.iter().filter(move |it| (it.seat == Seat::HELD) == held);
        those.map(move |membership| &hub.rooms.get(membership.room).name)
    }

    /// The session, which the client keeps over all its connections.
    pub fn session(&self) -> Session {
        self.connection.session
    }

    /// Whether it is open: it sends and gets messages.
    pub fn is_open(&self) -> bool {
        self.connection.is_open()
    }

    /// Whether it is being closed.
    pub fn is_closing(&self) -> bool {
        self.connection.is_closing()
    }

    /// Whether its socket takes no more for now, so that messages wait.
    pub fn is_blocked(&self) -> bool {
        self.connection.outbox.as_ref().is_some_and(|outbox| outbox.is_blocked())
    }

    /// How many messages wait for it, and how many bytes they count as.
    pub fn waiting(&self) -> (usize, usize) {
        self.connection.outbox.as_ref().map_or((0, 0), |outbox| (outbox.len(), outbox.bytes()))
    }

    /// How long the answer to the last answered ping took.
    pub fn latency(&self) -> Option<Duration> {
        let micros = self.connection.latency_micros?;
        Some(Duration::from_micros(u64::from(micros.get())))
    }

    /// When the last sign of life came.
    pub fn last_seen(&self) -> Timestamp {
        self.connection.last_seen
    }

    /// When it was opened; before that, when it was admitted.
    pub fn since(&self) -> Timestamp {
        self.connection.since
    }
}

/// A room, as it is at this moment.
#[derive(Clone, Copy, Debug)]
pub struct RoomView<'a> {
    hub: &'a Hub,
    key: RoomKey,
    room: &'a Room,
}

impl<'a> RoomView<'a> {
    /// Its name.
    pub fn name(&self) -> &'a RoomName {
        &self.room.name
    }

    /// The connections in it, in no particular order.
    pub fn members(&self) -> &'a [ConnectionId] {
        &self.room.members
    }

    /// Seats that are taken: members, and handshakes in flight.
    pub fn seats(&self) -> usize {
        self.room.seats()
    }

    /// The users in it, sorted, and those that lost their last connection a moment ago.
    ///
    /// # Cost
    /// Looks at every member.
    pub fn users(&self) -> Vec<UserName> {
        self.hub.users_in(self.key)
    }

    /// How many publications it keeps, and their bytes.
    pub fn kept(&self) -> (usize, usize) {
        (self.room.kept.len(), self.room.kept.bytes())
    }

    /// The position of its last publication.
    pub fn position(&self) -> Position {
        self.room.position()
    }
}

/// A user, as it is at this moment.
#[derive(Clone, Copy, Debug)]
pub struct UserView<'a> {
    hub: &'a Hub,
    user: &'a User,
}

impl<'a> UserView<'a> {
    /// Its connections that count against its limit: reserved and open ones, and those whose seats
    /// are held, under ids that mean nothing.
    pub fn connections(&self) -> &'a [ConnectionId] {
        &self.user.connections
    }

    /// Whether one of them is open.
    pub fn is_online(&self) -> bool {
        let connections = self.user.connections.iter();
        connections.filter_map(|&id| self.hub.connections.get(id)).any(Connection::is_open)
    }
}
