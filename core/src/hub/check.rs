//! Checks that a hub read from bytes is consistent.
//!
//! The rules look keys up without checking that they exist, and count down without checking for
//! zero, because the tables agree with each other. Bytes can hold anything, so this is checked
//! once, when a hub is read.
//!
//! Changes: nothing.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};

use crate::hub::stats::{MOST, Stats};
use crate::protocol::id::ConnectionId;
use crate::time::Timestamp;

use super::keys::{NetworkKey, RoomKey, UserKey};
use super::tables::account::Payer;
use super::tables::connection::{Connection, Phase};
use super::tables::deadlines::Timer;
use super::tables::room::Room;
use super::{Hub, class};

/// What the connections imply about a room.
#[derive(Default, PartialEq)]
struct Seats {
    members: usize,
    reserved: u32,
    blocked: u32,
    present: BTreeMap<UserKey, u32>,
}

/// What the other tables imply about a user.
#[derive(Default, PartialEq)]
struct References {
    connections: usize,
    all: u32,
}

/// The sums over all tables.
#[derive(Default)]
struct Sums {
    rooms: BTreeMap<RoomKey, Seats>,
    users: BTreeMap<UserKey, References>,
    networks: BTreeMap<NetworkKey, u32>,
    asked: BTreeMap<ConnectionId, u32>,
    stats: Stats,
    deadlines: usize,
    idle: usize,
}

fn agrees(does: bool, what: &str) -> Result<(), String> {
    if does { Ok(()) } else { Err(what.into()) }
}

impl Hub {
    /// Returns the first inconsistency that the rules would trip over.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.config.check().map_err(|error| error.to_string())?;
        agrees(self.classes == class::by_prefix(&self.config.rooms), "the classes of rooms")?;
        let are_whole = self.connections.table.is_whole()
            && self.users.table.is_whole()
            && self.rooms.table.is_whole()
            && self.probes.is_whole()
            && self.networks.is_whole()
            && self.absent.accounts.is_whole();
        agrees(are_whole, "the free places of a table")?;
        let mut sums = Sums::default();
        let requested = self.requests.iter().map(|(_, asked)| asked.connection);
        for connection in self.probes.awaited().chain(requested) {
            *sums.asked.entry(connection).or_default() += 1;
        }
        sums.deadlines += self.probes.len() + self.requests.len();
        sums.deadlines += usize::from(self.absent.armed.is_some());
        agrees(
            self.absent.armed == self.absent.accounts.first_full_at(),
            "the accounts of absent users",
        )?;
        sums.deadlines +=
            usize::from(self.drain.as_ref().is_some_and(|drain| drain.armed.is_some()));
        for id in self.connections.ids_from(0) {
            if let Some(connection) = self.connections.get(id) {
                self.check_connection(id, connection, &mut sums)?;
            }
        }
        agrees(sums.asked.is_empty(), "a request to a connection that does not exist")?;
        for (key, room) in self.rooms.iter() {
            self.check_room(key, room, &mut sums)?;
        }
        agrees(sums.rooms.is_empty(), "a seat in a room that does not exist")?;
        agrees(sums.idle == self.rooms.idle.len(), "the empty rooms")?;
        self.check_users(&mut sums)?;
        let guests = self.networks.table.iter_from(0);
        let counts = guests.map(|(at, guests)| (NetworkKey(at), guests.connections));
        agrees(counts.eq(sums.networks), "the guests of a network")?;
        self.check_deadlines(sums.deadlines)?;
        self.check_numbers(&sums.stats)
    }

    fn check_connection(
        &self,
        id: ConnectionId,
        connection: &Connection,
        sums: &mut Sums,
    ) -> Result<(), String> {
        let Connection { user, payer, outbox, memberships, .. } = connection;
        let stats = &mut sums.stats;
        let is_retired = match &connection.phase {
            Phase::Reserved(_) => {
                stats.reserved += 1;
                false
            }
            Phase::Open => {
                stats.connections += 1;
                false
            }
            Phase::Closing(closing) => {
                stats.closing += 1;
                !closing.held
            }
            Phase::Held(_) => {
                stats.held += 1;
                false
            }
        };
        let references = sums.users.entry(*user).or_default();
        references.all += 1;
        if let Payer::Network(key) = payer {
            *sums.networks.entry(*key).or_default() += 1;
        }
        if is_retired {
            agrees(memberships.is_empty(), "a connection that is closing and has seats")?;
        } else {
            references.connections += 1;
            let place = self.users.table.get(user.0);
            let place = place.and_then(|user| user.connections.get(connection.user_at as usize));
            agrees(place == Some(&id), "the connections of a user")?;
        }
        let mut rooms = BTreeSet::new();
        for (slot, membership) in memberships.iter().enumerate() {
            agrees(rooms.insert(membership.room), "two seats in one room")?;
            let seats = sums.rooms.entry(membership.room).or_default();
            if membership.seat.is_present() {
                *seats.present.entry(*user).or_default() += 1;
            }
            let Some(at) = membership.seat.at() else {
                seats.reserved += 1;
                continue;
            };
            seats.members += 1;
            seats.blocked += u32::from(outbox.is_some());
            let is_there = connection.is_open()
                && self.rooms.table.get(membership.room.0).is_some_and(|room| {
                    room.members.get(at) == Some(&id)
                        && room.slots.get(at).is_some_and(|it| usize::from(*it) == slot)
                });
            agrees(is_there, "the members of a room")?;
        }
        if let Some(outbox) = outbox {
            agrees(outbox.is_whole(), "the outbox of a connection")?;
            stats.blocked += usize::from(outbox.is_blocked());
        }
        sums.deadlines += usize::from(connection.armed != Timestamp::MAX);
        let asked = sums.asked.remove(&id).unwrap_or_default();
        agrees(asked == connection.asked, "the requests to a connection")?;
        agrees(connection.strikes < 1 << 31, "the strikes of a connection")
    }

    fn check_room(&self, key: RoomKey, room: &Room, sums: &mut Sums) -> Result<(), String> {
        let class = self.classes.get(usize::from(room.class));
        let (_, class) = class.ok_or("the class of a room")?;
        agrees(self.rooms.find(&room.name) == Some(key), "the name of a room")?;
        let seats = sums.rooms.remove(&key).unwrap_or_default();
        let users = &room.presence.users;
        let said = Seats {
            members: room.members.len(),
            reserved: room.reserved,
            blocked: room.blocked,
            present: if class.presence { users.iter().collect() } else { seats.present.clone() },
        };
        agrees(seats == said && room.slots.len() == said.members, "the seats of a room")?;
        let present = if class.presence { seats.present.len() } else { 0 };
        agrees(users.is_whole() && users.len() == present, "the users of a room")?;
        for user in room.presence.absent.keys() {
            sums.users.entry(*user).or_default().all += 1;
        }
        if let Some(since) = room.idle_since {
            let is_idle = room.seats() == 0
                && room.presence.absent.is_empty()
                && room.question.is_none()
                && self.rooms.idle.contains(&(since, key));
            agrees(is_idle, "an empty room")?;
            sums.idle += 1;
        }
        let is_kept = room.kept.last().is_none_or(|last| last == room.offset);
        agrees(is_kept && room.offset < MOST, "the history of a room")?;
        sums.stats.history_bytes += room.kept.bytes();
        let others = [room.armed != Timestamp::MAX, room.question.is_some()];
        sums.deadlines += others.into_iter().map(usize::from).sum::<usize>();
        sums.deadlines += room.presence.absent.len();
        Ok(())
    }

    fn check_users(&self, sums: &mut Sums) -> Result<(), String> {
        for (at, user) in self.users.table.iter_from(0) {
            let key = UserKey(at);
            agrees(self.users.find(&user.name) == Some(key), "the name of a user")?;
            let mut references = sums.users.remove(&key).unwrap_or_default();
            if let Some(remembered) = &user.remembered {
                references.all += 1;
                sums.deadlines += 1;
                sums.stats.remembered += remembered.len();
                agrees(remembered.is_whole(), "the ids remembered for a user")?;
            }
            let said = References { connections: user.connections.len(), all: user.references };
            agrees(references == said, "the references to a user")?;
        }
        agrees(sums.users.is_empty(), "a reference to a user that does not exist")
    }

    /// Checks that each deadline belongs to something, and that everything with a deadline has one.
    fn check_deadlines(&self, expected: usize) -> Result<(), String> {
        let mut claims = 0;
        let mut remembered = BTreeSet::new();
        let room = |key: RoomKey| self.rooms.table.get(key.0);
        for (at, timer) in self.deadlines.iter() {
            let is_armed = match timer {
                Timer::Connection(id) => self.connections.get(id).is_some_and(|it| it.armed == at),
                Timer::Absence(key, user) => {
                    room(key).is_some_and(|room| room.presence.absent.get(&user) == Some(&at))
                }
                Timer::Room(key) => room(key).is_some_and(|room| room.armed == at),
                Timer::State(key) => room(key)
                    .and_then(|room| room.question.as_ref())
                    .is_some_and(|question| question.deadline == at),
                Timer::Claim(_) => {
                    claims += 1;
                    true
                }
                Timer::Remembered(user) => {
                    let user_there = self.users.table.get(user.0);
                    user_there.is_some_and(|it| it.remembered.is_some()) && remembered.insert(user)
                }
                Timer::Absent => self.absent.armed == Some(at),
                Timer::Request(key) => self.requests.get(key).is_some_and(|it| it.deadline == at),
                Timer::Probe(key) => self.probes.deadline(key) == Some(at),
                Timer::Drain => self.drain.as_ref().and_then(|drain| drain.armed) == Some(at),
            };
            agrees(is_armed, "a deadline without an owner")?;
        }
        agrees(self.deadlines.len() - claims == expected, "a missing deadline")
    }

    fn check_numbers(&self, sums: &Stats) -> Result<(), String> {
        let Stats { connections, reserved, closing, held, .. } = self.stats;
        let Stats { history_bytes, remembered, blocked, .. } = self.stats;
        let said = Stats {
            connections,
            reserved,
            closing,
            held,
            history_bytes,
            remembered,
            blocked,
            ..Stats::default()
        };
        agrees(said == *sums, "the counters")?;
        let numbers = [self.next_question, self.requests.made()];
        let all = self.stats.counters().chain(numbers);
        agrees(all.into_iter().all(|number| number < MOST), "a counter that is too large")
    }
}
