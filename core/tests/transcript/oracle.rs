//! Invariants that hold in every script.

use std::collections::{BTreeMap, BTreeSet};

use switchboard_core::{Action, Config, ConnectionId, Hub, Limit, Operation, Output, RoomName};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Reserved,
    Open,
    /// Its close frame has been sent.
    Closed,
}

/// Sees every action, and recounts the hub's numbers from its views.
pub(super) struct Oracle {
    alive: BTreeMap<ConnectionId, Phase>,
    max_connections: Limit,
    max_per_user: Limit,
    accepted: u64,
    ended: u64,
    messages_out: u64,
    rejected: u64,
    /// Rooms whose state was requested.
    awaiting: BTreeSet<RoomName>,
}

impl Oracle {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            alive: BTreeMap::new(),
            max_connections: config.limits.max_connections,
            max_per_user: config.limits.max_per_user,
            accepted: 0,
            ended: 0,
            messages_out: 0,
            rejected: 0,
            awaiting: BTreeSet::new(),
        }
    }

    pub(super) fn alive(&self) -> Vec<ConnectionId> {
        self.alive.keys().copied().collect()
    }

    /// Checks that nothing is sent to a connection before it is open or after its close, and that
    /// each ends once.
    pub(super) fn see(&mut self, action: &Action<'_>, opened: Option<ConnectionId>) {
        if let Some(id) = opened
            && let Some(phase) = self.alive.get_mut(&id).filter(|phase| **phase == Phase::Reserved)
        {
            *phase = Phase::Open;
        }
        match action {
            Action::Do(Operation::Accept { connection, .. }) => {
                self.accepted += 1;
                assert_eq!(self.alive.insert(*connection, Phase::Reserved), None);
            }
            Action::Do(Operation::Reject { .. }) => self.rejected += 1,
            Action::Send { to, message } => {
                assert_eq!(to.iter().collect::<BTreeSet<_>>().len(), to.len(), "twice the same");
                self.messages_out += to.len() as u64;
                for id in *to {
                    assert_eq!(self.alive.get(id), Some(&Phase::Open), "{id} gets {message:?}");
                }
            }
            Action::Do(Operation::Ping { connection, .. }) => {
                assert_eq!(self.alive.get(connection), Some(&Phase::Open), "{connection}");
            }
            Action::Do(Operation::Close { connection, .. }) => {
                assert_eq!(self.alive.insert(*connection, Phase::Closed), Some(Phase::Open));
            }
            Action::Tell(Output::Closed { connection, .. }) => {
                self.ended += 1;
                assert!(self.alive.remove(connection).is_some(), "{connection} ended twice");
            }
            Action::Tell(Output::Request { connection, .. })
            | Action::Tell(Output::Raw { connection, .. }) => {
                assert_eq!(self.alive.get(connection), Some(&Phase::Open), "{connection}");
            }
            Action::Tell(Output::StateWanted { room, .. }) => {
                self.awaiting.insert(room.clone());
            }
            Action::Do(Operation::Done { .. })
            | Action::Tell(Output::Probed { .. })
            | Action::Tell(Output::Answered { .. })
            | Action::Tell(Output::Notice(_))
            | Action::Tell(Output::Drained) => {}
        }
    }

    pub(super) fn count_again(&self, hub: &Hub) {
        let stats = hub.stats();
        let views: Vec<_> = self.alive.keys().map(|&id| (id, hub.connection(id))).collect();
        let (mut open, mut closing, mut blocked) = (0, 0, 0);
        let mut there: BTreeMap<_, BTreeSet<ConnectionId>> = BTreeMap::new();
        let mut seats: BTreeMap<_, usize> = BTreeMap::new();
        let mut users: BTreeMap<_, BTreeSet<ConnectionId>> = BTreeMap::new();
        for (id, view) in views {
            let view = view.expect("an open connection has a view");
            open += usize::from(view.is_open());
            closing += usize::from(view.is_closing());
            blocked += usize::from(view.is_blocked());
            assert!(!view.is_closing() || view.rooms().next().is_none(), "{id} left its rooms");
            for room in view.rooms() {
                *seats.entry(room.clone()).or_default() += 1;
                let there = there.entry(room.clone()).or_default();
                if view.is_open() {
                    assert!(there.insert(id), "{id} is in {room} twice");
                }
            }
            for room in view.held_rooms() {
                *seats.entry(room.clone()).or_default() += 1;
            }
            let of_user = users.entry(view.user().clone()).or_default();
            if !view.is_closing() || view.held_rooms().next().is_some() {
                of_user.insert(id);
            }
        }
        let reserved = self.alive.len() - open - closing;
        let counted = (stats.connections, stats.reserved, stats.closing, stats.blocked);
        assert_eq!(counted, (open, reserved, closing, blocked), "{stats:?}");
        assert!(!self.max_connections.is_exceeded_by(self.alive.len() + stats.held));
        // Seats of lost connections are in no view.
        let unseen = stats.held > 0;
        let rooms = stats.rooms - stats.kept_rooms;
        assert!(rooms == seats.len() || (unseen && rooms > seats.len()), "{stats:?}");
        for (room, seats) in &seats {
            let view = hub.room(room).expect("it has members");
            let listed: BTreeSet<_> = view.members().iter().copied().collect();
            assert_eq!(listed.len(), view.members().len(), "{room}");
            assert!(view.seats() == *seats || (unseen && view.seats() > *seats), "{room}");
            let there = there.get(room).cloned().unwrap_or_default();
            assert!(listed.is_subset(&there), "{room}");
            for id in there.difference(&listed) {
                assert!(self.awaiting.contains(room), "{id} is not a member of {room}");
            }
        }
        for (user, connections) in &users {
            let view = hub.user(user).expect("it has connections");
            let listed: BTreeSet<_> = view.connections().iter().copied().collect();
            assert!(listed == *connections || (unseen && listed.len() > connections.len()));
            assert!(!self.max_per_user.is_exceeded_by(listed.len()), "{user}");
        }
        assert!(stats.users >= users.len(), "{stats:?}");
        let sums =
            (stats.accepted, stats.endings().map(|(_, n)| n).sum::<u64>(), stats.messages_out);
        assert_eq!(sums, (self.accepted, self.ended, self.messages_out), "{stats:?}");
        assert_eq!(stats.rejections().map(|(_, n)| n).sum::<u64>(), self.rejected);
    }
}
