//! The naive model: who has a seat and in which rooms. Everything else is recomputed whenever it is
//! needed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use switchboard_core::{Publishers, Timestamp, UserLimitPolicy};

use crate::seats::{Item, Payer, Phase, Probe, Room, Said, Seat};
use crate::setup::Setup;

/// The whole hub.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Model {
    pub setup: Setup,
    pub now: Timestamp,
    pub seats: BTreeMap<usize, Seat>,
    pub rooms: BTreeMap<String, Room>,
    /// When the token bucket of each payer will be full again.
    pub payers: BTreeMap<Payer, Timestamp>,
    pub drained_by: Option<Timestamp>,
    pub probes: Vec<Probe>,
    pub said: Vec<Said>,
    admitted: usize,
    lives: u64,
    drained: bool,
}

impl Model {
    /// Makes a model without connections.
    pub fn new(setup: Setup) -> Self {
        let (seats, rooms, payers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (now, said, drained_by) = (Timestamp::ZERO, Vec::new(), None);
        let (probes, admitted, lives, drained) = (Vec::new(), 0, 0, false);
        Self {
            setup,
            now,
            seats,
            rooms,
            payers,
            drained_by,
            probes,
            said,
            admitted,
            lives,
            drained,
        }
    }

    /// Returns the user's reserved and open connections, oldest first.
    pub fn of_user(&self, user: &str) -> Vec<usize> {
        let holds = |seat: &Seat| seat.user == user && !matches!(seat.phase, Phase::Closing(_));
        self.seats.iter().filter(|(_, seat)| holds(seat)).map(|(c, _)| *c).collect()
    }

    /// Returns the reserved and open connections in the room.
    pub fn seats_in(&self, room: &str) -> Vec<usize> {
        self.seats.iter().filter(|(_, seat)| seat.rooms.contains(room)).map(|(c, _)| *c).collect()
    }

    /// Returns the open connections in the room.
    pub fn members(&self, room: &str) -> Vec<usize> {
        self.seats_in(room).into_iter().filter(|c| self.is_open(*c)).collect()
    }

    /// Returns the users in the room, including those within their grace time.
    pub fn users_in(&self, room: &str) -> BTreeSet<String> {
        let here = self.members(room).into_iter().map(|c| self.seats[&c].user.clone());
        let away = self.rooms.get(room).into_iter().flat_map(|room| room.absent.keys().cloned());
        here.chain(away).collect()
    }

    /// Returns whether the connection is open.
    pub fn is_open(&self, c: usize) -> bool {
        self.seats.get(&c).is_some_and(|seat| seat.phase == Phase::Open)
    }

    /// Sends something to a connection, unless it is closing.
    pub fn tell(&mut self, c: usize, what: impl Into<String>) {
        self.said.push(Said::To(c, Item::Text(what.into())));
    }

    fn now(&mut self, what: impl Into<String>) {
        self.said.push(Said::Now(what.into()));
    }

    /// Handles a request for a connection.
    pub fn connect(
        &mut self,
        user: &str,
        payer: Payer,
        is_operator: bool,
        mut rooms: BTreeSet<String>,
        wished: &[String],
    ) {
        let limits = &self.setup.0.limits;
        let mine = self.of_user(user);
        let at_cap = limits.max_per_user.is_exceeded_by(mine.len() + 1);
        let replaces = limits.user_limit_policy == UserLimitPolicy::ReplaceOldest;
        let evictee = mine.first().copied().filter(|_| at_cap && replaces);
        let stay = |seats: Vec<usize>| seats.into_iter().filter(|c| Some(*c) != evictee).count();
        let is_full = |room: &&String| {
            self.setup.class(room).max_members.is_exceeded_by(stay(self.seats_in(room)) + 1)
        };
        let is_closed = |room: &&String| !self.is_open_to(is_operator, room);
        let wished: BTreeSet<String> =
            wished.iter().filter(|room| !rooms.contains(*room)).cloned().collect();
        let seats = stay(self.seats.keys().copied().collect());
        let refusal = if self.drained_by.is_some() {
            Some("draining".to_owned())
        } else if limits.max_rooms_per_connection.is_exceeded_by(rooms.len() + wished.len()) {
            Some("too_many_rooms".to_owned())
        } else if limits.max_connections.is_exceeded_by(seats + 1) {
            Some("server_full".to_owned())
        } else if rooms.iter().any(|room| is_closed(&room)) {
            Some("forbidden".to_owned())
        } else if let Some(room) = rooms.iter().find(is_full) {
            Some(format!("lobby_full {room}"))
        } else if at_cap && !replaces {
            Some("user_limit".to_owned())
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return self.now(format!("reject {refusal}"));
        }
        let (refused, granted): (BTreeSet<_>, BTreeSet<_>) =
            wished.into_iter().partition(|room| is_closed(&room) || is_full(&room));
        rooms.extend(granted);
        let is_full = limits.max_connections.is_exceeded_by(self.seats.len() + 1);
        if let Some(evictee) = evictee {
            self.close(evictee, "replaced");
            if is_full {
                self.gone(evictee, "replaced");
            }
        }
        for room in &rooms {
            self.room_for(room);
        }
        let seat = Seat {
            user: user.to_owned(),
            payer,
            phase: Phase::Reserved,
            rooms,
            is_operator,
            refused,
            since: self.now,
            last_seen: self.now,
            last_message: self.now,
            bucket_full_at: Timestamp::ZERO,
            strikes: 0,
            ping: None,
            asked: None,
        };
        self.seats.insert(self.admitted, seat);
        self.admitted += 1;
        self.now("accept");
    }

    fn room_for(&mut self, room: &str) -> &mut Room {
        let lives = &mut self.lives;
        self.rooms.entry(room.to_owned()).or_insert_with(|| {
            *lives += 1;
            Room { life: *lives, ..Room::default() }
        })
    }

    /// Completes an upgrade.
    pub fn opened(&mut self, c: usize) {
        let now = self.now;
        let Some(seat) = self.seats.get_mut(&c).filter(|seat| seat.phase == Phase::Reserved) else {
            return;
        };
        (seat.phase, seat.since, seat.last_seen, seat.last_message) = (Phase::Open, now, now, now);
        let is_operator = seat.is_operator;
        let (rooms, refused) = (std::mem::take(&mut seat.rooms), std::mem::take(&mut seat.refused));
        let at = rooms.iter().map(|room| self.place(room)).collect::<Vec<_>>().join(" ");
        self.tell(c, format!("connected {at}"));
        for room in rooms {
            self.enter(c, &room);
        }
        for room in refused {
            let is_open = self.is_open_to(is_operator, &room);
            let code = if is_open { "lobby_full" } else { "forbidden" };
            self.tell(c, format!("error {code} for nobody's request"));
        }
        if self.drained_by.is_some() {
            self.tell(c, "draining");
            self.close(c, "draining");
        }
    }

    /// Describes a room and its position.
    pub fn place(&self, room: &str) -> String {
        self.rooms.get(room).map_or_else(
            || format!("{room} nowhere"),
            |it| format!("{room} life {} offset {}", it.life, it.offset),
        )
    }

    fn enter(&mut self, c: usize, room: &str) {
        let user = self.seats[&c].user.clone();
        let is_new = !self.users_in(room).contains(&user);
        self.room_for(room).absent.remove(&user);
        let others = self.members(room);
        if let Some(seat) = self.seats.get_mut(&c) {
            seat.rooms.insert(room.to_owned());
        }
        if is_new && self.setup.class(room).presence {
            others.into_iter().for_each(|other| self.tell(other, format!("+{user} in {room}")));
        }
    }

    fn is_open_to(&self, is_operator: bool, room: &str) -> bool {
        is_operator || !self.setup.class(room).operators_only
    }

    /// Checks that a client may enter a room by itself, or is in it.
    pub fn may_enter(&self, c: usize, room: &str) -> Result<(), &'static str> {
        let seat = &self.seats[&c];
        let may = seat.rooms.contains(room) || self.is_open_to(seat.is_operator, room);
        may.then_some(()).ok_or("forbidden")
    }

    /// Lets an open connection enter a room. `Err` is the reason for refusing.
    pub fn join(&mut self, c: usize, room: &str) -> Result<(), &'static str> {
        let seat = &self.seats[&c];
        if seat.rooms.contains(room) {
            return Ok(());
        }
        if self.setup.0.limits.max_rooms_per_connection.is_exceeded_by(seat.rooms.len() + 1) {
            return Err("too_many_rooms");
        }
        if self.setup.class(room).max_members.is_exceeded_by(self.seats_in(room).len() + 1) {
            return Err("lobby_full");
        }
        self.room_for(room);
        self.enter(c, room);
        Ok(())
    }

    /// Takes a connection out of a room, because it asked or because it ends.
    pub fn leave(&mut self, c: usize, room: &str, by_wish: bool) {
        let was_open = self.is_open(c);
        let Some(seat) = self.seats.get_mut(&c) else { return };
        let user = seat.user.clone();
        seat.rooms.remove(room);
        if self.seats_in(room).is_empty() {
            self.rooms.remove(room);
        } else if was_open && !self.users_in(room).contains(&user) {
            let class = self.setup.class(room);
            if class.presence && (by_wish || class.presence_grace == Duration::ZERO) {
                self.say_left(room, &user);
            } else if class.presence {
                let until = self.now + class.presence_grace;
                self.room_for(room).absent.insert(user, until);
            }
        }
    }

    fn say_left(&mut self, room: &str, user: &str) {
        for other in self.members(room) {
            self.tell(other, format!("-{user} in {room}"));
        }
    }

    /// Publishes something. Returns its number and how many connections receive it.
    pub fn publish(
        &mut self,
        room: &str,
        text: &str,
        except: Option<usize>,
    ) -> (Option<u64>, usize) {
        let Some(it) = self.rooms.get_mut(room) else { return (None, 0) };
        it.offset += 1;
        let (life, offset) = (it.life, it.offset);
        let to: Vec<usize> =
            self.members(room).into_iter().filter(|c| Some(*c) != except).collect();
        for &c in &to {
            self.said.push(Said::To(c, Item::Publication(life, offset, text.to_owned())));
        }
        (Some(offset), to.len())
    }

    /// Returns why a client may not publish there.
    pub fn forbids_publishing(&self, c: usize, room: &str) -> Option<&'static str> {
        match self.setup.class(room).publish {
            Publishers::Server => Some("forbidden"),
            Publishers::Members if !self.seats[&c].rooms.contains(room) => Some("not_a_member"),
            Publishers::Members | Publishers::Anyone => None,
        }
    }

    /// Returns the room that a message without one means.
    pub fn only_room(&self, c: usize) -> Option<String> {
        let rooms = &self.seats[&c].rooms;
        rooms.first().filter(|_| rooms.len() == 1).cloned()
    }

    /// Closes a connection from this side.
    pub fn close(&mut self, c: usize, reason: &'static str) {
        match self.seats.get(&c).map(|seat| seat.phase.clone()) {
            Some(Phase::Reserved) => self.gone(c, reason),
            Some(Phase::Open) => {
                for room in self.seats[&c].rooms.clone() {
                    self.leave(c, &room, false);
                }
                self.tell(c, format!("close {reason}"));
                if let Some(seat) = self.seats.get_mut(&c) {
                    (seat.phase, seat.since) = (Phase::Closing(reason), self.now);
                }
            }
            Some(Phase::Closing(_)) | None => {}
        }
    }

    /// Ends a connection. If this side had closed it, that reason counts, whatever happened then.
    pub fn gone(&mut self, c: usize, how: &'static str) {
        let Some(seat) = self.seats.get(&c).cloned() else { return };
        for room in &seat.rooms {
            self.leave(c, room, false);
        }
        self.seats.remove(&c);
        let how = if let Phase::Closing(reason) = seat.phase { reason } else { how };
        self.now(format!("closed c{c} of {}: {how}", seat.user));
    }

    /// Starts a drain.
    pub fn drain(&mut self, timeout: Duration) {
        if self.drained_by.is_some() {
            return;
        }
        self.drained_by = Some(self.now + timeout);
        for c in self.seats.keys().copied().collect::<Vec<_>>() {
            if self.is_open(c) {
                self.tell(c, "draining");
                self.close(c, "draining");
            }
        }
    }

    /// Does everything that is due.
    pub fn tick(&mut self) {
        let now = self.now;
        let (limits, heartbeat) = (self.setup.0.limits.clone(), self.setup.0.heartbeat.clone());
        for (c, seat) in self.seats.clone() {
            let past = |since: Timestamp, time: Duration| now >= since + time;
            let never = Duration::ZERO;
            match seat.phase {
                _ if self.drained_by.is_some_and(|by| now >= by) => self.gone(c, "draining"),
                Phase::Reserved if past(seat.since, limits.handshake_timeout) => {
                    self.gone(c, "handshake_failed");
                }
                Phase::Closing(reason) if past(seat.since, limits.close_timeout) => {
                    self.gone(c, reason);
                }
                Phase::Open
                    if past(seat.last_seen, heartbeat.stale_after)
                        && seat.asked.is_some_and(|asked| {
                            asked >= seat.last_seen
                                && past(asked, heartbeat.stale_after - heartbeat.interval)
                        }) =>
                {
                    self.close(c, "stale");
                }
                Phase::Open
                    if heartbeat.idle_timeout != never
                        && past(seat.last_message, heartbeat.idle_timeout) =>
                {
                    self.close(c, "idle");
                }
                Phase::Reserved | Phase::Open | Phase::Closing(_) => {}
            }
        }
        for (name, room) in self.rooms.clone() {
            for user in room.absent.iter().filter(|(_, until)| now >= **until).map(|(u, _)| u) {
                if let Some(it) = self.rooms.get_mut(&name) {
                    it.absent.remove(user);
                    self.say_left(&name, user);
                }
            }
        }
    }

    /// Handles a pong, or the answer to a `health_ping`: a sign of life only if it answers a
    /// pending ping. Returns whether it does.
    pub fn answered(&mut self, c: usize, nonce: u64) -> bool {
        let now = self.now;
        let Some(seat) = self.seats.get_mut(&c).filter(|seat| seat.phase == Phase::Open) else {
            return false;
        };
        if seat.ping == Some(nonce) {
            (seat.ping, seat.asked, seat.last_seen) = (None, None, now);
            return true;
        }
        let mut answers = false;
        for probe in &mut self.probes {
            if let Some((asked, answer @ None)) = probe.asked.get_mut(&c)
                && *asked == nonce
            {
                (*answer, seat.last_seen, answers) = (Some(now - probe.sent), now, true);
            }
        }
        answers
    }

    /// Ends probes whose open connections have all answered, or whose time is up at a tick.
    pub fn end_probes(&mut self, is_tick: bool) {
        for probe in std::mem::take(&mut self.probes) {
            let waits = |(c, (_, answer)): (&usize, &(u64, Option<Duration>))| {
                answer.is_none() && self.is_open(*c)
            };
            if probe.asked.iter().any(waits) && !(is_tick && self.now >= probe.until) {
                self.probes.push(probe);
                continue;
            }
            let answers = probe.asked.iter().map(|(c, (_, answer))| format!("c{c} {answer:?}"));
            let answers = answers.collect::<Vec<_>>().join(", ");
            self.now(format!("probed {}: {answers}", probe.serial));
        }
    }

    /// Reports the end of a drain, once, when no connection is left.
    pub fn finish(&mut self) {
        if self.drained_by.is_some() && self.seats.is_empty() && !self.drained {
            self.drained = true;
            self.now("drained");
        }
    }
}
