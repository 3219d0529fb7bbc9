//! The hub: every decision about connections, rooms and delivery.
//!
//! [`Hub::handle`] takes one event and answers with actions. This file dispatches events and has what all of
//! them share; each other file holds the rules of one matter.

pub(crate) mod action;
mod admission;
mod backpressure;
#[cfg(feature = "recording")]
mod check;
pub(crate) mod class;
pub(crate) mod config;
mod deduplication;
mod drain;
pub(crate) mod event;
mod inbound;
mod keys;
mod lifecycle;
pub(crate) mod limit;
mod liveness;
mod presence;
mod probe;
mod recovery;
mod requests;
mod rooms;
mod sessions;
pub(crate) mod setting;
pub(crate) mod stats;
mod tables;
mod view;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::digest::Digests;
use crate::hub::action::{Actions, Notice, Outcome, Queue, Queued};
use crate::hub::class::RoomClass;
use crate::hub::config::{Config, ConfigError};
use crate::hub::event::Ticket;
use crate::hub::event::{Command, Event};
use crate::hub::stats::Stats;
use crate::protocol::id::ConnectionId;
use crate::protocol::refusal::{ErrorCode, Refusal};
use crate::protocol::to_client::Message;
use crate::random::{Keyed, Random};
use crate::time::Timestamp;

use keys::RoomKey;
use tables::connection::Connections;
use tables::deadlines::{Deadlines, Timer};
use tables::drain::Drain;
use tables::probe::Probes;
use tables::requests::Requests;
use tables::room::Rooms;
use tables::user::Users;

pub use view::{ConnectionView, RoomView, UserView};

/// The state machine behind a server: who is connected, who is where, and what each is to get.
///
/// It does no IO and reads no clock. Whoever drives it
///
/// 1. feeds an [`Event`] with the current time to [`handle`](Self::handle),
/// 2. performs the [`Actions`] that come out, in order,
/// 3. feeds [`Event::Tick`] when [`next_deadline`](Self::next_deadline) has come.
///
/// There are two kinds of methods: `handle`, which is the only one that changes anything, and views. `handle` never
/// fails and never panics: what cannot be done is answered, and what makes no sense is counted in [`Stats`]. The
/// same seed and the same events at the same times give the same actions.
///
/// [`Driver`](crate::Driver) does steps 1 and 2 for real sockets.
///
/// ```
/// use switchboard_core::{Action, Config, Event, Hub, RoomName, Ticket, Timestamp, UserName};
///
/// let now = Timestamp::ZERO;
/// let mut hub = Hub::new(Config::default(), 42, now)?;
/// let alice = UserName::new("alice")?;
/// let lobby = RoomName::new("lobby")?;
///
/// let rooms = vec![(lobby, None)];
/// let connect = Event::Connect { ticket: Ticket(1), user: alice, rooms, session: None };
/// let Some(Action::Accept { connection, .. }) = hub.handle(now, connect).next() else {
///     panic!("there is a free seat");
/// };
/// // … the driver completes the upgrade …
/// let actions = hub.handle(now, Event::Opened { connection });
/// assert!(actions.into_iter().any(|action| matches!(action, Action::Send { .. })));
/// assert_eq!(hub.stats().connections, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Hub {
    config: Arc<Config>,
    /// Longest prefix first; the last one has the prefix `""`.
    classes: Vec<(String, RoomClass)>,
    pub(crate) now: Timestamp,
    random: Random,
    connections: Connections,
    users: Users,
    rooms: Rooms,
    deadlines: Deadlines,
    probes: Probes,
    requests: Requests,
    /// The number of the next question about the state of a room.
    next_question: u64,
    /// Hashes what messages say.
    content: Keyed,
    #[cfg_attr(feature = "recording", serde(skip))]
    pub(crate) payloads: Digests,
    drain: Option<Drain>,
    stats: Stats,
    #[cfg_attr(feature = "recording", serde(skip))]
    queue: Queue,
    /// Connections whose outbox overflowed in this event; they are closed at its end, so that closing one
    /// cannot cut into the broadcast that found it full.
    #[cfg_attr(feature = "recording", serde(skip))]
    overflowed: Vec<ConnectionId>,
}

impl Hub {
    /// An empty hub. The seed decides all jitter, epochs and hash keys: take it from the system's randomness
    /// in production, and a fixed one to have the same run twice.
    ///
    /// # Errors
    /// When the configuration contradicts itself.
    pub fn new(config: Config, seed: u64, now: Timestamp) -> Result<Self, ConfigError> {
        config.check()?;
        let mut random = Random::new(seed);
        let max_connections = config.limits.max_connections.get();
        Ok(Self {
            classes: class::by_prefix(&config.rooms),
            now,
            connections: Connections::new(),
            users: Users::new(Keyed::new(&mut random)),
            rooms: Rooms::new(Keyed::new(&mut random)),
            deadlines: Deadlines::default(),
            probes: Probes::new(),
            requests: Requests::default(),
            next_question: 0,
            content: random.secret(),
            payloads: Digests::Hashed(random.secret()),
            drain: None,
            stats: Stats { max_connections, ..Stats::default() },
            queue: Queue::default(),
            overflowed: Vec::new(),
            config: Arc::new(config),
            random,
        })
    }

    /// Lets a [`Witness`](crate::Witness) replace payloads by their digests without a difference to the hub, which hashes them
    /// with this from now on. To be called before the first event; a driver does it.
    pub fn hide_payloads(&mut self, key: [u64; 2]) {
        self.payloads = Digests::Hidden(Keyed::with_key(key));
    }

    /// Takes one event in, and gives out what is to be done about it.
    ///
    /// A `now` before that of an earlier call counts as that one.
    ///
    /// # Cost
    /// Independent of the number of connections, but for what the event touches: a publication costs a copy of
    /// the room's list of members, a connection's end the number of its rooms, a tick at most
    /// [`Limits::work_per_tick`](crate::Limits::work_per_tick) deadlines.
    pub fn handle(&mut self, now: Timestamp, event: Event) -> Actions<'_> {
        self.queue.begin();
        if now < self.now {
            self.stats.clock_clamped += 1;
        }
        self.now = self.now.max(now);
        match event {
            Event::Connect { ticket, user, rooms, session } => {
                self.connect(ticket, &user, rooms, session);
            }
            Event::Opened { connection } => self.opened(connection),
            Event::Received { connection, bytes, inbound } => {
                self.received(connection, bytes, inbound);
            }
            Event::Alive { connection } => self.alive(connection),
            Event::Pong { connection, nonce } => self.pong(connection, nonce),
            Event::Blocked { connection } => self.blocked(connection),
            Event::Writable { connection } => self.writable(connection),
            Event::Disconnected { connection, how } => self.disconnected(connection, how),
            Event::Command { ticket, command } => self.command(ticket, command),
            Event::Drain { timeout, spread } => self.begin_drain(timeout, spread),
            Event::Tick => self.tick(),
        }
        self.close_overflowed();
        self.queue.drain()
    }

    /// When [`Event::Tick`] is due next; in the past while work is left over. `None` when nothing waits for time.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first()
    }

    /// The rest of a hub that was read from its bytes.
    #[cfg(feature = "recording")]
    pub(crate) fn revive(&mut self, payloads: Digests) {
        self.payloads = payloads;
        self.users.revive();
        self.rooms.revive();
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
                Some(Timer::Request(key)) => self.request_overdue(key),
                Some(Timer::Probe(key)) => self.finish_probe(key),
                // A batch of the drain is a tick's work by itself.
                Some(Timer::Drain) => return self.drain_step(),
                None => return,
            }
        }
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
                    let publication = rooms::Draft { kind, from, id, key, payload };
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
        self.queue.push(Queued::Done { ticket, result });
    }

    /// Sends to one open connection, or lets the message wait in its outbox. Answers whether there is such a one.
    fn send(&mut self, to: ConnectionId, message: Message) -> bool {
        let Some(connection) = self.connections.get_mut(to).filter(|c| c.is_open()) else {
            return false;
        };
        if connection.outbox.is_some() {
            self.wait(to, message, crate::Overflow::Close);
        } else {
            self.send_now(to, message);
        }
        true
    }

    fn send_now(&mut self, to: ConnectionId, message: Message) {
        let mark = self.queue.mark();
        self.queue.add_recipients(&[to]);
        self.stats.messages_out += self.queue.send(mark, message) as u64;
    }

    fn notice(&mut self, notice: Notice) {
        self.queue.push(Queued::Notice(notice));
    }

    /// Milliseconds since the Unix epoch.
    fn unix_ms(&self) -> u64 {
        self.config.unix_ms_at_start.saturating_add(self.now.as_millis())
    }

    fn class_of(&self, name: &str) -> u16 {
        let found = self.classes.iter().position(|(prefix, _)| name.starts_with(prefix.as_str()));
        found.unwrap_or(self.classes.len() - 1) as u16
    }

    /// The rules of a room, whether it exists or would be made now.
    fn rules_of(&self, name: &str, key: Option<RoomKey>) -> &RoomClass {
        self.class(key.map_or_else(|| self.class_of(name), |key| self.rooms.get(key).class))
    }

    fn class(&self, index: u16) -> &RoomClass {
        &self.classes[usize::from(index)].1
    }

    /// An event about a connection that is gone.
    fn stale(&mut self, id: ConnectionId) {
        if self.connections.get(id).is_none() {
            self.stats.stale_events += 1;
        }
    }

    fn no_such_connection(&mut self, id: ConnectionId) -> Refusal {
        self.stale(id);
        Refusal::new(ErrorCode::NoSuchConnection, "the connection is gone")
    }
}

fn reserved(kind: &str) -> Refusal {
    let message = alloc::format!("the type {kind:?} belongs to the protocol");
    Refusal::new(ErrorCode::ReservedType, message)
}
