//! An observer that knows nothing but the events and the actions, as a driver does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use switchboard_core::{
    Action, ConnectionId, Event, Hub, Message, Notice, RoomName, Stats, Timestamp, UserName,
};

use crate::check::Invariant;
use crate::setup::Setup;

/// A connection, by what came out about it.
#[derive(Debug)]
struct Seen {
    user: UserName,
    /// Entered and not left.
    rooms: BTreeSet<RoomName>,
    is_open: bool,
    is_closed: bool,
    closed: u32,
}

/// Everything that was seen.
#[derive(Debug)]
pub struct Watch {
    setup: Setup,
    seen: Vec<Seen>,
    connecting: Option<UserName>,
    released: BTreeMap<usize, (usize, usize)>,
    drain_deadline: Option<Timestamp>,
    clock: Timestamp,
    drained: u32,
}

impl Watch {
    /// Nothing was seen.
    pub fn new(setup: Setup) -> Self {
        let (seen, released) = (Vec::new(), BTreeMap::new());
        Self {
            setup,
            seen,
            connecting: None,
            released,
            drain_deadline: None,
            clock: Timestamp::ZERO,
            drained: 0,
        }
    }

    /// Whether the connection was said to be closed.
    pub fn is_gone(&self, c: usize) -> bool {
        self.seen.get(c).is_some_and(|seen| seen.closed > 0)
    }

    /// An event is about to go in.
    pub fn before(&mut self, now: Timestamp, event: &Event) {
        self.clock = self.clock.max(now);
        self.released.clear();
        match event {
            Event::Connect { user, .. } => self.connecting = Some(user.clone()),
            Event::Drain { timeout, .. } => {
                self.drain_deadline.get_or_insert(self.clock + *timeout);
            }
            Event::Opened { .. }
            | Event::Received { .. }
            | Event::Alive { .. }
            | Event::Pong { .. }
            | Event::Blocked { .. }
            | Event::Writable { .. }
            | Event::Disconnected { .. }
            | Event::Command { .. }
            | Event::Tick => {}
        }
    }

    /// An action came out.
    pub fn see(
        &mut self,
        action: &Action<'_>,
        numbers: &BTreeMap<ConnectionId, usize>,
        invariant: Invariant,
        now: Timestamp,
    ) -> Result<(), String> {
        let strict = invariant == Invariant::NothingFollowsAClose;
        match action {
            Action::Accept { .. } => {
                let user = self.connecting.take().ok_or("accepted, and nobody had asked")?;
                self.seen.push(Seen {
                    user,
                    rooms: BTreeSet::new(),
                    is_open: false,
                    is_closed: false,
                    closed: 0,
                });
            }
            Action::Send { to, message } => {
                for id in *to {
                    let Some((c, seen)) = of(&mut self.seen, numbers, id) else { continue };
                    if strict
                        && (seen.closed > 0
                            || seen.is_closed
                            || !seen.is_open && !matches!(message, Message::Connected(_)))
                    {
                        return Err(format!(
                            "c{c} is closed, or not yet open, and is sent {message:?}"
                        ));
                    }
                    if let Message::Connected(_) = message {
                        seen.is_open = true;
                    }
                    let cost = message.cost_bytes();
                    if !matches!(message, Message::HealthPing { .. }) {
                        let released = self.released.entry(c).or_default();
                        (released.0, released.1) = (released.0 + cost, cost);
                    }
                }
            }
            Action::Ping { connection, .. } => {
                if let Some((c, seen)) = of(&mut self.seen, numbers, connection)
                    && strict
                    && (seen.is_closed || seen.closed > 0 || !seen.is_open)
                {
                    return Err(format!("c{c} is pinged, and is not open"));
                }
            }
            Action::Close { connection, .. } => {
                if let Some((c, seen)) = of(&mut self.seen, numbers, connection) {
                    if strict && (seen.is_closed || seen.closed > 0 || !seen.is_open) {
                        return Err(format!("c{c} is closed twice, or before it is open"));
                    }
                    seen.is_closed = true;
                }
            }
            Action::Closed { connection, user, .. } => {
                if let Some((c, seen)) = of(&mut self.seen, numbers, connection) {
                    seen.closed += 1;
                    seen.rooms.clear();
                    if seen.closed > 1 || seen.user != **user {
                        return Err(format!("c{c} has ended {} times", seen.closed));
                    }
                }
            }
            Action::Request { connection, .. } | Action::Raw { connection, .. } => {
                if let Some((c, seen)) = of(&mut self.seen, numbers, connection)
                    && strict
                    && seen.closed > 0
                {
                    return Err(format!("c{c} is gone and asks for something"));
                }
            }
            Action::Notice(Notice::Joined { connection, room, .. }) => {
                if let Some((_, seen)) = of(&mut self.seen, numbers, connection) {
                    seen.rooms.insert(room.clone());
                }
            }
            Action::Notice(Notice::Left { connection, room, .. }) => {
                if let Some((_, seen)) = of(&mut self.seen, numbers, connection) {
                    seen.rooms.remove(room);
                }
            }
            Action::Drained => {
                self.drained += 1;
                let all_gone = self.seen.iter().all(|seen| seen.closed == 1);
                if self.drained > 1 || !all_gone || self.drain_deadline.is_none() {
                    return Err(format!(
                        "drained at {now:?}, {} times, all gone: {all_gone}",
                        self.drained
                    ));
                }
            }
            Action::Reject { .. }
            | Action::Done { .. }
            | Action::Probed { .. }
            | Action::Answered { .. }
            | Action::StateWanted { .. }
            | Action::Notice(_) => {}
        }
        Ok(())
    }

    /// An event was handled.
    pub fn after(&self, event: &Event, invariant: Invariant) -> Result<(), String> {
        if invariant == Invariant::EveryQueueIsBounded && matches!(event, Event::Writable { .. }) {
            let high_water = self.setup.0.limits.outlet_high_water;
            for (c, (all, last)) in &self.released {
                if all - last >= high_water {
                    return Err(format!("c{c} takes {high_water} bytes and gets {all}"));
                }
            }
        }
        Ok(())
    }

    /// `capacity_is_never_exceeded`, by what was said and by what the hub shows.
    pub fn check_capacity(&self, hub: &Hub, made: &[ConnectionId]) -> Result<(), String> {
        let (limits, held) = (&self.setup.0.limits, hub.stats().held);
        let live = || self.seen.iter().filter(|seen| seen.closed == 0);
        if limits.max_connections.is_exceeded_by(live().count() + held) {
            return Err(format!("{} connections, and {held} held", live().count()));
        }
        let views = || made.iter().filter_map(|id| hub.connection(*id));
        for room in (0..3).map(crate::ops::room_name) {
            let entered = live().filter(|seen| seen.rooms.contains(room.as_str())).count();
            let shown = hub.room(&room).map_or(0, |view| view.seats());
            let is_it = |name: &&RoomName| ***name == *room;
            // A connection that was lost and is closing shows its seats as held; one that is gone does not show.
            let seats = views().flat_map(|view| view.rooms().chain(view.held_rooms()));
            let seats = seats.filter(is_it).count();
            let members = hub.room(&room).map_or(0, |view| view.members().len());
            if self.setup.class(&room).max_members.is_exceeded_by(shown)
                || members != entered
                || shown < seats
                || shown > seats + held
            {
                return Err(format!("{entered} of {members} in {room}, {seats} of {shown} seats"));
            }
        }
        for user in (0..4).map(crate::ops::user_name) {
            let shown = hub.user(&user).map_or(0, |view| view.connections().len());
            let open = live().filter(|seen| *seen.user == *user).count();
            if limits.max_per_user.is_exceeded_by(shown) || shown > open + held {
                return Err(format!("{shown} connections of {user}, {open} are not gone"));
            }
        }
        self.check_gauges(&hub.stats())?;
        self.check_rooms_per_connection(hub, made)
    }

    fn check_rooms_per_connection(&self, hub: &Hub, made: &[ConnectionId]) -> Result<(), String> {
        let max = self.setup.0.limits.max_rooms_per_connection;
        let seats = |view: switchboard_core::ConnectionView<'_>| {
            view.rooms().count() + view.held_rooms().count()
        };
        let most = made.iter().filter_map(|id| hub.connection(*id)).map(seats).max();
        if max.is_exceeded_by(most.unwrap_or(0)) {
            Err("too many rooms".to_owned())
        } else {
            Ok(())
        }
    }

    /// The hub's gauges are what was seen.
    pub fn check_gauges(&self, stats: &Stats) -> Result<(), String> {
        let live = self.seen.iter().filter(|seen| seen.closed == 0).count();
        let shown = stats.connections + stats.reserved + stats.closing;
        if live == shown && stats.accepted == self.seen.len() as u64 {
            Ok(())
        } else {
            Err(format!("{live} of {} accepted are live, and {stats:?}", self.seen.len()))
        }
    }

    /// `every_queue_is_bounded`
    pub fn check_queues(&self, hub: &Hub, made: &[ConnectionId]) -> Result<(), String> {
        let limits = &self.setup.0.limits;
        self.check_history(hub)?;
        for id in made {
            let Some(view) = hub.connection(*id) else { continue };
            let (messages, bytes) = view.waiting();
            // The last message of all, which says that the server goes away, always fits.
            let last = usize::from(hub.is_draining() && view.is_closing());
            let draining = Message::Draining { retry_after: Duration::ZERO };
            if messages > limits.outbox_messages + last
                || bytes > limits.outbox_bytes + last * draining.cost_bytes()
            {
                return Err(format!("{id} has {messages} messages, {bytes} bytes waiting"));
            }
        }
        Ok(())
    }

    /// What rooms keep and what is remembered.
    fn check_history(&self, hub: &Hub) -> Result<(), String> {
        let (limits, stats, mut all) = (&self.setup.0.limits, hub.stats(), 0);
        for room in (0..3).map(crate::ops::room_name) {
            let (class, kept) = (self.setup.class(&room), hub.room(&room).map(|view| view.kept()));
            let (events, bytes) = kept.unwrap_or((0, 0));
            all += bytes;
            // While the application is asked for the state, a slow member's worth is kept.
            let (most_events, most_bytes) = if class.provides_state {
                (limits.outbox_messages, limits.outbox_bytes)
            } else {
                (0, 0)
            };
            if events > class.history.events.max(most_events)
                || bytes > class.history.bytes.max(most_bytes)
            {
                return Err(format!("{room} keeps {events} publications, {bytes} bytes"));
            }
        }
        let users = stats.users;
        if all != stats.history_bytes
            || all > limits.history_bytes
            || stats.kept_rooms > limits.max_kept_rooms
            || stats.remembered > (limits.remembered * users).min(limits.remembered_in_all)
        {
            return Err(format!("rooms keep {all} bytes, and {stats:?}"));
        }
        Ok(())
    }

    /// `drain_ends_by_its_deadline`
    pub fn check_drain(&self, now: Timestamp) -> Result<(), String> {
        match self.drain_deadline {
            Some(deadline) if now >= deadline => self.check_drained(),
            Some(_) | None => Ok(()),
        }
    }

    /// Everybody is gone, and it was said once.
    pub fn check_drained(&self) -> Result<(), String> {
        let left = self.seen.iter().filter(|seen| seen.closed != 1).count();
        if left == 0 && self.drained == 1 {
            Ok(())
        } else {
            Err(format!("after the deadline {left} are left; drained {} times", self.drained))
        }
    }

    /// Each that was accepted ended once, and the statistics know it.
    pub fn check_everybody_gone(&self, stats: &Stats) -> Result<(), String> {
        let ended: u64 = stats.ended.iter().sum();
        if self.seen.iter().all(|seen| seen.closed == 1) && ended == self.seen.len() as u64 {
            self.check_gauges(stats)
        } else {
            Err(format!("{} accepted, {ended} ended", self.seen.len()))
        }
    }
}

fn of<'a>(
    seen: &'a mut [Seen],
    numbers: &BTreeMap<ConnectionId, usize>,
    id: &ConnectionId,
) -> Option<(usize, &'a mut Seen)> {
    let c = *numbers.get(id)?;
    Some((c, seen.get_mut(c)?))
}
