//! Capacity is never exceeded: of the server, of rooms, of users and of connections, by what was
//! sent and by what the hub shows.

use std::collections::{BTreeMap, BTreeSet};

use switchboard_core::{Action, ConnectionView, Notice, Output, RoomName};

use super::{Fed, Observer, Scene, Verdict};
use crate::facts::Facts;
use crate::ops::{room_name, user_name};

/// The rooms that each connection has entered and not left.
#[derive(Default, Debug)]
pub(super) struct Capacity {
    rooms: BTreeMap<usize, BTreeSet<RoomName>>,
}

impl Observer for Capacity {
    fn actions(&mut self, facts: &Facts, _fed: &Fed<'_>, actions: &[Action<'_>]) -> Verdict {
        for action in actions {
            #[allow(clippy::wildcard_enum_match_arm, reason = "others move nobody")]
            match action {
                Action::Tell(Output::Notice(Notice::Joined { connection, room, .. })) => {
                    if let Some(c) = facts.number(connection) {
                        self.rooms.entry(c).or_default().insert(room.clone());
                    }
                }
                Action::Tell(Output::Notice(Notice::Left { connection, room, .. })) => {
                    if let Some(c) = facts.number(connection) {
                        self.rooms.entry(c).or_default().remove(room);
                    }
                }
                Action::Tell(Output::Closed { connection, .. }) => {
                    if let Some(c) = facts.number(connection) {
                        self.rooms.remove(&c);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn settled(&mut self, scene: Scene<'_>, _is_idle: bool) -> Verdict {
        let Scene { hub, facts } = scene;
        let (limits, held) = (&facts.setup.0.limits, hub.stats().held);
        let live = || (0..facts.made.len()).filter(|c| facts.ended[*c] == 0);
        if limits.max_connections.is_exceeded_by(live().count() + held) {
            return Err(format!("{} connections, and {held} held", live().count()));
        }
        for room in (0..3).map(room_name) {
            let entered = |c: &usize| self.rooms.get(c).is_some_and(|it| it.contains(&*room));
            let entered = live().filter(entered).count();
            let shown = hub.room(&room).map_or(0, |view| view.seats());
            let is_it = |name: &&RoomName| ***name == *room;
            // A lost connection that is closing shows its seats as held; an ended one is not shown.
            let seats = scene.views().flat_map(|(_, view)| view.rooms().chain(view.held_rooms()));
            let seats = seats.filter(is_it).count();
            let members = hub.room(&room).map_or(0, |view| view.members().len());
            if facts.setup.class(&room).max_members.is_exceeded_by(shown)
                || members != entered
                || shown < seats
                || shown > seats + held
            {
                return Err(format!("{entered} of {members} in {room}, {seats} of {shown} seats"));
            }
        }
        for user in (0..4).map(user_name) {
            let shown = hub.user(&user).map_or(0, |view| view.connections().len());
            let open = live().filter(|c| *facts.users[*c] == *user).count();
            if limits.max_per_user.is_exceeded_by(shown) || shown > open + held {
                return Err(format!("{shown} connections of {user}, {open} are not gone"));
            }
        }
        let seats = |view: ConnectionView<'_>| view.rooms().count() + view.held_rooms().count();
        let most = scene.views().map(|(_, view)| seats(view)).max();
        if limits.max_rooms_per_connection.is_exceeded_by(most.unwrap_or(0)) {
            return Err("too many rooms".to_owned());
        }
        Ok(())
    }
}
