//! Entering and leaving rooms, and the members that are told: about users, not sockets.
//!
//! Changes: connections, deadlines, rooms, users.

use crate::hub::action::Notice;
use crate::protocol::id::ConnectionId;
use crate::protocol::to_client::Message;

use super::Hub;
use super::keys::RoomKey;
use super::keys::UserKey;
use super::tables::connection::{Membership, Seat};
use super::tables::deadlines::Timer;

/// How a connection leaves a room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// It left on request: the user does not return.
    Left,
    /// It ended: the user may return soon.
    Lost,
}

impl Hub {
    /// Turns the seat in this slot into a member's.
    pub(super) fn enter(&mut self, id: ConnectionId, slot: usize, key: RoomKey) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let room = self.rooms.get_mut(key);
        let at = room.members.len();
        let seat = core::mem::replace(&mut connection.memberships[slot].seat, Seat::member(at));
        room.reserved -= 1;
        room.members.push(id);
        room.slots.push(slot as u16);
        room.blocked += u32::from(connection.outbox.is_some());
        let (user, name, class) = (connection.user, room.name.clone(), room.class);

        let user_name = self.users.name(user);
        self.notice(Notice::Joined { connection: id, user: user_name.clone(), room: name.clone() });
        if !self.class(class).presence || seat.is_present() {
            return;
        }
        if !self.rooms.count_user(key, user) {
            return;
        }
        let presence = &mut self.rooms.get_mut(key).presence;
        if let Some(until) = presence.absent.remove(&user) {
            self.deadlines.disarm(until, Timer::Absence(key, user));
            self.release_user(user);
        } else {
            self.fan_out(key, Some(id), Message::MemberJoined { room: name, user: user_name });
        }
    }

    /// Turns a member's seat into a held one: it gets nothing more from the room, and the other
    /// members are not told.
    pub(super) fn unseat(&mut self, id: ConnectionId, slot: usize) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let membership = &mut connection.memberships[slot];
        let Some(at) = membership.seat.at() else { return };
        membership.seat = Seat::HELD;
        let key = membership.room;
        let (user, blocked) = (connection.user, connection.outbox.is_some());
        let room = self.rooms.get_mut(key);
        room.reserved += 1;
        room.members.swap_remove(at);
        room.slots.swap_remove(at);
        room.blocked -= u32::from(blocked);
        if let Some(&moved) = room.members.get(at)
            && let Some(moved) = self.connections.get_mut(moved)
        {
            moved.memberships[usize::from(room.slots[at])].seat = Seat::member(at);
        }
        let (room, user) = (room.name.clone(), self.users.name(user));
        self.notice(Notice::Left { connection: id, user, room });
    }

    /// Frees the seat in this slot without telling the other members. Returns the seat.
    fn vacate(&mut self, id: ConnectionId, slot: usize) -> Option<(RoomKey, UserKey, Seat)> {
        self.unseat(id, slot);
        let connection = self.connections.get_mut(id)?;
        let Membership { room: key, seat } = connection.memberships.swap_remove(slot);
        if let Some(Membership { room, seat }) = connection.memberships.get(slot)
            && let Some(at) = seat.at()
        {
            self.rooms.get_mut(*room).slots[at] = slot as u16;
        }
        self.rooms.get_mut(key).reserved -= 1;
        Some((key, connection.user, seat))
    }

    /// Frees the last seat of a connection without telling the other members. Returns the seat.
    pub(super) fn vacate_last(&mut self, id: ConnectionId) -> Option<(RoomKey, UserKey, Seat)> {
        let last = self.connections.get(id)?.memberships.len().checked_sub(1)?;
        self.vacate(id, last)
    }

    /// Removes the connection from the room in this slot, and drops the room if it is empty.
    pub(super) fn exit(&mut self, id: ConnectionId, slot: usize, exit: Exit) {
        let Some((key, user, seat)) = self.vacate(id, slot) else { return };
        if seat.is_present() {
            self.user_exits(key, user, exit);
        }
        self.drop_room_if_empty(key);
    }

    pub(super) fn user_exits(&mut self, key: RoomKey, user: UserKey, exit: Exit) {
        let class = self.class(self.rooms.get(key).class);
        if !class.presence {
            return;
        }
        let grace = class.presence_grace;
        let room = self.rooms.get_mut(key);
        if !room.presence.users.remove(user) {
            return;
        }
        if exit == Exit::Left || grace.is_zero() {
            self.say_left(key, user);
        } else {
            let until = self.now + grace;
            room.presence.absent.insert(user, until);
            self.users.refer_again(user);
            self.deadlines.arm(until, Timer::Absence(key, user));
        }
    }

    /// Handles the end of a grace period in which the user did not return.
    pub(super) fn absence_over(&mut self, key: RoomKey, user: UserKey) {
        self.rooms.get_mut(key).presence.absent.remove(&user);
        self.say_left(key, user);
        self.release_user(user);
    }

    fn say_left(&mut self, key: RoomKey, user: UserKey) {
        let room = self.rooms.get(key).name.clone();
        let user = self.users.name(user);
        self.fan_out(key, None, Message::MemberLeft { room, user });
    }
}
