//! What an application has missed because it took its events too slowly.

use std::collections::BTreeMap;

use switchboard_core::client::{Cause, Delivery, State};
use switchboard_core::{Position, Publication, RoomName};

/// Events were left out here, between the one before and the one after this, because the
/// application took them too slowly.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lagged {
    /// Rooms of which publications were left out. A room's `history` can fetch them, as far as the
    /// server keeps them.
    pub rooms: Vec<MissedInRoom>,
    /// The number of other events, such as direct messages and those about members.
    pub others: u64,
}

/// What was left out of one room's stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MissedInRoom {
    /// The room.
    pub room: RoomName,
    /// The position before the first that was left out.
    pub since: Position,
    /// The position of the last that was left out.
    pub position: Position,
    /// The number of publications that were left out.
    pub dropped: u64,
    /// Whether the stream was interrupted meanwhile. Then what the application knew of the room
    /// before `since` is outdated.
    pub refreshed: bool,
}

/// Rooms that are told apart; publications of further rooms count among the others.
const MAX_ROOMS: usize = 10_000;

#[derive(Default)]
pub(super) struct Lag {
    rooms: BTreeMap<RoomName, MissedInRoom>,
    others: u64,
    /// The last change of the state, which is never left out.
    state: Option<(State, Option<Cause>, Option<std::sync::Arc<str>>)>,
}

impl Lag {
    fn missed(&mut self, room: &RoomName, since: Position, position: Position, dropped: u64) {
        if !self.rooms.contains_key(room) && self.rooms.len() >= MAX_ROOMS {
            self.others += 1;
            return;
        }
        let missed = self.rooms.entry(room.clone()).or_insert_with(|| MissedInRoom {
            room: room.clone(),
            since,
            position,
            dropped: 0,
            refreshed: false,
        });
        missed.position = position;
        missed.dropped = missed.dropped.saturating_add(dropped);
    }

    pub(super) fn delivery(&mut self, delivery: &Delivery) {
        match delivery {
            Delivery::Publication(Publication { room, position, .. }) => {
                let offset = position.offset.saturating_sub(1);
                self.missed(room, Position { offset, ..*position }, *position, 1);
            }
            Delivery::Gap { room, since, position, dropped } => {
                self.missed(room, *since, *position, *dropped);
            }
            Delivery::Refresh { room, position, .. } => {
                self.rooms.remove(room);
                self.missed(room, *position, *position, 0);
                if let Some(missed) = self.rooms.get_mut(room) {
                    missed.refreshed = true;
                }
            }
            Delivery::Direct(_) | Delivery::MemberJoined { .. } | Delivery::MemberLeft { .. } => {
                self.other();
            }
        }
    }

    pub(super) fn state(
        &mut self,
        state: State,
        cause: Option<Cause>,
        detail: Option<std::sync::Arc<str>>,
    ) {
        self.state = Some((state, cause, detail));
    }

    pub(super) fn other(&mut self) {
        self.others += 1;
    }

    #[expect(clippy::type_complexity, reason = "taken apart at once")]
    pub(super) fn end(
        self,
    ) -> (Lagged, Option<(State, Option<Cause>, Option<std::sync::Arc<str>>)>) {
        let rooms = self.rooms.into_values().collect();
        (Lagged { rooms, others: self.others }, self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchboard_core::Epoch;

    fn at(offset: u64) -> Position {
        Position { epoch: Epoch(7), offset }
    }

    /// Publications of the room are left out between these offsets.
    fn gap(room: &RoomName, since: u64, position: u64) -> Delivery {
        let (since, position) = (at(since), at(position));
        let dropped = position.offset - since.offset;
        Delivery::Gap { room: room.clone(), since, position, dropped }
    }

    #[test]
    fn what_is_missed_of_a_room_is_one_stretch() {
        let room = RoomName::new("lobby").expect("a good name");
        let mut lag = Lag::default();
        lag.delivery(&gap(&room, 2, 5));
        lag.delivery(&gap(&room, 6, 7));
        lag.other();
        lag.state(State::Open, None, None);
        let (lagged, state) = lag.end();
        let missed = MissedInRoom {
            room: room.clone(),
            since: at(2),
            position: at(7),
            dropped: 4,
            refreshed: false,
        };
        assert_eq!(lagged, Lagged { rooms: vec![missed], others: 1 });
        assert_eq!(state, Some((State::Open, None, None)));
    }

    #[test]
    fn a_refresh_makes_what_was_missed_before_it_meaningless() {
        let room = RoomName::new("lobby").expect("a good name");
        let mut lag = Lag::default();
        lag.delivery(&gap(&room, 2, 5));
        lag.delivery(&Delivery::Refresh {
            room,
            reason: "position_too_old".into(),
            position: at(9),
            payload: None,
        });
        let (lagged, _) = lag.end();
        let [missed] = &lagged.rooms[..] else { panic!("{lagged:?}") };
        assert!(missed.refreshed && missed.dropped == 0);
        assert_eq!((missed.since, missed.position), (at(9), at(9)));
    }

    #[test]
    fn rooms_beyond_the_bound_count_among_the_others() {
        let mut lag = Lag::default();
        for number in 0..=MAX_ROOMS {
            let room = RoomName::new(&format!("room{number}")).expect("a good name");
            lag.delivery(&gap(&room, 1, 2));
        }
        let (lagged, _) = lag.end();
        assert_eq!((lagged.rooms.len(), lagged.others), (MAX_ROOMS, 1));
    }
}
