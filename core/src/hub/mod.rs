//! The hub: every decision about connections, rooms and delivery.
//!
//! This file has the state that all rules share. [`Hub::handle`] in `dispatch.rs` takes an event,
//! finds its rule and returns actions. Each other file next to it holds the rules for one topic, and
//! `tables/` holds the data.
//!
//! Changes: payloads, rooms, users.

mod accounts;
pub(crate) mod action;
mod admission;
mod backpressure;
#[cfg(feature = "recording")]
mod check;
pub(crate) mod class;
pub(crate) mod config;
mod deduplication;
mod deliver;
mod dispatch;
mod drain;
pub(crate) mod event;
mod inbound;
mod keys;
mod lifecycle;
pub(crate) mod limit;
mod liveness;
mod lookup;
mod presence;
mod probe;
mod publishing;
mod recovery;
mod requests;
mod room_lifetime;
mod rooms;
mod sessions;
pub(crate) mod setting;
pub(crate) mod stats;
mod tables;
mod timers;
mod view;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::digest::Digests;
use crate::hub::action::Queue;
use crate::hub::class::RoomClass;
use crate::hub::config::{Config, ConfigError};
use crate::hub::stats::Stats;
use crate::protocol::id::ConnectionId;
use crate::random::{Keyed, Random};
use crate::time::{Timestamp, WallClock};

use tables::account::{Absent, Networks};
use tables::connection::Connections;
use tables::deadlines::Deadlines;
use tables::drain::Drain;
use tables::probe::Probes;
use tables::requests::Requests;
use tables::room::Rooms;
use tables::user::Users;

pub use tables::rate::Bucket;
pub use tables::refilling::{Refilling, Refills};
pub use view::{ConnectionView, RoomView, UserView};

/// The state machine behind a server: the connections, the rooms they are in, and what each gets.
///
/// It does no IO and reads no clock. The driver
///
/// 1. feeds an [`Event`](crate::Event) with the current time to [`handle`](Self::handle),
/// 2. performs the returned [`Actions`](crate::Actions), in order,
/// 3. feeds [`Event::Tick`](crate::Event::Tick) when [`next_deadline`](Self::next_deadline) is due.
///
/// `handle` is the only method that changes anything during a run; the others are views. `handle`
/// never fails and never panics: a request that cannot be met is refused, and an event that makes
/// no sense is counted in [`Stats`]. The same seed and the same events at the same times give the
/// same actions.
///
/// [`Driver`](crate::Driver) does steps 1 and 2 for real sockets.
///
/// ```
/// use switchboard_core::{
///     Action, Attempt, Config, Event, Hub, Operation, RoomName, Ticket, Timestamp, UserName,
/// };
///
/// let now = Timestamp::ZERO;
/// let mut hub = Hub::new(Config::default(), 42, now)?;
/// let alice = UserName::new("alice")?;
/// let lobby = RoomName::new("lobby")?;
///
/// let rooms = vec![(lobby, None)];
/// let attempt = Attempt { rooms, ..Attempt::new(alice) };
/// let connect = Event::Connect { ticket: Ticket(1), attempt };
/// let answer = hub.handle(now, connect).next();
/// let Some(Action::Do(&Operation::Accept { connection, .. })) = answer else {
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
    /// The longest prefix first; the last one is `""`.
    classes: Vec<(String, RoomClass)>,
    pub(crate) now: Timestamp,
    wall_clock: WallClock,
    random: Random,
    connections: Connections,
    users: Users,
    networks: Networks,
    /// Accounts of users and networks that have no connection.
    absent: Absent,
    rooms: Rooms,
    deadlines: Deadlines,
    probes: Probes,
    requests: Requests,
    /// The number of the next request for a room's state.
    next_question: u64,
    /// Hashes the content of messages.
    content: Keyed,
    #[cfg_attr(feature = "recording", serde(skip))]
    pub(crate) payloads: Digests,
    drain: Option<Drain>,
    stats: Stats,
    #[cfg_attr(feature = "recording", serde(skip))]
    queue: Queue,
    /// Connections whose outbox overflowed in this event. They are closed at its end, so that
    /// closing one does not interfere with the broadcast that overflowed it.
    #[cfg_attr(feature = "recording", serde(skip))]
    overflowed: Vec<ConnectionId>,
}

impl Hub {
    /// Creates an empty hub. The seed decides all jitter, epochs and hash keys: take it from the
    /// system's randomness in production, and use a fixed one to repeat a run.
    ///
    /// # Errors
    /// Fails if the configuration contradicts itself.
    pub fn new(config: Config, seed: u64, now: Timestamp) -> Result<Self, ConfigError> {
        config.check()?;
        let mut random = Random::new(seed);
        let max_connections = config.limits.max_connections.get();
        Ok(Self {
            classes: class::by_prefix(&config.rooms),
            now,
            wall_clock: WallClock { at: Timestamp::ZERO, unix_ms: config.unix_ms_at_start },
            connections: Connections::new(),
            users: Users::new(Keyed::new(&mut random)),
            networks: Networks::new(),
            absent: Absent::default(),
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

    /// Hashes payloads with this key from now on, so that a [`Tap`](crate::Tap) can replace
    /// them with their digests without the hub noticing. Must be called before the first event; a
    /// driver does so.
    pub fn hide_payloads(&mut self, key: [u64; 2]) {
        self.payloads = Digests::Hidden(Keyed::with_key(key));
    }

    /// Returns when [`Event::Tick`](crate::Event::Tick) is due next; in the past while work is left
    /// over, and `None` when nothing waits for time.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first()
    }

    /// Restores the parts of a hub that are not in the bytes it was read from.
    #[cfg(feature = "recording")]
    pub(crate) fn revive(&mut self, payloads: Digests) {
        self.payloads = payloads;
        self.users.revive();
        self.rooms.revive();
    }
}
