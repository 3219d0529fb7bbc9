//! Dispatches events, commands and timers to their rules.
//!
//! Changes: deadlines, now, queue, stats, wall_clock.

use crate::protocol::to_client::Message;
use crate::time::{Timestamp, WallClock};

use super::Hub;
use super::action::{Actions, Operation, Outcome};
use super::event::{Command, Event, Ticket};
use super::lookup::reserved;
use super::publishing::Draft;
use super::tables::deadlines::Timer;

impl Hub {
    /// Handles an event and returns the actions to perform.
    ///
    /// If `now` is earlier than in a previous call, the previous time is used.
    ///
    /// # Cost
    /// Independent of the number of connections, except for those that the event touches: a
    /// publication copies the room's list of members, the end of a connection is linear in its
    /// rooms, and a tick handles at most [`Limits::work_per_tick`](crate::Limits::work_per_tick)
    /// deadlines.
    pub fn handle(&mut self, now: Timestamp, event: Event) -> Actions<'_> {
        self.queue.begin();
        if now < self.now {
            self.stats.clock_clamped += 1;
        }
        self.now = self.now.max(now);
        match event {
            Event::Connect { ticket, attempt } => self.connect(ticket, attempt),
            Event::Opened { connection } => self.opened(connection),
            Event::Received { connection, bytes, inbound } => {
                self.received(connection, bytes, inbound);
            }
            Event::Alive { connection } => self.alive(connection),
            Event::Pong { connection, nonce } => {
                if !self.pong(connection, nonce) {
                    self.count_frame(connection);
                }
            }
            Event::Blocked { connection } => self.blocked(connection),
            Event::Writable { connection } => self.writable(connection),
            Event::Disconnected { connection, how } => self.disconnected(connection, how),
            Event::Command { ticket, command } => self.command(ticket, command),
            Event::Drain { timeout, spread } => self.begin_drain(timeout, spread),
            Event::WallClock { unix_ms } => self.wall_clock = WallClock { at: self.now, unix_ms },
            Event::Tick => self.tick(),
        }
        self.close_overflowed();
        self.queue.drain()
    }

    fn command(&mut self, ticket: Ticket, command: Command) {
        let result = match command {
            Command::Join { connection, room } => {
                let result = self.join(connection, None, &room, None);
                self.release_paced(connection);
                result
            }
            Command::Leave { connection, room } => {
                let result = self.leave(connection, &room);
                if result.is_ok() {
                    self.send(connection, Message::Left { id: None, room });
                }
                result
            }
            Command::Publish { room, kind, from, id, key, payload, except } => {
                if kind.is_reserved() {
                    Err(reserved(&kind))
                } else {
                    let publication = Draft { kind, from, id, key, payload };
                    let found = self.rooms.find(&room);
                    Ok(self.publish(&room, found, publication, except))
                }
            }
            Command::Direct { to, from, payload } => self.direct(&to, from, None, None, payload),
            Command::Answer { connection, user, id, result } => {
                self.answer(connection, &user, id, result)
            }
            Command::Request { to, method, payload, timeout } => {
                self.ask(ticket, to, method, payload, timeout)
            }
            Command::State { ticket, room, payload } => self.state(ticket, &room, payload),
            Command::Send { to, message } => {
                if self.send(to, message) {
                    Ok(Outcome::Sent(1))
                } else {
                    Err(self.no_such_connection(to))
                }
            }
            Command::Close { connection, reason } => {
                if self.close(connection, reason) {
                    Ok(Outcome::Closing(1))
                } else {
                    Err(self.no_such_connection(connection))
                }
            }
            Command::CloseUser { user, reason } => {
                let connections = self.connections_of(&user);
                for &connection in &connections {
                    self.close(connection, reason.clone());
                }
                Ok(Outcome::Closing(connections.len()))
            }
            Command::Probe { user, timeout } => self.probe(ticket, &user, timeout),
        };
        self.queue.push(Operation::Done { ticket, result });
    }

    fn tick(&mut self) {
        for _ in 0..self.config.limits.work_per_tick {
            match self.deadlines.pop_due(self.now) {
                Some(Timer::Connection(id)) => self.connection_due(id),
                Some(Timer::Absence(room, user)) => self.absence_over(room, user),
                Some(Timer::Room(key)) => self.room_due(key),
                Some(Timer::State(key)) => self.state_overdue(key),
                Some(Timer::Claim(id)) => self.claims_over(id),
                Some(Timer::Remembered(user)) => self.remembered_due(user),
                Some(Timer::Absent) => self.absent_due(),
                Some(Timer::Request(key)) => self.request_overdue(key),
                Some(Timer::Probe(key)) => self.finish_probe(key),
                // One batch of the drain is enough work for a tick.
                Some(Timer::Drain) => return self.drain_step(),
                None => return,
            }
        }
    }
}
