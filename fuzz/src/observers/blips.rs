//! No other client is told when a client is lost and reconnects in time, or replaces its own
//! connection.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use switchboard_core::{
    Action, Attempt, CloseReason, Command, ConnectionId, Ending, Event, Inbound, Limits, Message,
    Notice, Operation, Output, RoomName, Timestamp, UserLimitPolicy, UserName,
};

use super::{Fed, Observer, Scene, Verdict};
use crate::clients::Who;
use crate::facts::Facts;
use crate::hear::Heard;

/// A client's rooms, across all its connections.
#[derive(Debug)]
struct Place {
    link: usize,
    rooms: BTreeSet<RoomName>,
    /// The rooms that its current connection is in.
    claimed: BTreeSet<RoomName>,
    /// Until when the others are held for its current connection.
    claims_until: Option<Timestamp>,
    /// Until when its seats are held, if it is lost.
    held_until: Option<Timestamp>,
}

impl Place {
    fn is_in(&self, room: &RoomName, now: Timestamp) -> bool {
        let is_claimable = self.claims_until.is_none_or(|until| now < until);
        self.rooms.contains(room)
            && self.held_until.is_none_or(|until| now < until)
            && (self.held_until.is_some() || is_claimable || self.claimed.contains(room))
    }
}

/// All clients. A client whose rooms cannot be known for sure is left out.
#[derive(Default, Debug)]
pub(super) struct Blips {
    /// The latest time that the hub was told.
    clock: Timestamp,
    places: BTreeMap<Who, Place>,
    /// The rooms of each user before this event.
    there: BTreeSet<(UserName, RoomName)>,
    /// The connections that may now receive news of long ago.
    late: Vec<bool>,
    is_drained: bool,
}

impl Blips {
    /// Follows what an event about to be handled says about its client's rooms.
    fn follow(&mut self, limits: &Limits, event: &Event, target: Option<usize>) {
        let place = self.places.values_mut().find(|place| Some(place.link) == target);
        #[allow(clippy::wildcard_enum_match_arm, reason = "others take nobody away")]
        match event {
            Event::Drain { .. } => {
                self.places.clear();
                self.is_drained = true;
            }
            Event::Opened { .. } => {
                let until = self.clock + limits.handshake_timeout;
                if let Some(place) = place {
                    place.claims_until.get_or_insert(until);
                }
            }
            Event::Received { inbound: Inbound::Leave { room: Some(room), .. }, .. }
            | Event::Command { command: Command::Leave { room, .. }, .. } => {
                if let Some(place) = place {
                    place.rooms.remove(room);
                }
            }
            Event::Received { inbound: Inbound::Leave { room: None, .. }, .. }
            | Event::Command { command: Command::Close { .. }, .. } => {
                place.into_iter().for_each(|place| place.rooms.clear());
            }
            Event::Command { command: Command::CloseUser { user, .. }, .. } => self.forget(user),
            Event::Connect { attempt: Attempt { user, .. }, .. }
                if limits.max_per_user.get().is_some()
                    && limits.user_limit_policy == UserLimitPolicy::ReplaceOldest =>
            {
                self.forget(user);
            }
            _ => {}
        }
    }

    /// Returns the users that are in rooms now.
    fn who_is_there(&self) -> BTreeSet<(UserName, RoomName)> {
        let clock = self.clock;
        let there = self.places.iter().flat_map(|((user, _), place)| {
            let rooms = place.rooms.iter().filter(|room| place.is_in(room, clock));
            rooms.map(|room| (user.clone(), room.clone()))
        });
        there.collect()
    }

    fn forget(&mut self, user: &UserName) {
        self.places.retain(|(whose, _), _| whose != user);
    }

    fn accepted(&mut self, limits: &Limits, c: usize, who: Who) {
        let (rooms, claimed) = (BTreeSet::new(), BTreeSet::new());
        let new = Place { link: c, rooms, claimed, claims_until: None, held_until: None };
        let clock = self.clock;
        let place = self.places.entry(who).or_insert(new);
        let rooms: BTreeSet<RoomName> =
            place.rooms.iter().filter(|room| place.is_in(room, clock)).cloned().collect();
        let fit = !limits.max_rooms_per_connection.is_exceeded_by(3);
        place.rooms = if fit { rooms } else { BTreeSet::new() };
        (place.link, place.claims_until, place.held_until) = (c, None, None);
        place.claimed.clear();
    }

    /// Follows what an action says about its client's rooms.
    fn see(&mut self, window: Duration, action: &Action<'_>, c: Option<usize>) {
        let Some(place) = self.places.values_mut().find(|place| Some(place.link) == c) else {
            return;
        };
        #[allow(clippy::wildcard_enum_match_arm, reason = "others move nobody")]
        match action {
            Action::Tell(Output::Notice(Notice::Joined { room, .. })) => {
                place.rooms.insert(room.clone());
                place.claimed.insert(room.clone());
            }
            Action::Do(Operation::Close {
                reason: CloseReason::Stale | CloseReason::SlowConsumer,
                ..
            }) if window > Duration::ZERO => {}
            Action::Do(Operation::Close { .. }) => place.rooms.clear(),
            Action::Tell(Output::Closed { ending, .. }) => {
                let may_return = match ending {
                    Ending::Lost | Ending::HandshakeFailed => true,
                    Ending::Closed(why) => {
                        matches!(why, CloseReason::Stale | CloseReason::SlowConsumer)
                    }
                    Ending::ByPeer(code) => !matches!(code, Some(1000 | 1001)),
                };
                if !may_return || window == Duration::ZERO || self.is_drained {
                    place.rooms.clear();
                } else if place.claims_until.is_some_and(|until| self.clock >= until) {
                    place.rooms.retain(|room| place.claimed.contains(room));
                }
                place.held_until = Some(self.clock + window);
            }
            _ => {}
        }
    }

    /// It is being closed, and the reason is sent only when it accepts messages again.
    fn lose_sight(&mut self, c: usize) {
        self.places.values_mut().filter(|place| place.link == c).for_each(|it| it.rooms.clear());
    }

    /// Checks what other clients were told.
    fn check(&self, message: &Message) -> Verdict {
        #[allow(clippy::wildcard_enum_match_arm, reason = "others say nothing about users")]
        match message {
            // In one event, one connection may leave for good and another arrive.
            Message::MemberLeft { room, user }
                if self.there.contains(&(user.clone(), room.clone())) =>
            {
                let here = self
                    .places
                    .iter()
                    .find(|((whose, _), place)| whose == user && place.is_in(room, self.clock));
                here.map_or(Ok(()), |here| {
                    Err(format!("{message:?} is heard, and it is: {here:?}"))
                })
            }
            Message::MemberJoined { room, user }
                if self.there.contains(&(user.clone(), room.clone())) =>
            {
                Err(format!("{message:?} is heard, and it was there"))
            }
            _ => Ok(()),
        }
    }
}

impl Observer for Blips {
    fn before(&mut self, scene: Scene<'_>, fed: &Fed<'_>) {
        self.clock = self.clock.max(fed.now);
        self.follow(&scene.facts.setup.0.limits, fed.event, fed.target);
        self.there = self.who_is_there();
        let is_late = |c| scene.view(c).is_some_and(|view| view.waiting().0 > 0);
        self.late = (0..scene.facts.made.len()).map(is_late).collect();
    }

    fn actions(&mut self, facts: &Facts, _fed: &Fed<'_>, actions: &[Action<'_>]) -> Verdict {
        for action in actions {
            let c = subject(action).and_then(|id| facts.number(&id));
            self.see(facts.setup.0.recovery.session_window, action, c);
        }
        Ok(())
    }

    fn after(&mut self, scene: Scene<'_>, fed: &Fed<'_>) -> Verdict {
        let (facts, admitted_before) = (scene.facts, self.late.len());
        for c in admitted_before..facts.made.len() {
            if let Some(view) = scene.view(c) {
                let who = (view.user().clone(), view.session());
                self.accepted(&facts.setup.0.limits, c, who);
            }
        }
        for c in 0..facts.made.len() {
            if scene.view(c).is_some_and(|view| view.is_closing() && view.is_blocked()) {
                self.lose_sight(c);
            }
        }
        for (c, heard) in facts.heard_since(fed) {
            if let Heard::Message(message) = heard
                && !self.late.get(*c).is_some_and(|late| *late)
            {
                self.check(message)?;
            }
        }
        Ok(())
    }
}

/// Returns the connection that an action is about, if it affects a client's rooms.
fn subject(action: &Action<'_>) -> Option<ConnectionId> {
    #[allow(clippy::wildcard_enum_match_arm, reason = "others are about none, or several")]
    match action {
        Action::Do(Operation::Close { connection, .. })
        | Action::Tell(Output::Closed { connection, .. })
        | Action::Tell(Output::Notice(Notice::Joined { connection, .. })) => Some(*connection),
        _ => None,
    }
}
