//! What was published, as reported by publishers and by receivers.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use switchboard_core::{Epoch, Position, RoomName};

/// The publications of all rooms.
#[derive(Default)]
pub(crate) struct Logs(Mutex<HashMap<RoomName, Log>>);

/// The publications of one room.
#[derive(Default)]
struct Log {
    /// The number at each position.
    numbers: HashMap<Position, u64>,
    /// The position of each number, from its answers and its receivers.
    places: HashMap<u64, Vec<Position>>,
    /// The last acknowledged position in the current numbering.
    last: Option<Position>,
    contradictions: u64,
}

impl Logs {
    fn lock(&self) -> MutexGuard<'_, HashMap<RoomName, Log>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that this number was reported at this position.
    pub(crate) fn saw(&self, room: &RoomName, position: Position, number: u64) {
        let mut logs = self.lock();
        let log = logs.entry(room.clone()).or_default();
        if *log.numbers.entry(position).or_insert(number) != number {
            log.contradictions += 1;
        }
        let places = log.places.entry(number).or_default();
        if !places.contains(&position) {
            places.push(position);
        }
    }

    /// Notes that the server acknowledged this number.
    pub(crate) fn acknowledged(&self, room: &RoomName, position: Position, number: u64) {
        self.saw(room, position, number);
        let mut logs = self.lock();
        let log = logs.entry(room.clone()).or_default();
        match log.last {
            Some(last) if last.epoch == position.epoch && last.offset > position.offset => {}
            Some(_) | None => log.last = Some(position),
        }
    }

    /// Returns where a room's stream must end.
    pub(crate) fn last(&self, room: &RoomName) -> Option<Position> {
        self.lock().get(room)?.last
    }

    /// Returns how many numbers the same server published twice, how many a new server published
    /// again because it does not remember what the old one did, and at how many positions two
    /// clients saw different numbers.
    pub(crate) fn faults(&self) -> (u64, u64, u64) {
        let (mut twice, mut again, mut contradictions) = (0, 0, 0);
        for log in self.lock().values() {
            contradictions += log.contradictions;
            for places in log.places.values().filter(|places| places.len() > 1) {
                let mut epochs: Vec<Epoch> = places.iter().map(|place| place.epoch).collect();
                epochs.sort_unstable();
                epochs.dedup();
                again += (epochs.len() - 1) as u64;
                twice += (places.len() - epochs.len()) as u64;
            }
        }
        (twice, again, contradictions)
    }
}
