//! The hub and the model side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use switchboard_core::{Event, Message, Timestamp};

use super::{Fed, Observer, Scene, Verdict};
use crate::apply::apply;
use crate::drive;
use crate::hear::{Heard, Lives, Stream, item};
use crate::model::Model;
use crate::seats::{Item, Phase, Said, Seat};
use crate::setup::Setup;

/// The model, and what the hub still owes to each connection according to it.
#[derive(Debug)]
pub(super) struct Lockstep {
    model: Model,
    lives: Lives,
    streams: BTreeMap<usize, Stream>,
    blocked: BTreeSet<usize>,
    stale: u64,
    last_ping: BTreeMap<usize, (u64, Timestamp)>,
    /// The probe of this step, if any.
    probes: bool,
    writable: Option<usize>,
}

impl Lockstep {
    /// Makes a model without connections.
    pub(super) fn new(setup: Setup) -> Self {
        Self {
            model: Model::new(setup),
            lives: Lives::new(),
            streams: BTreeMap::new(),
            blocked: BTreeSet::new(),
            stale: 0,
            last_ping: BTreeMap::new(),
            probes: false,
            writable: None,
        }
    }

    /// Whether an outbox overflows depends on bytes, which the model does not count: it trusts the
    /// hub on that, if an overflow is possible, and checks that what waits is within its bounds.
    fn follow_overflows(&mut self, heard: &[(usize, Heard)], is_last: bool) -> Verdict {
        let limits = self.model.setup.0.limits.clone();
        for (c, heard) in heard {
            let phase = self.model.seats.get(c).map(|seat| seat.phase.clone());
            let other = match phase {
                Some(Phase::Open) => None,
                Some(Phase::Closing(other)) if other != "slow_consumer" => Some(other),
                Some(Phase::Reserved | Phase::Closing(_)) | None => continue,
            };
            if *heard != Heard::Close("slow_consumer") || self.is_cut_off(self.model.now) {
                continue;
            }
            let new =
                self.model.said.iter().filter(|said| matches!(said, Said::To(to, _) if to == c));
            let waiting = self.streams.get(c).map_or(0, |stream| stream.waiting().1) + new.count();
            // What the model did not count, because it ended the connection for another reason
            // first, may have been too much.
            let may = other.is_some()
                || waiting > limits.outbox_messages
                || waiting * 400 > limits.outbox_bytes;
            if !may && !is_last {
                continue;
            }
            if !self.blocked.contains(c) || !may {
                return Err(format!("c{c} is closed as slow, and {waiting} wait for it"));
            }
            if let Some(other) = other {
                // There were two reasons in one step; the first one counts, and the model does not
                // know which that is.
                let close = |reason| Said::To(*c, Item::Text(format!("close {reason}")));
                let said = self.model.said.iter_mut().find(|said| **said == close(other));
                let said = said.ok_or_else(|| format!("c{c} was closed as {other} before"))?;
                *said = close("slow_consumer");
                if let Some(seat) = self.model.seats.get_mut(c) {
                    seat.phase = Phase::Closing("slow_consumer");
                }
            }
            self.model.close(*c, "slow_consumer");
            self.model.end_probes(false);
            if let Some(stream) = self.streams.get_mut(c) {
                stream.give_up();
            }
        }
        Ok(())
    }

    fn take_pings(&mut self, scene: Scene<'_>) -> Verdict {
        let heartbeat = self.model.setup.0.heartbeat.clone();
        for (c, heard) in &scene.facts.step.heard {
            let nonce = match heard {
                Heard::Ping(nonce) | Heard::Message(Message::HealthPing { timestamp: nonce }) => {
                    *nonce
                }
                Heard::Message(_) | Heard::Close(_) => continue,
            };
            if self.probes
                && let Some(probe) = self.model.probes.last_mut()
                && let Some(asked) = probe.asked.get_mut(c)
                && (asked.0 == 0 || asked.0 == nonce)
            {
                asked.0 = nonce;
                continue;
            }
            // A connection that ends in this step may have been pinged before.
            let open = |seat: &&mut Seat| seat.phase == Phase::Open;
            let Some(seat) = self.model.seats.get_mut(c).filter(open) else { continue };
            if seat.ping == Some(nonce) {
                continue;
            }
            seat.ping = Some(nonce);
            seat.asked = seat.asked.filter(|&at| at >= seat.last_seen).or(Some(scene.facts.now));
            let (count, at) = self.last_ping.entry(*c).or_insert((0, seat.since));
            let earliest = seat.since + heartbeat.interval / 2 + heartbeat.interval * *count as u32;
            if heartbeat.interval == Duration::ZERO || scene.facts.now < earliest {
                return Err(format!("c{c} is pinged before {earliest:?}"));
            }
            (*count, *at) = (*count + 1, scene.facts.now);
        }
        for (c, seat) in &self.model.seats {
            let last = self.last_ping.get(c).map_or(seat.since, |(_, at)| *at);
            if heartbeat.interval != Duration::ZERO
                && seat.phase == Phase::Open
                && scene.view(*c).is_some_and(|view| view.is_open())
                && scene.facts.now >= last + heartbeat.interval
            {
                return Err(format!("c{c} was not pinged since {last:?}"));
            }
        }
        Ok(())
    }

    fn is_cut_off(&self, now: Timestamp) -> bool {
        self.model.drained_by.is_some_and(|by| now >= by)
    }

    fn compare_said(&self, scene: Scene<'_>) -> Verdict {
        let now = |said: &Said| match said {
            Said::Now(what) => Some(what.clone()),
            Said::To(..) => None,
        };
        let mut expected: Vec<String> = self.model.said.iter().filter_map(now).collect();
        let mut said = scene.facts.step.said.clone();
        if self.is_cut_off(scene.facts.now) {
            // Every connection is closed. Of several passed deadlines, any may have been checked
            // first.
            for said in expected.iter_mut().chain(&mut said) {
                if said.starts_with("closed ") {
                    said.truncate(said.rfind(':').unwrap_or(said.len()));
                }
            }
        }
        expected.sort();
        said.sort();
        if expected == said {
            Ok(())
        } else {
            Err(format!("the hub says {said:?}, the model {expected:?}"))
        }
    }

    fn compare_streams(&mut self, scene: Scene<'_>) -> Verdict {
        let mut groups: BTreeMap<usize, Vec<Item>> = BTreeMap::new();
        for said in self.model.said.drain(..) {
            if let Said::To(c, item) = said {
                groups.entry(c).or_default().push(item);
            }
        }
        for (c, group) in groups {
            let is_close =
                |item: &Item| matches!(item, Item::Text(text) if text.starts_with("close "));
            let (close, rest): (Vec<_>, Vec<_>) = group.into_iter().partition(is_close);
            let stream = self.streams.entry(c).or_default();
            stream.owe(rest, !close.is_empty());
            stream.owe(close, false);
        }
        if self.is_cut_off(scene.facts.now) {
            self.streams.clear();
            self.blocked.clear();
            return Ok(());
        }
        let mut writes = 0;
        for (c, heard) in &scene.facts.step.heard {
            let stream = self.streams.entry(*c).or_default();
            writes += usize::from(self.writable == Some(*c));
            let result = match heard {
                Heard::Ping(_) => Ok(()),
                Heard::Message(Message::Gap { since, position, dropped, .. }) => {
                    stream.gap(*since, *position, *dropped, &self.lives)
                }
                Heard::Message(message) => {
                    item(message, &self.lives).map_or(Ok(()), |item| stream.hear(&item))
                }
                Heard::Close(reason) => stream.hear(&Item::Text(format!("close {reason}"))),
            };
            result.map_err(|why| format!("c{c} {why}"))?;
        }
        for (c, stream) in &mut self.streams {
            let Some(view) = scene.view(*c) else {
                *stream = Stream::default();
                continue;
            };
            let is_released = self.writable == Some(*c) && !view.is_blocked();
            let is_given_up = view.is_closing() && !view.is_blocked();
            if is_released || is_given_up {
                self.blocked.remove(c);
            }
            if view.is_blocked() != self.blocked.contains(c) {
                return Err(format!("c{c} is blocked: {}", view.is_blocked()));
            }
            if !view.is_blocked() {
                stream.settle().map_err(|why| format!("c{c} {why}"))?;
            } else if self.writable == Some(*c) && writes == 0 {
                return Err(format!("c{c} is writable, and gets nothing of what waits"));
            } else if stream.waiting().0 > self.model.setup.0.limits.outbox_messages + 1 {
                return Err(format!("{:?} wait for c{c}", stream.waiting()));
            }
        }
        self.blocked.retain(|c| scene.view(*c).is_some());
        Ok(())
    }

    fn compare_tables(&self, scene: Scene<'_>) -> Verdict {
        let (hub, model, stats) = (scene.hub, &self.model, scene.hub.stats());
        let same = |what: &str, hub: &dyn std::fmt::Debug, model: &dyn std::fmt::Debug| {
            let (hub, model) = (format!("{hub:?}"), format!("{model:?}"));
            if hub == model { Ok(()) } else { Err(format!("{what}: hub {hub}, model {model}")) }
        };
        let count = |fits: fn(&Phase) -> bool| {
            model.seats.values().filter(|seat| fits(&seat.phase)).count()
        };
        let phases = (
            count(|phase| *phase == Phase::Reserved),
            count(|phase| *phase == Phase::Open),
            count(|phase| matches!(phase, Phase::Closing(_))),
        );
        same("phases", &(stats.reserved, stats.connections, stats.closing), &phases)?;
        same("stale events", &stats.stale_events, &self.stale)?;
        same("rooms", &stats.rooms, &model.rooms.len())?;
        same("blocked", &stats.blocked, &self.blocked.len())?;
        for (c, id) in scene.facts.made.iter().enumerate() {
            let view = hub.connection(*id);
            let shown = view.map(|view| {
                let rooms: BTreeSet<String> = view.rooms().map(ToString::to_string).collect();
                (view.is_open(), view.is_closing(), rooms, view.since())
            });
            let known = model.seats.get(&c).map(|seat| {
                let since = if matches!(seat.phase, Phase::Closing(_)) {
                    view.map_or(seat.since, |view| view.since())
                } else {
                    seat.since
                };
                (
                    seat.phase == Phase::Open,
                    !matches!(seat.phase, Phase::Open | Phase::Reserved),
                    seat.rooms.clone(),
                    since,
                )
            });
            same(&format!("c{c}"), &shown, &known)?;
            let seen = |_: &()| view.filter(|view| view.is_open()).map(|view| view.last_seen());
            let known = model.seats.get(&c).filter(|seat| seat.phase == Phase::Open);
            same("last seen", &seen(&()), &known.map(|seat| seat.last_seen))?;
        }
        for (name, room) in &model.rooms {
            let view = hub.room(name).ok_or_else(|| format!("the hub does not know {name}"))?;
            let number =
                |id| scene.facts.made.iter().position(|made| made == id).unwrap_or(usize::MAX);
            let members: BTreeSet<usize> = view.members().iter().map(number).collect();
            let users: Vec<String> = view.users().iter().map(ToString::to_string).collect();
            let at = view.position();
            let life = self.lives.get(&at.epoch.0).copied().unwrap_or(0);
            let shown = (members, view.seats(), users, at.offset, life);
            let members: BTreeSet<usize> = model.members(name).into_iter().collect();
            let users: Vec<String> = model.users_in(name).into_iter().collect();
            let known = (members, model.seats_in(name).len(), users, room.offset, room.life);
            same(name, &shown, &known)?;
        }
        for user in (0..4).map(crate::ops::user_name) {
            let number =
                |id| scene.facts.made.iter().position(|made| made == id).unwrap_or(usize::MAX);
            let shown = hub
                .user(&user)
                .map_or_else(BTreeSet::new, |view| view.connections().iter().map(number).collect());
            same(&user, &shown, &model.of_user(&user).into_iter().collect::<BTreeSet<_>>())?;
        }
        Ok(())
    }
}

impl Observer for Lockstep {
    /// Applies an event to the model. The effects of a tick are computed when the hub has settled.
    fn before(&mut self, scene: Scene<'_>, fed: &Fed<'_>) {
        let (event, target) = (fed.event, fed.target);
        self.model.now = self.model.now.max(fed.now);
        if matches!(event, Event::Tick) {
            return;
        }
        if target.is_some_and(|c| !self.model.seats.contains_key(&c)) {
            self.stale += 1;
        }
        if let (Event::Blocked { .. }, Some(c)) = (event, target)
            && self.model.is_open(c)
        {
            self.blocked.insert(c);
        }
        self.writable = target.filter(|_| matches!(event, Event::Writable { .. }));
        let before = self.model.probes.len();
        let except = drive::except(event).and_then(|id| scene.facts.number(&id));
        apply(&mut self.model, event, target.or(except));
        self.probes = self.model.probes.len() > before;
    }

    /// A room can be made by an event and be dropped after the tick that follows, and an outbox
    /// that overflowed did so at the event's time.
    fn after(&mut self, scene: Scene<'_>, _fed: &Fed<'_>) -> Verdict {
        for (name, room) in &self.model.rooms {
            if let Some(view) = scene.hub.room(name) {
                self.lives.entry(view.position().epoch.0).or_insert(room.life);
            }
        }
        self.follow_overflows(&scene.facts.step.heard, false)
    }

    /// Checks that the same things were said, and that the same users are there.
    fn settled(&mut self, scene: Scene<'_>, is_idle: bool) -> Verdict {
        if is_idle {
            (self.probes, self.writable) = (false, None);
        }
        self.take_pings(scene)?;
        // The hub was told this time only if it had asked for a tick; if not, nothing may be due.
        let told = self.model.now;
        self.model.now = told.max(scene.facts.now);
        self.model.tick();
        self.model.end_probes(true);
        self.model.finish();
        self.follow_overflows(&scene.facts.step.heard, true)?;
        self.model.now = told;
        self.compare_said(scene)?;
        self.compare_streams(scene)?;
        self.compare_tables(scene)
    }
}
