//! Joining and leaving rooms.
//!
//! Changes: connections.

use alloc::vec::Vec;

use crate::hub::action::Outcome;
use crate::protocol::id::ConnectionId;
use crate::protocol::name::{MessageId, RoomName};
use crate::protocol::position::Position;
use crate::protocol::refusal::Refusal;

use super::Hub;
use super::lookup::not_a_member;
use super::presence::Exit;
use super::tables::connection::Seat;

impl Hub {
    /// Joins a room, and tells the connection where its stream begins and what it missed; if
    /// needed, once the application has given the room's state.
    pub(super) fn join(
        &mut self,
        id: ConnectionId,
        request: Option<MessageId>,
        name: &RoomName,
        since: Option<Position>,
    ) -> Result<Outcome, Refusal> {
        let Some(connection) = self.connections.get(id).filter(|c| c.is_open()) else {
            return Err(self.no_such_connection(id));
        };
        let key = self.rooms.find(name);
        let seat = key.and_then(|key| Some((key, connection.slot_of(key)?)));
        let (key, slot) = match seat {
            Some((key, slot)) if connection.memberships[slot].seat != Seat::HELD => {
                if connection.memberships[slot].seat.at().is_none() {
                    let position = self.rooms.get(key).position();
                    self.await_state_too(id, key, request)?;
                    return Ok(Outcome::Joined(position));
                }
                // A member joins again. With a position, its stream restarts there.
                let start = self.start(key, since);
                let beginning = self.beginning(key, start);
                self.tell_joined(id, request, key, beginning);
                self.follow(id, key, start);
                return Ok(Outcome::Joined(beginning.position));
            }
            Some(held) => held,
            None => self.take_seat(id, name, key)?,
        };
        let start = self.start(key, since);
        let beginning = self.beginning(key, start);
        if let Some(reason) = self.waits_for_state(key, start) {
            if let Some(connection) = self.connections.get_mut(id) {
                let seat = &mut connection.memberships[slot].seat;
                *seat = Seat::reserved(seat.is_present());
            }
            self.await_state(id, key, request, reason);
        } else {
            self.enter(id, slot, key);
            self.tell_joined(id, request, key, beginning);
            self.follow(id, key, start);
        }
        Ok(Outcome::Joined(beginning.position))
    }

    pub(super) fn leave(&mut self, id: ConnectionId, name: &RoomName) -> Result<Outcome, Refusal> {
        let Some(connection) = self.connections.get(id).filter(|c| c.is_open()) else {
            return Err(self.no_such_connection(id));
        };
        let key = self.rooms.find(name);
        let seat = key.and_then(|key| Some((key, connection.slot_of(key)?)));
        let (key, slot) = seat.ok_or_else(|| not_a_member(name))?;
        let unanswered = self.await_no_more(id, key);
        self.exit(id, slot, Exit::Left);
        // Requests by `resume` have no id, so the refusal names the room.
        if unanswered.as_ref().is_some_and(Vec::is_empty) {
            self.refuse_room(id, None, Some(name.clone()), not_a_member(name));
        }
        for request in unanswered.unwrap_or_default() {
            self.refuse(id, Some(request), not_a_member(name));
        }
        Ok(Outcome::Left)
    }
}
