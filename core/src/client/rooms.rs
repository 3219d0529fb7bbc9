//! The rooms that the application wants to be in, and the positions seen in them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::mem;

use crate::hub::event::Ticket;
use crate::protocol::codec::Outbound;
use crate::protocol::name::RoomName;
use crate::protocol::position::Position;
use crate::protocol::server_message::Refused;

use super::Machine;
use super::action::{Failure, Joined, MachineAction, Queue, RoomChange, Settled};

/// The state of one room on the current connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    Out,
    /// By a `resume`, or by the `join` with this number.
    Asked(Option<u64>),
    In,
}

#[derive(Debug)]
struct Room {
    /// Numbers first joins, so that rooms are entered again in their order.
    order: u64,
    standing: Standing,
    /// Whether it was ever entered, so that it is wanted even if no call waits for it.
    entered: bool,
    /// The last publication that was seen.
    seen: Option<Position>,
    /// One of the client's own publications that directly follows `seen`, and that the server may
    /// never send back.
    acked: Option<Position>,
    /// The calls that wait for the room to be entered.
    tickets: Vec<Ticket>,
}

impl Room {
    /// The position to resume from. An own publication counts only if it is beyond `seen`.
    fn resume_from(&self) -> Option<Position> {
        match (self.seen, self.acked) {
            (Some(seen), Some(acked)) if acked.epoch == seen.epoch => Some(seen.max(acked)),
            (seen, _) => seen,
        }
    }

    fn advance(&mut self, position: Position) {
        if self.seen.is_none_or(|seen| is_beyond(position, seen)) {
            self.seen = Some(position);
        }
    }
}

/// Whether a publication at `position` is new to a client that has seen everything up to `seen`.
fn is_beyond(position: Position, seen: Position) -> bool {
    position.epoch != seen.epoch || position.offset > seen.offset
}

#[derive(Debug)]
struct Leaving {
    number: u64,
    room: RoomName,
    ticket: Option<Ticket>,
}

#[derive(Default, Debug)]
pub(super) struct Rooms {
    rooms: BTreeMap<RoomName, Room>,
    /// Unanswered `leave`s.
    leaving: Vec<Leaving>,
    joined: u64,
}

impl Rooms {
    pub(super) fn clear(&mut self) {
        self.rooms.clear();
        self.leaving.clear();
    }

    pub(super) fn position(&self, room: &str) -> Option<Position> {
        self.rooms.get(room)?.resume_from()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&RoomName, bool)> {
        self.rooms.iter().map(|(name, room)| (name, room.standing == Standing::In))
    }

    pub(super) fn is_in(&self, room: &RoomName) -> bool {
        self.rooms.get(room).is_some_and(|room| room.standing == Standing::In)
    }

    /// The number of unanswered calls.
    fn waiting(&self) -> usize {
        self.leaving.len() + self.rooms.values().map(|room| room.tickets.len()).sum::<usize>()
    }

    fn insert(&mut self, name: RoomName, seen: Option<Position>) -> &mut Room {
        self.joined += 1;
        let order = self.joined;
        self.rooms.entry(name).or_insert(Room {
            order,
            standing: Standing::Out,
            entered: false,
            seen,
            acked: None,
            tickets: Vec::new(),
        })
    }

    /// Handles the loss of the connection and of what was asked on it: rooms being left are left.
    pub(super) fn disconnected(&mut self, queue: &mut Queue) {
        for room in self.rooms.values_mut() {
            room.standing = Standing::Out;
        }
        for ticket in mem::take(&mut self.leaving).into_iter().filter_map(|leaving| leaving.ticket)
        {
            queue.settle(ticket, Ok(Settled::Left));
        }
    }

    /// Settles the waiting calls with this result. A room that was never entered is no longer
    /// wanted.
    pub(super) fn settle_all(&mut self, queue: &mut Queue, failure: &Failure) {
        self.rooms.retain(|_, room| {
            let failed = !room.tickets.is_empty();
            for ticket in room.tickets.drain(..) {
                queue.settle(ticket, Err(failure.clone()));
            }
            room.entered || !failed
        });
        for ticket in mem::take(&mut self.leaving).into_iter().filter_map(|leaving| leaving.ticket)
        {
            queue.settle(ticket, Err(failure.clone()));
        }
    }

    /// An own publication that directly follows everything known counts as seen.
    pub(super) fn acknowledged(&mut self, room: &RoomName, position: Position) {
        if let Some(room) = self.rooms.get_mut(room)
            && room.standing == Standing::In
            && let Some(known) = room.resume_from()
            && known.epoch == position.epoch
            && known.offset.checked_add(1) == Some(position.offset)
        {
            room.acked = Some(position);
        }
    }

    /// Returns whether the publication is new, in a room that the client is in.
    pub(super) fn published(&mut self, room: &RoomName, position: Position) -> Option<bool> {
        let room = self.rooms.get_mut(room).filter(|room| room.standing == Standing::In)?;
        let is_new = room.seen.is_none_or(|seen| is_beyond(position, seen));
        room.advance(position);
        Some(is_new)
    }

    /// Restarts the stream after this position.
    pub(super) fn refreshed(&mut self, room: &RoomName, position: Position) {
        if let Some(room) = self.rooms.get_mut(room) {
            room.seen = Some(position);
            room.acked = None;
        }
    }

    /// Forgets the ticket. Returns whether it was found.
    fn cancel(&mut self, ticket: Ticket) -> bool {
        if let Some(leaving) =
            self.leaving.iter_mut().find(|leaving| leaving.ticket == Some(ticket))
        {
            leaving.ticket = None;
            return true;
        }
        let found = self.rooms.iter_mut().find_map(|(name, room)| {
            let at = room.tickets.iter().position(|&waiting| waiting == ticket)?;
            room.tickets.remove(at);
            let unwanted =
                room.tickets.is_empty() && !room.entered && room.standing == Standing::Out;
            Some(unwanted.then(|| name.clone()))
        });
        if let Some(Some(unwanted)) = &found {
            self.rooms.remove(unwanted);
        }
        found.is_some()
    }

    fn asked_with(&self, number: u64) -> Option<RoomName> {
        let asked = Standing::Asked(Some(number));
        self.rooms.iter().find(|(_, room)| room.standing == asked).map(|(name, _)| name.clone())
    }
}

impl Machine {
    pub(super) fn join(&mut self, ticket: Ticket, name: RoomName, since: Option<Position>) {
        if self.is_closed() {
            return self.queue.settle(ticket, Err(Failure::Closed));
        }
        let max = self.config.max_rooms;
        if let Some(room) = self.rooms.rooms.get(&name)
            && room.standing == Standing::In
            && let Some(position) = room.seen
        {
            let joined = Joined { position, recovered: None };
            return self.queue.settle(ticket, Ok(Settled::Joined(joined)));
        }
        let is_new = !self.rooms.rooms.contains_key(&name);
        if self.rooms.waiting() >= max || (is_new && self.rooms.rooms.len() >= max) {
            return self.queue.settle(ticket, Err(Failure::TooManyRooms));
        }
        let open = self.is_open();
        let room = self.rooms.insert(name.clone(), since);
        room.tickets.push(ticket);
        if room.standing == Standing::Out {
            room.seen = room.seen.or(since);
        }
        if open && room.standing == Standing::Out {
            let number = self.ids.take();
            room.standing = Standing::Asked(Some(number));
            let join = Outbound::join(&self.ids.text(number), &name, room.resume_from());
            self.queue.push(MachineAction::Transmit(join));
        }
    }

    pub(super) fn leave(&mut self, ticket: Ticket, name: &RoomName) {
        if self.is_closed() {
            return self.queue.settle(ticket, Err(Failure::Closed));
        }
        if self.rooms.leaving.len() >= self.config.max_rooms {
            return self.queue.settle(ticket, Err(Failure::TooManyRooms));
        }
        let Some(room) = self.rooms.rooms.remove(name) else {
            return self.queue.settle(ticket, Ok(Settled::Left));
        };
        for waiting in room.tickets {
            self.queue.settle(waiting, Err(Failure::Left));
        }
        if room.standing == Standing::Out {
            return self.queue.settle(ticket, Ok(Settled::Left));
        }
        let number = self.ids.take();
        let (leaving, ticket) = (name.clone(), Some(ticket));
        self.rooms.leaving.push(Leaving { number, room: leaving, ticket });
        self.queue.push(MachineAction::Transmit(Outbound::leave(&self.ids.text(number), name)));
    }

    /// Returns whether the ticket was found.
    pub(super) fn cancel_in_rooms(&mut self, ticket: Ticket) -> bool {
        self.rooms.cancel(ticket)
    }

    /// Handles the rooms that the server names in `connected`.
    pub(super) fn put_into(&mut self, rooms: Vec<(RoomName, Position)>) {
        for (name, position) in rooms {
            let known = self.rooms.position(&name);
            // Something was published meanwhile, which the server sends only when asked.
            if known.is_none_or(|known| known == position) {
                self.enter(name, Joined { position, recovered: None });
            }
        }
    }

    /// Asks for all wanted rooms that the server has not put the client into.
    pub(super) fn resume(&mut self) {
        let mut wanted: Vec<(&RoomName, &mut Room)> = self.rooms.rooms.iter_mut().collect();
        wanted.retain(|(_, room)| room.standing == Standing::Out);
        wanted.sort_by_key(|(_, room)| room.order);
        for (_, room) in &mut wanted {
            room.standing = Standing::Asked(None);
        }
        let rooms = wanted.iter().map(|(name, room)| (*name, room.resume_from()));
        let limit = self.max_message_bytes.unwrap_or(usize::MAX);
        for resume in Outbound::resume(rooms, limit) {
            self.queue.push(MachineAction::Transmit(resume));
        }
    }

    /// Marks the client as a member of a room.
    fn enter(&mut self, name: RoomName, joined: Joined) {
        let max = self.config.max_rooms;
        if !self.rooms.rooms.contains_key(&name) && self.rooms.rooms.len() >= max {
            self.stats.strangers += 1;
            return;
        }
        let room = self.rooms.insert(name.clone(), None);
        if room.standing == Standing::In {
            self.stats.strangers += 1;
            return;
        }
        room.standing = Standing::In;
        room.entered = true;
        match joined.recovered {
            Some(true) => room.advance(joined.position),
            // The gap stays open until the `refresh` arrives. If that is lost, the client asks
            // again.
            Some(false) if room.seen.is_some() => {}
            Some(false) | None => room.seen = Some(joined.position),
        }
        room.acked = None;
        if room.tickets.is_empty() {
            self.queue.push(MachineAction::Room { room: name, change: RoomChange::Joined(joined) });
            return;
        }
        for ticket in room.tickets.drain(..) {
            self.queue.settle(ticket, Ok(Settled::Joined(joined.clone())));
        }
    }

    /// `joined`
    pub(super) fn joined(&mut self, number: Option<u64>, name: RoomName, joined: Joined) {
        match number {
            Some(number) if self.rooms.asked_with(number) != Some(name.clone()) => {
                self.stats.strangers += 1;
            }
            // It answers a `resume` from before the room was left.
            None if self.rooms.leaving.iter().any(|leaving| leaving.room == name) => {
                self.stats.strangers += 1;
            }
            Some(_) | None => self.enter(name, joined),
        }
    }

    /// Handles an `error` that answers a `join`, or one room of a `resume`. Returns whether it
    /// does.
    pub(super) fn not_joined(
        &mut self,
        number: Option<u64>,
        name: Option<&RoomName>,
        refused: &Refused,
    ) -> bool {
        let name = match (number, name) {
            (Some(number), _) => self.rooms.asked_with(number),
            (None, Some(name)) => {
                let room = self.rooms.rooms.get(name);
                let asked = room.is_some_and(|room| room.standing == Standing::Asked(None));
                asked.then(|| name.clone())
            }
            (None, None) => None,
        };
        let Some((name, room)) = name.and_then(|name| self.rooms.rooms.remove_entry(&name)) else {
            return false;
        };
        for &ticket in &room.tickets {
            self.queue.settle(ticket, Err(Failure::Refused(refused.clone())));
        }
        if room.tickets.is_empty() {
            let change = RoomChange::Left(Some(refused.clone()));
            self.queue.push(MachineAction::Room { room: name, change });
        }
        true
    }

    /// `left`
    pub(super) fn left(&mut self, number: Option<u64>, name: RoomName) {
        match number {
            Some(number) => {
                if !self.leave_answered(number, &Ok(Settled::Left)) {
                    self.stats.strangers += 1;
                }
            }
            None if self.rooms.is_in(&name) => {
                self.rooms.rooms.remove(&name);
                self.queue.push(MachineAction::Room { room: name, change: RoomChange::Left(None) });
            }
            None => self.stats.strangers += 1,
        }
    }

    /// Returns whether a `leave` had this number.
    pub(super) fn leave_answered(
        &mut self,
        number: u64,
        result: &Result<Settled, Failure>,
    ) -> bool {
        let Some(at) = self.rooms.leaving.iter().position(|leaving| leaving.number == number)
        else {
            return false;
        };
        if let Some(ticket) = self.rooms.leaving.remove(at).ticket {
            self.queue.settle(ticket, result.clone());
        }
        true
    }
}
