//! What was published, as the naive model keeps it: everything, forever.

use std::collections::BTreeMap;

use switchboard_core::{
    Command, ConnectionId, Event, Hub, Inbound, Payload, Position, Publication, RoomName,
};

use crate::clients::Who;
use crate::ops::room_name;
use crate::setup::Setup;

/// A publication.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The publication's payload.
    pub payload: Payload,
    /// The time of day at which it was published.
    pub unix_ms: u64,
    /// The client that must not receive it, on any connection.
    pub except: Option<Who>,
}

impl Entry {
    /// Returns whether a client was sent what was published.
    pub fn is(&self, sent: &Publication) -> bool {
        self.payload == sent.payload && self.unix_ms == sent.unix_ms
    }
}

/// All publications of all rooms.
#[derive(Default, Debug)]
pub struct Log {
    entries: BTreeMap<Position, Entry>,
    at: BTreeMap<RoomName, Position>,
}

/// What an event would publish, if anything.
#[derive(Default, Debug)]
pub struct Draft {
    payload: Option<Payload>,
    unix_ms: u64,
    /// The sender, excluded only by rooms without echo or by the application.
    sender: Option<Who>,
    except: Option<Who>,
}

impl Draft {
    /// Inspects an event before the hub receives it, at this time of day.
    pub fn of(event: &Event, hub: &Hub, unix_ms: u64) -> Self {
        let session = |id: &ConnectionId| {
            hub.connection(*id).map(|view| (view.user().clone(), view.session()))
        };
        let (mut payload, mut sender, mut except) = (None, None, None);
        if let Event::Received { connection, inbound: Inbound::Application(request), .. } = event {
            (payload, sender) = (Some(request.payload.clone()), session(connection));
        }
        if let Event::Command {
            command: Command::Publish { payload: it, except: who, .. }, ..
        } = event
        {
            (payload, except) = (Some(it.clone()), who.as_ref().and_then(session));
        }
        Self { payload, unix_ms, sender, except }
    }
}

impl Log {
    /// Checks after an event that at most one number was given, and to a publication.
    pub fn record(&mut self, draft: &Draft, hub: &Hub, setup: &Setup) -> Result<(), String> {
        let mut given = 0;
        for name in (0..3).map(room_name) {
            let Some((view, room)) = hub.room(&name).zip(RoomName::new(&name).ok()) else {
                self.at.retain(|room, _| **room != *name);
                continue;
            };
            let now = view.position();
            let before = self.at.insert(room, now).filter(|before| before.epoch == now.epoch);
            let new = now.offset.checked_sub(before.map_or(0, |before| before.offset));
            match (new, &draft.payload) {
                (Some(0), _) => {}
                (Some(1), Some(payload)) => {
                    let silent = draft.sender.clone().filter(|_| !setup.class(&name).echo);
                    let except = draft.except.clone().or(silent);
                    let (payload, unix_ms) = (payload.clone(), draft.unix_ms);
                    let entry = Entry { payload, unix_ms, except };
                    self.entries.insert(now, entry);
                    given += 1;
                }
                _ => return Err(format!("{name} goes from {before:?} to {now}")),
            }
        }
        if given > 1 { Err(format!("one message has {given} numbers")) } else { Ok(()) }
    }

    /// Returns the publication at this position.
    pub fn get(&self, position: Position) -> Option<&Entry> {
        self.entries.get(&position)
    }

    /// Returns a room's position.
    pub fn at(&self, room: &str) -> Option<Position> {
        self.at.iter().find(|(name, _)| ***name == *room).map(|(_, at)| *at)
    }

    /// Returns the publications between two positions that were meant for this client.
    pub fn between(&self, after: Position, until: Position, who: &Who) -> Vec<Position> {
        let range = after..=Position { epoch: after.epoch, offset: until.offset.max(after.offset) };
        let meant = self.entries.range(range).skip_while(|(at, _)| **at == after);
        let meant = meant.filter(|(_, entry)| entry.except.as_ref() != Some(who));
        meant.map(|(at, _)| *at).collect()
    }
}
