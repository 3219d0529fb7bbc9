//! Whether one connection hears each room's publications in order, and of every hole before it sees it.

use std::collections::{BTreeMap, BTreeSet};

use switchboard_core::{Message, Position, RoomName};

/// How far a member of a room is, by what it was told.
#[derive(Debug)]
struct Track {
    at: Position,
    /// Announced holes.
    holes: Vec<(Position, Position)>,
}

/// The rooms of one connection.
#[derive(Default, Debug)]
pub struct Tracks {
    rooms: BTreeMap<RoomName, Track>,
    /// Publications that are not for this member, its own where there is no echo.
    pub excused: BTreeSet<Position>,
    missed: u64,
    announced: u64,
}

impl Tracks {
    /// No hole may be greater than what was announced.
    pub fn check(&self) -> Result<(), String> {
        if self.missed > self.announced {
            return Err(format!("{} left out, {} announced", self.missed, self.announced));
        }
        Ok(())
    }

    /// What a member is told must go on where it was.
    pub fn follow(&mut self, message: &Message) -> Result<(), String> {
        #[allow(
            clippy::wildcard_enum_match_arm,
            reason = "other messages say nothing about a room's stream"
        )]
        match message {
            Message::Connected(welcome) => {
                for (room, at) in &welcome.rooms {
                    self.rooms.insert(room.clone(), Track { at: at.position, holes: Vec::new() });
                }
            }
            Message::Joined { room, beginning, .. } => {
                if self.rooms.contains_key(room) {
                    self.advance(room, beginning.position)?;
                } else {
                    self.rooms
                        .insert(room.clone(), Track { at: beginning.position, holes: Vec::new() });
                }
            }
            Message::Left { room, .. } => {
                self.rooms.remove(room);
            }
            Message::Gap { room, since, position, dropped } => {
                let spans = position.offset.checked_sub(since.offset);
                if since.epoch != position.epoch
                    || spans.is_none_or(|most| *dropped > most || *dropped == 0)
                {
                    return Err(format!("hears of a gap {message:?}"));
                }
                self.announced += dropped;
                if let Some(track) = self.rooms.get_mut(room) {
                    track.holes.push((*since, *position));
                }
            }
            Message::Publication(it) => {
                let before = Position { offset: it.position.offset - 1, ..it.position };
                let track =
                    self.rooms.get(&it.room).ok_or("is sent a publication of a foreign room")?;
                if it.position <= track.at && it.position.epoch == track.at.epoch {
                    return Err(format!("is at {} and is sent {}", track.at, it.position));
                }
                self.advance(&it.room, before)?;
                if let Some(track) = self.rooms.get_mut(&it.room) {
                    track.at = it.position;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn advance(&mut self, room: &RoomName, to: Position) -> Result<(), String> {
        let Some(track) = self.rooms.get_mut(room) else { return Ok(()) };
        if track.at.epoch != to.epoch || track.at.offset > to.offset {
            return Err(format!("is at {} and is told of what follows {to} in {room}", track.at));
        }
        for offset in track.at.offset + 1..=to.offset {
            let left_out = Position { offset, ..to };
            if self.excused.contains(&left_out) {
                continue;
            }
            let announced =
                |(since, until): &(Position, Position)| *since < left_out && left_out <= *until;
            if !track.holes.iter().any(announced) {
                return Err(format!("was not told that {left_out} was left out"));
            }
            self.missed += 1;
        }
        track.at = to;
        Ok(())
    }
}
