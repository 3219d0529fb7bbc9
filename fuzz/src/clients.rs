//! Clients as `docs/client-machine.md` describes them: each keeps its positions across connections,
//! and reconnects with them. Its streams must continue exactly there.

use std::collections::{BTreeMap, BTreeSet};

use switchboard_core::{
    Beginning, Epoch, Hub, Message, Position, Publication, RoomName, Session, UserName,
};

use crate::log::Log;
use crate::ops::{Come, Since, room_name};

/// A client, across all its connections.
#[derive(Debug)]
struct Client {
    /// Its current connection; it ignores all others.
    link: usize,
    rooms: BTreeMap<RoomName, Position>,
    /// The previous position for each message of this connection that moved one.
    undo: Vec<(RoomName, Option<Position>)>,
}

/// A connection as the other side sees it.
#[derive(Debug)]
struct Link {
    who: Who,
    is_lost: bool,
    streams: BTreeMap<RoomName, Stream>,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    at: Position,
    /// The client was told that it missed something; a `refresh` with the new position is due.
    refresh_due: bool,
}

/// A session is valid only for its user, so both identify a client.
pub type Who = (UserName, Session);

/// All clients.
#[derive(Default, Debug)]
pub struct Clients {
    /// Another user's session of the same number is a different one.
    clients: BTreeMap<Who, Client>,
    links: BTreeMap<usize, Link>,
    /// The positions that connections claimed.
    asked: BTreeMap<usize, BTreeSet<(RoomName, Position)>>,
    /// For each position claimed in this event: whether the room keeps everything after it.
    answers: BTreeMap<(usize, RoomName), bool>,
}

impl Clients {
    /// Returns the session that a connecting client presents.
    pub fn session(&self, user: &str, come: Come) -> Option<Session> {
        match come {
            Come::New => None,
            Come::Back(back) => {
                let mine = self.clients.iter().filter(|((it, _), _)| **it == *user);
                let mine = mine.filter(|(_, client)| back > 0 || self.is_lost(client.link));
                mine.max_by_key(|(_, client)| client.link).map(|((_, session), _)| *session)
            }
            Come::Stolen(at) => {
                let clients = self.clients.keys();
                clients.map(|(_, it)| *it).nth(usize::from(at) % self.clients.len().max(1))
            }
            Come::Forged => "00000000deadbeef".parse().ok(),
        }
    }

    /// Returns the last connection of a session.
    pub fn link_of(&self, who: &Who) -> Option<usize> {
        self.clients.get(who).map(|client| client.link)
    }

    /// Returns the session that a connection was told.
    pub fn who(&self, c: usize) -> Option<&Who> {
        self.links.get(&c).map(|link| &link.who)
    }

    /// Returns the position that a client claims in a room.
    pub fn since(
        &self,
        who: Option<&Who>,
        room: &str,
        since: Since,
        log: &Log,
    ) -> Option<Position> {
        let kept = who.and_then(|who| self.clients.get(who)).and_then(|client| {
            client.rooms.iter().find(|(name, _)| ***name == *room).map(|(_, at)| *at)
        });
        let now = log.at(room);
        match since {
            Since::Nothing => None,
            Since::Kept => kept,
            Since::Behind(by) => kept
                .or(now)
                .map(|at| Position { offset: at.offset.saturating_sub(u64::from(by) + 1), ..at }),
            Since::OtherRoom => {
                (0..3).map(room_name).filter(|it| it != room).find_map(|it| log.at(&it))
            }
            Since::Future => now.map(|at| Position { offset: at.offset + 1, ..at }),
            Since::Forged => Some(Position { epoch: Epoch(7), offset: 1 }),
        }
    }

    /// Returns the rooms that a client wants to be in.
    pub fn wanted(&self, c: usize) -> Vec<RoomName> {
        let client = self.links.get(&c).and_then(|link| self.clients.get(&link.who));
        client.map_or_else(Vec::new, |client| client.rooms.keys().cloned().collect())
    }

    /// Returns the sessions without a connection.
    pub fn lost(&self) -> Vec<Who> {
        let lost = self.clients.iter().filter(|(_, client)| self.is_lost(client.link));
        lost.map(|(who, _)| who.clone()).collect()
    }

    fn is_lost(&self, c: usize) -> bool {
        self.links.get(&c).is_none_or(|link| link.is_lost)
    }

    /// Records that a connection is about to claim a position.
    pub fn asks(&mut self, c: usize, room: &RoomName, since: Position, hub: &Hub, is_late: bool) {
        self.asked.entry(c).or_default().insert((room.clone(), since));
        if is_late {
            return;
        }
        let is_kept = hub.room(room).is_some_and(|view| {
            let (at, kept) = (view.position(), view.kept().0 as u64);
            let first_missed = since.offset.saturating_add(1);
            since.epoch == at.epoch
                && (since.offset == at.offset
                    || since.offset < at.offset && first_missed + kept > at.offset)
        });
        self.answers.entry((c, room.clone())).or_insert(is_kept);
    }

    /// Ends an event.
    pub fn answered(&mut self) {
        self.answers.clear();
    }

    /// Ends a connection, which is lost or was replaced by the client; the last `torn` messages did
    /// not arrive.
    pub fn ends(&mut self, c: usize, torn: u8) {
        let Some(link) = self.links.get_mut(&c) else { return };
        link.is_lost = true;
        let Some(client) = self.clients.get_mut(&link.who) else { return };
        if client.link == c {
            for _ in 0..torn {
                match client.undo.pop() {
                    Some((room, Some(at))) => client.rooms.insert(room, at),
                    Some((room, None)) => client.rooms.remove(&room),
                    None => break,
                };
            }
            client.undo.clear();
        }
    }

    /// Handles a message that arrived.
    pub fn hear(&mut self, c: usize, message: &Message, log: &Log) -> Result<(), String> {
        #[allow(clippy::wildcard_enum_match_arm, reason = "others say nothing about a stream")]
        match message {
            Message::Connected(welcome) => {
                let (who, streams) = ((welcome.user.clone(), welcome.session), BTreeMap::new());
                self.links.insert(c, Link { who: who.clone(), is_lost: false, streams });
                let new = Client { link: c, rooms: BTreeMap::new(), undo: Vec::new() };
                let client = self.clients.entry(who).or_insert(new);
                client.undo.clear();
                client.link = c;
                for (room, beginning) in &welcome.rooms {
                    self.begin(c, room, *beginning, log)?;
                }
            }
            Message::Joined { room, beginning, .. } => self.begin(c, room, *beginning, log)?,
            Message::Left { room, .. } => {
                self.link(c)?.streams.remove(room);
                self.keep(c, room, None);
            }
            Message::Publication(it) => self.publication(c, it, log)?,
            Message::History { events, .. } => {
                for it in events {
                    if !log.get(it.position).is_some_and(|entry| entry.is(it)) {
                        return Err(format!("is shown {it:?}, which was not published"));
                    }
                }
            }
            Message::Gap { room, since, position, dropped } => {
                let who = self.link(c)?.who.clone();
                let left_out = log.between(*since, *position, &who).len() as u64;
                let spans = position.offset.saturating_sub(since.offset);
                if since.epoch != position.epoch || *dropped < left_out.max(1) || *dropped > spans {
                    return Err(format!("hears of a gap {message:?} of {left_out}"));
                }
                self.advance(c, room, *since, log)?;
                self.go_on(c, room, *position)?;
            }
            Message::Refresh { room, position, .. } => {
                let stream = self.stream(c, room)?;
                if !std::mem::take(&mut stream.refresh_due) {
                    return Err(format!("is refreshed in {room} without a reason"));
                }
                self.go_on(c, room, *position)?;
            }
            Message::Ack { position: Some(own), .. } => {
                // The client's own publication, where there is no echo.
                let streams = &self.link(c)?.streams;
                let next = streams
                    .iter()
                    .find(|(_, it)| it.at.epoch == own.epoch && it.at.offset + 1 == own.offset);
                if let Some((room, _)) = next {
                    let room = room.clone();
                    self.go_on(c, &room, *own)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, c: usize, room: &RoomName, to: Beginning, log: &Log) -> Result<(), String> {
        let has_stream = self.link(c)?.streams.contains_key(room);
        match to.recovered {
            None if has_stream => self.advance(c, room, to.position, log)?,
            Some(true)
                if !self
                    .asked
                    .get(&c)
                    .is_some_and(|asked| asked.contains(&(room.clone(), to.position))) =>
            {
                return Err(format!("recovers {room} from {}, where it had not been", to.position));
            }
            None | Some(_) => {}
        }
        if let (Some(said), Some(is_kept)) =
            (to.recovered, self.answers.get(&(c, room.clone())).copied())
            && said != is_kept
        {
            return Err(format!(
                "recovers {room}: {said}, and all that was missed is kept: {is_kept}"
            ));
        }
        let refresh_due = to.recovered == Some(false);
        self.link(c)?.streams.insert(room.clone(), Stream { at: to.position, refresh_due });
        self.keep(c, room, Some(to.position));
        Ok(())
    }

    fn publication(&mut self, c: usize, it: &Publication, log: &Log) -> Result<(), String> {
        let who = self.link(c)?.who.clone();
        let entry = log.get(it.position).ok_or_else(|| format!("is sent {it:?} out of nothing"))?;
        if !entry.is(it) || entry.except.as_ref() == Some(&who) {
            return Err(format!("is sent {it:?}, which is {entry:?}"));
        }
        let stream = *self.stream(c, &it.room)?;
        if stream.refresh_due {
            return Err(format!("is sent {} before the refresh", it.position));
        }
        if stream.at.epoch == it.position.epoch && it.position.offset <= stream.at.offset {
            return Err(format!("is at {} and is sent {}", stream.at, it.position));
        }
        let before = Position { offset: it.position.offset - 1, ..it.position };
        self.advance(c, &it.room, before, log)?;
        self.go_on(c, &it.room, it.position)
    }

    /// Advances to a position before which everything meant for this client has arrived.
    fn advance(
        &mut self,
        c: usize,
        room: &RoomName,
        to: Position,
        log: &Log,
    ) -> Result<(), String> {
        self.link(c)?.check_told(room, to, log)?;
        self.go_on(c, room, to)
    }

    fn go_on(&mut self, c: usize, room: &RoomName, to: Position) -> Result<(), String> {
        self.stream(c, room)?.at = to;
        self.keep(c, room, Some(to));
        Ok(())
    }

    fn keep(&mut self, c: usize, room: &RoomName, at: Option<Position>) {
        let Some(link) = self.links.get(&c).filter(|link| !link.is_lost) else { return };
        let client = self.clients.get_mut(&link.who).filter(|client| client.link == c);
        let Some(client) = client else { return };
        let before = match at {
            Some(at) => client.rooms.insert(room.clone(), at),
            None => client.rooms.remove(room),
        };
        client.undo.push((room.clone(), before));
    }

    fn link(&mut self, c: usize) -> Result<&mut Link, String> {
        self.links.get_mut(&c).ok_or_else(|| "is not connected".to_owned())
    }

    fn stream(&mut self, c: usize, room: &RoomName) -> Result<&mut Stream, String> {
        let stream = self.link(c)?.streams.get_mut(room);
        stream.ok_or_else(|| format!("is told of {room}, and is not in it"))
    }

    /// Checks that a connection without waiting messages has everything, in every room that it is
    /// in.
    ///
    /// # Errors
    /// Returns what the client was not told.
    pub fn check_complete(&self, c: usize, hub: &Hub, log: &Log) -> Result<(), String> {
        let link = self.links.get(&c).ok_or("is not connected")?;
        for (room, stream) in &link.streams {
            if stream.refresh_due {
                return Err(format!("waits for a refresh of {room}"));
            }
            let view = hub.room(room).ok_or_else(|| format!("is in {room}, which is gone"))?;
            link.check_told(room, view.position(), log)?;
        }
        Ok(())
    }
}

impl Link {
    /// Checks that everything meant for this client has arrived up to a position.
    fn check_told(&self, room: &RoomName, to: Position, log: &Log) -> Result<(), String> {
        let stream = self.streams.get(room);
        let at = stream.ok_or_else(|| format!("is told of {room}, and is not in it"))?.at;
        if at.epoch != to.epoch || at.offset > to.offset {
            return Err(format!("is at {at} in {room} and is told of what follows {to}"));
        }
        match log.between(at, to, &self.who).first() {
            Some(missed) => Err(format!("is at {at} in {room}, and was not told of {missed}")),
            None => Ok(()),
        }
    }
}
