//! The lifetime of a room: it is created, seats are taken, it is idle while it is empty, and in the
//! end it is dropped.
//!
//! Changes: connections, deadlines, random, rooms, stats.

use alloc::vec::Vec;

use crate::protocol::id::ConnectionId;
use crate::protocol::name::RoomName;
use crate::protocol::position::Epoch;
use crate::protocol::refusal::{ErrorCode, Refusal};
use crate::time::Timestamp;

use super::Hub;
use super::class::History;
use super::keys::{RoomKey, UserKey};
use super::tables::connection::{Membership, Seat};
use super::tables::deadlines::Timer;
use super::tables::history::Kept;
use super::tables::room::Question;

impl Hub {
    pub(super) fn find_or_make_room(&mut self, name: &RoomName) -> RoomKey {
        self.rooms.find(name).unwrap_or_else(|| self.make_room(name))
    }

    /// Creates a room.
    pub(super) fn make_room(&mut self, name: &RoomName) -> RoomKey {
        let class = self.class_of(name);
        let number = self.random.next();
        let epoch = Epoch(self.random.disguise(number));
        self.rooms.insert(name, class, epoch)
    }

    /// Takes a seat for an open connection, if one is free.
    pub(super) fn take_seat(
        &mut self,
        id: ConnectionId,
        name: &RoomName,
        key: Option<RoomKey>,
    ) -> Result<(RoomKey, usize), Refusal> {
        let slot = self.connections.get(id).map_or(0, |connection| connection.memberships.len());
        let limit = self.config.limits.max_rooms_per_connection;
        if limit.is_exceeded_by(slot + 1) {
            return Err(Refusal::new(
                ErrorCode::TooManyRooms,
                alloc::format!("the connection is in {slot} rooms, which is as many as it may be"),
            ));
        }
        let seats = key.map_or(0, |key| self.rooms.get(key).seats());
        if self.rules_of(name, key).max_members.is_exceeded_by(seats + 1) {
            return Err(Refusal::new(
                ErrorCode::LobbyFull,
                alloc::format!("the room is full: {seats} of {seats} seats are taken"),
            ));
        }
        let key = key.unwrap_or_else(|| self.make_room(name));
        self.rooms.take_seat(key);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.memberships.push(Membership { room: key, seat: Seat::RESERVED });
        }
        Ok((key, slot))
    }

    /// Drops a room in which no seat is taken, or makes it idle. No member is left to be told.
    pub(super) fn drop_room_if_empty(&mut self, key: RoomKey) {
        let room = self.rooms.get_mut(key);
        if room.seats() > 0 || room.idle_since.is_some() {
            return;
        }
        let absent: Vec<(UserKey, Timestamp)> =
            core::mem::take(&mut room.presence.absent).into_iter().collect();
        for (user, until) in absent {
            self.deadlines.disarm(until, Timer::Absence(key, user));
            self.release_user(user);
        }
        self.forget_question(key);
        let room = self.rooms.get(key);
        if self.class(room.class).history.is_kept() {
            self.make_idle(key);
        } else {
            self.remove_room(key);
        }
    }

    /// Makes a room idle: it is empty, and its class keeps its history for a while.
    pub(super) fn make_idle(&mut self, key: RoomKey) {
        let now = self.now;
        self.rooms.get_mut(key).idle_since = Some(now);
        self.rooms.idle.insert((now, key));
        self.rearm_room(key);
        if self.rooms.idle.len() > self.config.recovery.max_kept_rooms {
            self.give_up_idle_room(None);
        }
    }

    /// Drops the room that has been idle longest, except this one. Returns whether there was one.
    pub(super) fn give_up_idle_room(&mut self, but: Option<RoomKey>) -> bool {
        let mut idle = self.rooms.idle.iter().copied();
        let first = idle.find(|&(_, key)| Some(key) != but);
        first.inspect(|&(_, key)| self.remove_room(key)).is_some()
    }

    fn remove_room(&mut self, key: RoomKey) {
        let room = self.rooms.get(key);
        if room.armed != Timestamp::MAX {
            self.deadlines.disarm(room.armed, Timer::Room(key));
        }
        self.stats.history_bytes -= room.kept.bytes();
        self.rooms.remove(key);
    }

    pub(super) fn forget_question(&mut self, key: RoomKey) -> Option<Question> {
        let question = self.rooms.get_mut(key).question.take()?;
        self.deadlines.disarm(question.deadline, Timer::State(key));
        Some(*question)
    }

    pub(super) fn change_kept(&mut self, key: RoomKey, change: impl FnOnce(&mut Kept)) {
        let kept = &mut self.rooms.get_mut(key).kept;
        let before = kept.bytes();
        change(kept);
        self.stats.history_bytes = self.stats.history_bytes - before + kept.bytes();
    }

    /// Returns the bounds of the room's history. While the application is asked for its state, they
    /// are at least those of an outbox, because members that wait for the answer also get what is
    /// published meanwhile.
    pub(super) fn bounds(&self, key: RoomKey) -> History {
        let room = self.rooms.get(key);
        let bounds = self.class(room.class).history;
        if room.question.is_none() {
            return bounds;
        }
        let limits = &self.config.limits;
        History {
            events: bounds.events.max(limits.outbox_messages),
            age: bounds.age.max(limits.state_timeout.saturating_mul(2)),
            bytes: bounds.bytes.max(limits.outbox_bytes),
        }
    }

    /// Arms the room's timer for when its oldest publication expires or it has been idle too long.
    pub(super) fn rearm_room(&mut self, key: RoomKey) {
        let bounds = self.bounds(key);
        let room = self.rooms.get_mut(key);
        let idle = room.idle_since.map(|since| since + bounds.age);
        let due = room.kept.expires(bounds).into_iter().chain(idle).min();
        let Some(due) = due.filter(|due| *due < room.armed) else { return };
        if room.armed != Timestamp::MAX {
            self.deadlines.disarm(room.armed, Timer::Room(key));
        }
        room.armed = due;
        self.deadlines.arm(due, Timer::Room(key));
    }

    pub(super) fn room_due(&mut self, key: RoomKey) {
        let (now, bounds) = (self.now, self.bounds(key));
        self.rooms.get_mut(key).armed = Timestamp::MAX;
        self.change_kept(key, |kept| kept.trim(bounds, now));
        if self.rooms.get(key).idle_since.is_some_and(|since| since + bounds.age <= now) {
            self.remove_room(key);
        } else {
            self.rearm_room(key);
        }
    }
}
