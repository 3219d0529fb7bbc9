//! The rules. Everything here is seen from outside: what was accepted, what arrived, who was told
//! what.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use switchboard_core::client::Joined;
use switchboard_core::{History, Position, Publication, RoomName, Timestamp};

use crate::person::mark;
use crate::plan::Plan;

/// A broken rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The broken rule, in words.
    pub rule: &'static str,
    /// What broke it.
    pub what: String,
}

/// `Ok` if the rules hold.
pub(crate) type Verdict = Result<(), Violation>;

/// Checks one rule.
pub(crate) fn rule(rule: &'static str, holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Violation { rule, what: what() }) }
}

/// A client between two calls of `stop`, by person and incarnation.
pub(crate) type Who = (usize, u64);

/// A publication that a server accepted into a room.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The message's id, if it had one.
    pub(crate) id: Option<String>,
    pub(crate) payload: String,
    /// The client that must not receive it.
    pub(crate) excluded: Option<Who>,
    /// When it was accepted, on the clock of the server's node.
    pub(crate) at: Timestamp,
    /// And by its wall clock, in milliseconds since the Unix epoch.
    pub(crate) wall_ms: u64,
}

/// All that servers accepted, by room and epoch.
#[derive(Default, Debug)]
pub(crate) struct Ledger {
    logs: BTreeMap<(RoomName, u64), Vec<Entry>>,
    /// By the server's life and the message's mark.
    accepted: HashMap<(u64, String), Position>,
    handled: BTreeSet<(u64, String)>,
    /// What was accepted into empty rooms that were dropped immediately.
    given_up: BTreeSet<String>,
    /// The number of messages in the logs.
    pub(crate) published: u64,
}

impl Ledger {
    /// Records a publication and its number.
    ///
    /// # Errors
    /// When numbers have holes, or a message is published twice.
    pub(crate) fn publish(
        &mut self,
        life: u64,
        room: &RoomName,
        at: Position,
        entry: Entry,
    ) -> Verdict {
        let log = self.logs.entry((room.clone(), at.epoch.0)).or_default();
        rule("numbers have no holes", log.len() as u64 + 1 == at.offset, || {
            format!("{room} has {} publications, and the next is {at}", log.len())
        })?;
        let mark = mark(&entry.payload);
        let before = self.accepted.insert((life, mark.to_owned()), at);
        rule("published once", before.is_none(), || {
            format!("{mark:?} is in {room} as {at}, and was at {before:?}")
        })?;
        self.published += 1;
        log.push(entry);
        Ok(())
    }

    /// Records a publication in a room that no longer exists.
    pub(crate) fn give_up(&mut self, payload: &str) {
        self.given_up.insert(mark(payload).to_owned());
    }

    /// Records a call of a handler.
    ///
    /// # Errors
    /// When it has already been called for this message.
    pub(crate) fn handle(&mut self, life: u64, mark: &str) -> Verdict {
        rule("handled once", self.handled.insert((life, mark.to_owned())), || {
            format!("{mark:?} is handled again")
        })
    }

    /// Checks a client that is told that its message was published there.
    ///
    /// # Errors
    /// When it was not.
    pub(crate) fn acknowledged(&self, room: &RoomName, said: &str, at: Position) -> Verdict {
        let there = self.entry(room, at).map(|entry| mark(&entry.payload));
        let given_up = there.is_none() && self.given_up.contains(said);
        rule("acknowledged is published", there == Some(said) || given_up, || {
            format!("{said:?} was acknowledged as {at} of {room}, where {there:?} is")
        })
    }

    /// Checks a client that is told that its message was refused.
    ///
    /// # Errors
    /// When that server published it.
    pub(crate) fn refused(&self, life: u64, said: &str) -> Verdict {
        let at = self.accepted.get(&(life, said.to_owned()));
        rule("refused is not published", at.is_none(), || {
            format!("{said:?} was refused, and published as {at:?}")
        })
    }

    fn entry(&self, room: &RoomName, at: Position) -> Option<&Entry> {
        let log = self.logs.get(&(room.clone(), at.epoch.0))?;
        log.get(usize::try_from(at.offset.checked_sub(1)?).ok()?)
    }
}

#[derive(Debug)]
struct OpenGap {
    since: u64,
    position: u64,
    dropped: u64,
}

/// What a client has been told about one room, and what it must be told next.
#[derive(Default, Debug)]
pub(crate) struct Stream {
    pub(crate) is_in: bool,
    /// Whether it was in the room before and has not left since: the stream continues.
    pub(crate) goes_on: bool,
    /// The position that it claimed when it asked for the room.
    pub(crate) asked: Option<Position>,
    /// The last position that it was told.
    pub(crate) at: Option<Position>,
    gaps: Vec<OpenGap>,
    /// A refresh is due, because the stream broke after this position.
    broken_after: Option<Position>,
    /// The members that it was told of, kept up to date with joins and leaves.
    pub(crate) members: Option<BTreeSet<String>>,
    /// How often it was told that something is missing.
    pub(crate) refreshed: u64,
}

impl Stream {
    /// Ends the stream: the room was left, or dropped.
    pub(crate) fn leave(&mut self) {
        let (at, refreshed) = (self.at, self.refreshed);
        *self = Self { at, refreshed, ..Self::default() };
    }

    /// Ends the connection.
    pub(crate) fn disconnected(&mut self) {
        self.is_in = false;
        self.members = None;
    }

    /// Enters the room.
    pub(crate) fn joined(&mut self, joined: &Joined, world: &View<'_>) -> Verdict {
        let Joined { position, recovered } = *joined;
        if std::mem::replace(&mut self.is_in, true) {
            return Ok(());
        }
        self.members = None;
        let asked = self.asked.take();
        rule(
            "who says where it has been is answered",
            recovered.is_some() || asked.is_none() || world.is_home,
            || {
                format!(
                    "{} was asked for after {asked:?}, and is entered at {position}",
                    world.room
                )
            },
        )?;
        if recovered == Some(true) {
            // It was told of a break, lost the connection before the refresh, and is back where it
            // was: nothing is broken.
            self.at = self.broken_after.take().or(self.at);
        }
        match (recovered, self.at) {
            // A promise to continue must be kept.
            (Some(true), Some(at)) => {
                rule("a stream goes on where it was", at.epoch == position.epoch, || {
                    format!("{} was at {at}, and recovered at {position}", world.room)
                })?;
                self.pass(position.offset, world)?;
            }
            (None, Some(at)) if self.goes_on => {
                rule("a stream goes on where it was", at.epoch == position.epoch, || {
                    format!("{} was at {at}, and is entered at {position}", world.room)
                })?;
                self.pass(position.offset, world)?;
            }
            (Some(false), at) => {
                self.broken_after = self.broken_after.or(at).or(Some(position));
                self.gaps.clear();
            }
            (Some(true), None) | (None, _) => self.gaps.clear(),
        }
        self.at = Some(position);
        self.goes_on = true;
        Ok(())
    }

    pub(crate) fn publication(&mut self, got: &Publication, world: &View<'_>) -> Verdict {
        let (room, position) = (world.room, got.position);
        self.is_whole("a publication", room)?;
        let at = self.at.filter(|at| at.epoch == position.epoch && at.offset < position.offset);
        rule("in order, without repeats", at.is_some(), || {
            format!("{room} was at {:?}, and {position} comes", self.at)
        })?;
        self.pass(position.offset - 1, world)?;
        self.at = Some(position);
        let entry = world.ledger.entry(room, position);
        let payload = got.payload.read::<Box<serde_json::value::RawValue>>();
        let payload = payload.map(|raw| raw.get().to_owned()).unwrap_or_default();
        let id = got.id.as_ref().map(|id| id.as_str());
        let same = entry.is_some_and(|e| e.payload == payload && e.id.as_deref() == id);
        // A wall clock is followed that closely.
        let is_in_time = entry.is_some_and(|entry| entry.wall_ms.abs_diff(got.unix_ms) <= 50);
        rule("a message has the time of day", is_in_time, || {
            format!("{room} {position} says {}, and was {entry:?}", got.unix_ms)
        })?;
        rule("what arrives is what was accepted", same, || {
            format!("{room} {position} is {id:?} {payload:.40}, and was {entry:?}")
        })?;
        let excluded = entry.and_then(|entry| entry.excluded);
        rule("no echo where there is none", excluded != Some(world.who), || {
            format!("{room} {position} comes back to its sender")
        })
    }

    pub(crate) fn gap(&mut self, since: Position, position: Position, dropped: u64) -> Verdict {
        let at = self.at.filter(|at| at.epoch == position.epoch && at.epoch == since.epoch);
        rule("a gap fits its stream", at.is_some() && since.offset < position.offset, || {
            format!("{:?} and then a gap from {since} to {position}", self.at)
        })?;
        self.gaps.push(OpenGap { since: since.offset, position: position.offset, dropped });
        Ok(())
    }

    pub(crate) fn refresh(
        &mut self,
        position: Position,
        reason: &str,
        state: Option<u64>,
        world: &View<'_>,
    ) -> Verdict {
        let room = world.room;
        let after = self.broken_after.take();
        if after.is_none() && world.is_home {
            // The address and then `resume` claimed a position, and both were answered. That must
            // not lose anything.
            return self.pass(position.offset, world);
        }
        rule("a refresh only where a stream is broken", after.is_some(), || {
            format!("{room} was at {:?}, and a refresh comes: {reason}", self.at)
        })?;
        let justified = match (reason, after) {
            ("unknown_epoch", Some(after)) => after.epoch != position.epoch,
            ("too_old", Some(after)) => {
                let next = Position { offset: after.offset + 1, ..after };
                let next_at = world.ledger.entry(room, next).map(|entry| entry.at);
                let History { events, age, .. } = world.history;
                let too_many = position.offset - after.offset > events as u64;
                too_many || next_at.is_some_and(|at| at + age <= world.now)
            }
            _ => false,
        };
        rule("a refresh only where something is lost", justified, || {
            format!("{room} was at {after:?} and is refreshed at {position}: {reason}")
        })?;
        rule(
            "the state holds what is left out",
            state.is_none_or(|n| n >= position.offset),
            || format!("{room} goes on after {position}, and the state is of {state:?}"),
        )?;
        self.at = Some(position);
        self.gaps.clear();
        self.refreshed += 1;
        Ok(())
    }

    /// Checks that nothing is pending and that everything available has arrived.
    pub(crate) fn complete(&mut self, end: Position, world: &View<'_>) -> Verdict {
        self.is_whole("the end", world.room)?;
        rule("complete", self.at.is_some_and(|at| at.epoch == end.epoch), || {
            format!("{} is at {end}, and the client at {:?}", world.room, self.at)
        })?;
        self.pass(end.offset, world)
    }

    fn is_whole(&self, what: &str, room: &RoomName) -> Verdict {
        rule("a broken stream is refreshed", self.broken_after.is_none(), || {
            format!(
                "{room} broke after {:?}, and {what} comes without a refresh",
                self.broken_after
            )
        })
    }

    /// Checks that everything up to this number has arrived, or that a gap or the sender's own wish
    /// explains why not.
    fn pass(&mut self, offset: u64, world: &View<'_>) -> Verdict {
        let Some(at) = self.at else { return Ok(()) };
        rule("in order, without repeats", at.offset <= offset, || {
            format!("{} was at {at} and goes back to {offset}", world.room)
        })?;
        for missing in at.offset + 1..=offset {
            let entry = world.ledger.entry(world.room, Position { offset: missing, ..at });
            if entry.is_some_and(|entry| entry.excluded == Some(world.who)) {
                continue;
            }
            let gap = self
                .gaps
                .iter_mut()
                .find(|gap| gap.since < missing && missing <= gap.position && gap.dropped > 0);
            let covered = gap.map(|gap| gap.dropped -= 1).is_some();
            rule("complete", covered, || {
                let id = entry.and_then(|entry| entry.id.clone());
                format!("number {missing} of {} ({id:?}) never came", world.room)
            })?;
        }
        self.gaps.retain(|gap| gap.position > offset);
        self.at = Some(Position { offset, ..at });
        Ok(())
    }
}

/// The context for judging a stream.
#[derive(Debug)]
pub(crate) struct View<'a> {
    /// What was accepted.
    pub(crate) ledger: &'a Ledger,
    pub(crate) room: &'a RoomName,
    /// What the room keeps.
    pub(crate) history: History,
    /// The client whose stream it is.
    pub(crate) who: Who,
    /// Whether the room is in the client's address, so that the server may enter the client by
    /// itself.
    pub(crate) is_home: bool,
    /// The latest time that the client's server has read on its clock.
    pub(crate) now: Timestamp,
}

/// Checks what must hold for a hub at every moment.
///
/// # Errors
/// When it does not.
pub(crate) fn hub(hub: &switchboard_core::Hub, plan: &Plan) -> Verdict {
    let stats = hub.stats();
    let seats = stats.connections + stats.reserved + stats.closing + stats.held;
    rule("capacity", !plan.config.limits.max_connections.is_exceeded_by(seats), || {
        format!("{seats} connections")
    })?;
    for (index, name) in plan.rooms.iter().enumerate() {
        let seats = hub.room(name).map_or(0, |room| room.seats());
        rule("capacity", !plan.class(index).max_members.is_exceeded_by(seats), || {
            format!("{seats} seats of {name} are taken")
        })?;
    }
    Ok(())
}
