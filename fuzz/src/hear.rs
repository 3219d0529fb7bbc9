//! What a connection receives, in the model's words, and whether it was owed.

use std::collections::{BTreeMap, VecDeque};

use switchboard_core::{Message, MessageId, Position};

use crate::apply::publication_text;
use crate::seats::Item;

/// Epochs are random numbers to the model; this maps each to the life of its room.
pub type Lives = BTreeMap<u64, u64>;

/// Output for one connection.
#[derive(Clone, PartialEq, Debug)]
pub enum Heard {
    /// An encoded message of the protocol.
    Message(Message),
    /// A protocol ping, with its number.
    Ping(u64),
    /// The close, with its reason.
    Close(&'static str),
}

fn named(id: Option<&MessageId>) -> String {
    id.map_or_else(|| "nobody's request".to_owned(), |id| id.to_string())
}

fn place(room: &str, position: Position, lives: &Lives) -> String {
    let life = lives.get(&position.epoch.0).copied().unwrap_or(0);
    format!("{room} life {life} offset {}", position.offset)
}

/// Puts a message in the model's words. Pings and gaps have none: they are checked separately.
pub fn item(message: &Message, lives: &Lives) -> Option<Item> {
    Some(Item::Text(match message {
        Message::Connected(welcome) => {
            let rooms = welcome.rooms.iter().map(|(room, at)| place(room, at.position, lives));
            format!("connected {}", rooms.collect::<Vec<_>>().join(" "))
        }
        Message::Joined { id, room, beginning, members } => {
            let at = place(room, beginning.position, lives);
            format!("joined {at} of {members:?} for {}", named(id.as_ref()))
        }
        Message::Left { id, room } => format!("left {room} for {}", named(id.as_ref())),
        Message::MemberJoined { room, user } => format!("+{user} in {room}"),
        Message::MemberLeft { room, user } => format!("-{user} in {room}"),
        Message::Publication(it) => {
            let life = lives.get(&it.position.epoch.0).copied().unwrap_or(0);
            let (from, key) = (it.from.as_deref(), it.key.as_deref());
            let text = publication_text(&it.room, from, it.id.as_ref(), &it.kind, key, &it.payload);
            return Some(Item::Publication(life, it.position.offset, text));
        }
        Message::Direct(it) => {
            format!(
                "direct from {:?} {} {:?}",
                it.from.as_deref(),
                named(it.id.as_ref()),
                it.payload
            )
        }
        Message::Members { id, room, members, total } => {
            let names = members.iter().map(|user| user.as_str()).collect::<Vec<_>>().join(" ");
            format!("members {room}: {names} of {total} for {}", named(id.as_ref()))
        }
        Message::Ack { id, position } => format!(
            "ack {id} at {:?}",
            position.map(|at| (at.epoch.0, at.offset)).map(|(epoch, offset)| {
                format!("life {} offset {offset}", lives.get(&epoch).copied().unwrap_or(0))
            })
        ),
        Message::Reply { id, .. } => format!("reply {id}"),
        Message::Error { id, refusal, .. } => {
            format!("error {} for {}", refusal.code.as_str(), named(id.as_ref()))
        }
        Message::HealthPong { timestamp } => format!("health_pong {timestamp:?}"),
        Message::Draining { .. } => "draining".to_owned(),
        Message::Raw(_) => "raw".to_owned(),
        Message::HealthPing { .. }
        | Message::Gap { .. }
        | Message::History { .. }
        | Message::Request { .. }
        | Message::Refresh { .. } => return None,
    }))
}

/// What one operation made the hub owe to a connection, in any order.
#[derive(Debug)]
struct Group {
    items: Vec<Item>,
    /// The connection ended in the same step, so the rest may or may not have been delivered.
    optional: bool,
}

/// What is owed to one connection, according to the model, and not yet received.
#[derive(Default, Debug)]
pub struct Stream {
    owed: VecDeque<Group>,
    /// Announced gaps: a room's life, the offset before, the last offset.
    holes: Vec<(u64, u64, u64)>,
    announced: u64,
    missed: u64,
    ends: bool,
}

impl Stream {
    /// Adds what one operation owes.
    pub fn owe(&mut self, items: Vec<Item>, optional: bool) {
        self.ends |= optional;
        if !items.is_empty() {
            self.owed.push_back(Group { items, optional });
        }
    }

    /// Marks everything that waits as possibly dropped.
    pub fn give_up(&mut self) {
        self.ends = true;
        self.owed.iter_mut().for_each(|group| group.optional = true);
    }

    /// Returns the number of waiting items that cannot be dropped, and of all waiting items.
    pub fn waiting(&self) -> (usize, usize) {
        let firm = self.owed.iter().filter(|group| !group.optional).flat_map(|group| &group.items);
        let texts = firm.filter(|item| matches!(item, Item::Text(_))).count();
        (texts, self.owed.iter().map(|group| group.items.len()).sum())
    }

    /// Records an announced gap.
    pub fn gap(
        &mut self,
        since: Position,
        until: Position,
        dropped: u64,
        lives: &Lives,
    ) -> Result<(), String> {
        let life = lives.get(&since.epoch.0).copied().unwrap_or(0);
        if since.epoch != until.epoch || since.offset >= until.offset {
            return Err(format!("a gap from {since} to {until}"));
        }
        if dropped == 0 || dropped > until.offset - since.offset {
            return Err(format!("a gap from {since} to {until} with {dropped} left out"));
        }
        self.holes.push((life, since.offset, until.offset));
        self.announced += dropped;
        Ok(())
    }

    /// Takes a received item: it must be owed, and nothing before it may have been skipped except
    /// what a gap announced.
    pub fn hear(&mut self, heard: &Item) -> Result<(), String> {
        let at = self.owed.iter().position(|group| group.items.contains(heard));
        // Of two connections that end in the same tick, the one that ends first does not receive
        // the other's leave, and either may be it.
        let is_news = matches!(heard, Item::Text(text) if text.starts_with('-'));
        if at.is_none() && self.ends && is_news {
            return Ok(());
        }
        let at = at.ok_or_else(|| format!("hears {heard:?}, owed is {:?}", self.owed))?;
        for _ in 0..at {
            self.skip_first().map_err(|skipped| format!("hears {heard:?} before {skipped:?}"))?;
        }
        if let Some(group) = self.owed.front_mut()
            && let Some(at) = group.items.iter().position(|item| item == heard)
        {
            group.items.remove(at);
        }
        Ok(())
    }

    fn skip_first(&mut self) -> Result<(), Item> {
        let Some(group) = self.owed.pop_front() else { return Ok(()) };
        for item in group.items.into_iter().filter(|_| !group.optional) {
            match item {
                Item::Publication(life, offset, _) if self.is_announced(life, offset) => {
                    self.missed += 1;
                }
                Item::Publication(..) | Item::Text(_) => return Err(item),
            }
        }
        Ok(())
    }

    fn is_announced(&self, life: u64, offset: u64) -> bool {
        self.holes.iter().any(|hole| hole.0 == life && hole.1 < offset && offset <= hole.2)
    }

    /// Checks a connection that is not blocked: nothing may be owed, and the gaps must add up.
    pub fn settle(&mut self) -> Result<(), String> {
        while !self.owed.is_empty() {
            self.skip_first().map_err(|item| format!("does not hear {item:?}"))?;
        }
        let (missed, announced) = (self.missed, self.announced);
        self.holes.clear();
        (self.missed, self.announced) = (0, 0);
        if missed == announced || self.ends {
            Ok(())
        } else {
            Err(format!("misses {missed} publications, and {announced} were announced"))
        }
    }
}
