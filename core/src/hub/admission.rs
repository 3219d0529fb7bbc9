//! Who gets a seat. The check and the taking are one step, so nobody can come between them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::action::{Notice, Queued};
use crate::close::{CloseReason, Disconnect, Ending, Rejection};
use crate::config::UserLimitPolicy;
use crate::id::{ConnectionId, Ticket};
use crate::message::{Message, Welcome};
use crate::name::{RoomName, UserName};
use crate::time::Timestamp;

use super::Hub;
use super::connection::{Membership, Phase};

impl Hub {
    pub(super) fn connect(&mut self, ticket: Ticket, user: &UserName, mut rooms: Vec<RoomName>) {
        rooms.sort_unstable();
        rooms.dedup();
        match self.admit(user, &rooms) {
            Ok(connection) => {
                self.stats.accepted += 1;
                self.queue.push(Queued::Accept { ticket, connection });
            }
            Err(rejection) => {
                self.stats.rejected[rejection.index()] += 1;
                self.queue.push(Queued::Reject { ticket, rejection });
            }
        }
    }

    /// Takes a seat on the server, in each room and of the user; all of them or none.
    fn admit(&mut self, user: &UserName, rooms: &[RoomName]) -> Result<ConnectionId, Rejection> {
        if let Some(drain) = &self.drain {
            let spread = drain.spread;
            return Err(Rejection::Draining { retry_after: self.random.up_to(spread) });
        }
        let limits = &self.config.limits;
        if limits.max_rooms_per_connection.is_exceeded_by(rooms.len()) {
            return Err(Rejection::TooManyRooms);
        }
        let key = self.users.find(user);
        let connections = key.map_or(&[][..], |key| &self.users.get(key).connections);
        let user_is_full = limits.max_per_user.is_exceeded_by(connections.len() + 1);
        let evictee = match limits.user_limit_policy {
            UserLimitPolicy::ReplaceOldest if user_is_full => {
                connections.iter().copied().min_by_key(|id| id.generation())
            }
            UserLimitPolicy::ReplaceOldest | UserLimitPolicy::RejectNew => None,
        };
        let seats = self.connections.len() + 1;
        let leaving = usize::from(evictee.is_some());
        if limits.max_connections.is_exceeded_by(seats - leaving) {
            return Err(Rejection::ServerFull);
        }
        for room in rooms {
            let key = self.rooms.find(room);
            let taken = key.map_or(0, |key| self.rooms.get(key).seats());
            let leaves = evictee
                .and_then(|id| self.connections.get(id))
                .zip(key)
                .is_some_and(|(connection, key)| connection.slot_of(key).is_some());
            if self.rules_of(room, key).max_members.is_exceeded_by(taken + 1 - usize::from(leaves))
            {
                return Err(Rejection::LobbyFull(room.clone()));
            }
        }
        if user_is_full && evictee.is_none() {
            return Err(Rejection::UserLimit);
        }
        if let Some(evictee) = evictee {
            let full = limits.max_connections.is_exceeded_by(seats);
            self.close(evictee, CloseReason::Replaced);
            // A closing connection still has its seat on the server. If that was the last one, it cannot wait.
            if full && self.connections.get(evictee).is_some() {
                self.end(evictee, Ending::Closed(CloseReason::Replaced));
            }
        }
        Ok(self.reserve(user, rooms))
    }

    fn reserve(&mut self, user: &UserName, rooms: &[RoomName]) -> ConnectionId {
        let user = self.users.refer(user);
        let id = self.connections.insert(user, self.now);
        let connections = &mut self.users.get_mut(user).connections;
        let user_at = connections.len() as u32;
        connections.push(id);
        let mut memberships = Vec::with_capacity(rooms.len());
        for room in rooms {
            let room = self.find_or_make_room(room);
            self.rooms.get_mut(room).reserved += 1;
            memberships.push(Membership { room, at: u32::MAX });
        }
        if let Some(connection) = self.connections.get_mut(id) {
            connection.user_at = user_at;
            connection.memberships = memberships;
        }
        self.stats.reserved += 1;
        self.rearm(id);
        id
    }

    /// The upgrade is complete: the reserved seats become memberships, and the client hears where it is.
    pub(super) fn opened(&mut self, id: ConnectionId) {
        if self.connections.get(id).is_none_or(|connection| !connection.is_reserved()) {
            return self.stale(id);
        }
        let jitter = self.first_ping_in();
        let (now, unix_ms) = (self.now, self.unix_ms());
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.phase = Phase::Open;
        connection.since = now;
        connection.last_seen = now;
        connection.last_message = now;
        connection.next_ping = jitter.map_or(Timestamp::MAX, |jitter| now + jitter);
        let key = connection.user;
        let rooms: Vec<_> = connection.memberships.iter().map(|m| m.room).collect();
        self.stats.reserved -= 1;
        self.stats.connections += 1;
        self.rearm(id);

        let user = self.users.name(key);
        let positions = rooms
            .iter()
            .map(|&key| self.rooms.get(key))
            .map(|room| (room.name.clone(), room.position()))
            .collect();
        let welcome = Welcome {
            client: id,
            user: user.clone(),
            rooms: positions,
            config: self.config.clone(),
            unix_ms,
        };
        self.send_now(id, Message::Connected(Arc::new(welcome)));
        self.notice(Notice::Opened { connection: id, user });
        for (slot, &room) in rooms.iter().enumerate() {
            self.rooms.get_mut(room).reserved -= 1;
            self.enter(id, slot, room);
        }
        if self.drain.is_some() {
            self.send_away(id);
        }
    }

    pub(super) fn disconnected(&mut self, id: ConnectionId, how: Disconnect) {
        if self.connections.get(id).is_none() {
            return self.stale(id);
        }
        let ending = match how {
            Disconnect::ByPeer(code) => Ending::ByPeer(code),
            Disconnect::Lost => Ending::Lost,
            Disconnect::HandshakeFailed => Ending::HandshakeFailed,
        };
        self.end(id, ending);
    }
}
