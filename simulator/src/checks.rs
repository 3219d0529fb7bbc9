//! What must be so. Everything here is seen from outside: what was accepted, what arrived, who was told what.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use switchboard_core::client::Joined;
use switchboard_core::{History, Position, Publication, RoomName, Timestamp};

use crate::person::mark;
use crate::plan::Plan;

/// A rule that was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The rule.
    pub rule: &'static str,
    /// By what.
    pub what: String,
}

/// Whether the rules hold.
pub(crate) type Verdict = Result<(), Violation>;

/// Checks one rule.
pub(crate) fn rule(rule: &'static str, holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Violation { rule, what: what() }) }
}

/// A client between two calls of `stop`: what sees itself as one and the same.
pub(crate) type Who = (usize, u64);

/// What a server accepted into a room.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The id, where it had one.
    pub(crate) id: Option<String>,
    /// Its content.
    pub(crate) payload: String,
    /// Who is not to get it.
    pub(crate) excluded: Option<Who>,
    /// When, on the clock of the server's node.
    pub(crate) at: Timestamp,
}

/// All that servers accepted, room by room and epoch by epoch.
#[derive(Default, Debug)]
pub(crate) struct Ledger {
    logs: BTreeMap<(RoomName, u64), Vec<Entry>>,
    /// By the server's life and the message's mark.
    accepted: HashMap<(u64, String), Position>,
    handled: BTreeSet<(u64, String)>,
    /// What was accepted into rooms that nobody was in, and that were given up at once.
    given_up: BTreeSet<String>,
    /// Messages in the logs.
    pub(crate) published: u64,
}

impl Ledger {
    /// A publication has its number.
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

    /// A publication has a number in a room that does not exist any more.
    pub(crate) fn give_up(&mut self, payload: &str) {
        self.given_up.insert(mark(payload).to_owned());
    }

    /// A handler is called.
    ///
    /// # Errors
    /// When it was called for this message before.
    pub(crate) fn handle(&mut self, life: u64, mark: &str) -> Verdict {
        rule("handled once", self.handled.insert((life, mark.to_owned())), || {
            format!("{mark:?} is handled again")
        })
    }

    /// A client is told that its message was published there.
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

    /// A client is told that its message was refused.
    ///
    /// # Errors
    /// When this very server published it.
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
    /// The client is in the room.
    pub(crate) is_in: bool,
    /// It was, and has not left since: it goes on where it was.
    pub(crate) goes_on: bool,
    /// Where it has been, as it told the server when it asked for the room.
    pub(crate) asked: Option<Position>,
    /// The last that it has been told.
    pub(crate) at: Option<Position>,
    gaps: Vec<OpenGap>,
    /// A refresh must come, because the stream broke after this.
    broken_after: Option<Position>,
    /// Who it was told is there, and whom it heard come and go since.
    pub(crate) members: Option<BTreeSet<String>>,
    /// How often it was told that something is missing.
    pub(crate) refreshed: u64,
}

impl Stream {
    /// The room was left, or given up.
    pub(crate) fn leave(&mut self) {
        let (at, refreshed) = (self.at, self.refreshed);
        *self = Self { at, refreshed, ..Self::default() };
    }

    /// The connection is gone.
    pub(crate) fn disconnected(&mut self) {
        self.is_in = false;
        self.members = None;
    }

    /// The client is in the room.
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
            // It was told of a break, lost the connection before the refresh, and is back where it was: nothing is broken.
            self.at = self.broken_after.take().or(self.at);
        }
        match (recovered, self.at) {
            // Where there is a promise to go on, it is kept.
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
            // The address and then `resume` said where it had been, and both were answered. Nothing may be lost by that.
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

    /// Nothing may be waited for, and everything that there is must have come.
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

    /// Everything up to this number has come, or a gap or the sender's own wish says why not.
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

/// What is needed to judge a stream.
#[derive(Debug)]
pub(crate) struct View<'a> {
    /// What was accepted.
    pub(crate) ledger: &'a Ledger,
    /// The room.
    pub(crate) room: &'a RoomName,
    /// What the room keeps.
    pub(crate) history: History,
    /// Whose stream it is.
    pub(crate) who: Who,
    /// The room is in the client's address, so the server may put it in there by itself.
    pub(crate) is_home: bool,
    /// The latest that the server which it is connected to has seen on its clock.
    pub(crate) now: Timestamp,
}

/// What holds for a hub at every moment.
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
