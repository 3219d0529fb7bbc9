//! Records every message and checks every delivery.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;

use crate::connection::Ended;
use crate::crowd::{Crowd, Watcher};
use crate::figures::Times;
use crate::marker::{Mark, Markers, SEQUENCES};
use crate::target::Place;
use crate::text::Prepared;

/// Nanoseconds that a closed loop waits for a message's deliveries.
const STALLED: u64 = 1_000_000_000;

/// A visitor's stream starts with whatever it receives first.
const NOT_YET: u32 = u32::MAX;

/// What a connection is expected to receive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Every message.
    Member,
    /// Possibly not every message, since it does not read for a while.
    Slow,
    /// What is published while it is connected.
    Visitor,
}

struct Seat {
    room: u32,
    kind: Kind,
    /// Start of its row in `next`, which has one sequence number for each publisher of the room.
    row: usize,
    is_gone: bool,
}

struct Publisher {
    connection: usize,
    room: u32,
    column: usize,
    message: Prepared,
    sent: u32,
    /// Closed loop: deliveries missing of each message from `base` on.
    base: u32,
    missing: VecDeque<u32>,
    in_flight: u32,
    progress_at: u64,
}

#[derive(Default)]
struct Room {
    publishers: Vec<usize>,
    members: u32,
    gone: u32,
}

/// Totals of messages and deliveries.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Counts {
    pub(crate) published: u64,
    /// Not sent, because the publisher's connection was full or closed.
    pub(crate) unsent: u64,
    /// Deliveries to members, without repetitions.
    pub(crate) delivered: u64,
    pub(crate) repeated: u64,
    /// Deliveries after a later message of the same publisher.
    pub(crate) out_of_order: u64,
    /// Deliveries to another room, or to a publisher that should not receive its own messages.
    pub(crate) misdelivered: u64,
    /// Messages that a closed loop gave up.
    pub(crate) stalled: u64,
    /// Deliveries to slow members.
    pub(crate) slow: u64,
    own: u64,
}

/// Deliveries that did not happen.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Missing {
    /// To members that stayed connected.
    pub(crate) lost: u64,
    /// To members whose connection the server closed.
    pub(crate) ended: u64,
    pub(crate) slow: u64,
}

/// Messages published in an interval, and their latencies.
pub(crate) struct Stretch {
    from: u64,
    to: u64,
    pub(crate) times: Times,
}

/// An event of a visitor's connection, and its time.
pub(crate) enum News {
    Opened(usize, u64),
    Heard(usize, u64),
    Ended(usize, u64),
}

pub(crate) struct Ledger {
    markers: Markers,
    book: Book,
    pub(crate) news: Vec<News>,
    wants_news: bool,
    /// Slow members whose connection the server closed, by reason.
    pub(crate) slow_ended: BTreeMap<String, u64>,
}

#[derive(Default)]
struct Book {
    seats: Vec<Option<Seat>>,
    rooms: Vec<Room>,
    publishers: Vec<Publisher>,
    next: Vec<u32>,
    /// Skipped sequence numbers, by index in `next`.
    holes: HashMap<usize, Vec<Range<u32>>>,
    counts: Counts,
    stretches: Vec<Stretch>,
    echo: Option<bool>,
    /// Closed loop: messages that each publisher keeps in flight.
    window: u32,
    /// Closed loop: publishers that may send their next message.
    may_publish: Vec<usize>,
}

impl Ledger {
    pub(crate) fn new(run: u16, echo: Option<bool>, wants_news: bool) -> Self {
        let book = Book { echo, ..Book::default() };
        let (news, slow_ended) = (Vec::new(), BTreeMap::new());
        Self { markers: Markers::new(run), book, news, wants_news, slow_ended }
    }

    /// Adds a publisher. All publishers must be added before the first seat.
    pub(crate) fn add_publisher(&mut self, connection: usize, room: u32, message: Prepared) {
        let index = self.book.publishers.len();
        let publishers = &mut self.book.room(room).publishers;
        let column = publishers.len();
        publishers.push(index);
        self.book.publishers.push(Publisher {
            connection,
            room,
            column,
            message,
            sent: 0,
            base: 0,
            missing: VecDeque::new(),
            in_flight: 0,
            progress_at: 0,
        });
    }

    /// Adds a listener.
    pub(crate) fn seat(&mut self, connection: usize, place: Place, kind: Kind) {
        let book = &mut self.book;
        let room = book.room(place.room);
        let columns = room.publishers.len();
        room.members += u32::from(kind == Kind::Member);
        let row = book.next.len();
        let first = if kind == Kind::Visitor { NOT_YET } else { 0 };
        book.next.resize(row + columns, first);
        if book.seats.len() <= connection {
            book.seats.resize_with(connection + 1, || None);
        }
        book.seats[connection] = Some(Seat { room: place.room, kind, row, is_gone: false });
    }

    pub(crate) fn publishers(&self) -> usize {
        self.book.publishers.len()
    }

    /// Returns whether all publishers' connections are closed.
    pub(crate) fn is_silent(&self, crowd: &Crowd<'_>) -> bool {
        !self.book.publishers.iter().any(|publisher| crowd.is_open(publisher.connection))
    }

    pub(crate) fn counts(&self) -> Counts {
        self.book.counts
    }

    /// Publishes a publisher's next message, with this time in its marker.
    pub(crate) fn publish(&mut self, crowd: &mut Crowd<'_>, index: usize, at: u64) {
        let due = self.book.due(index);
        let closed = self.book.window > 0;
        let publisher = &mut self.book.publishers[index];
        let mark = Mark { publisher: index as u32, sequence: publisher.sent, at };
        let message = publisher.message.with(&self.markers, mark);
        if publisher.sent >= SEQUENCES || !crowd.send(publisher.connection, message) {
            self.book.counts.unsent += 1;
            return;
        }
        publisher.sent += 1;
        self.book.counts.published += 1;
        if closed {
            publisher.missing.push_back(due);
            publisher.in_flight += 1;
            publisher.progress_at = at;
        }
    }

    /// Switches to a closed loop: each publisher keeps `window` messages in flight.
    pub(crate) fn close_loop(&mut self, window: u32) {
        let book = &mut self.book;
        book.window = window;
        for (index, publisher) in book.publishers.iter_mut().enumerate() {
            publisher.base = publisher.sent;
            publisher.missing.clear();
            publisher.in_flight = 0;
            book.may_publish.extend((0..window).map(|_| index));
        }
    }

    pub(crate) fn open_loop(&mut self) {
        self.book.window = 0;
        self.book.may_publish.clear();
    }

    /// Takes the publishers that may send again, because their oldest message has all its
    /// deliveries.
    pub(crate) fn take_permits(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.book.may_publish)
    }

    /// Gives up messages that a closed loop has waited for too long.
    pub(crate) fn give_up_stalled(&mut self, now: u64) {
        let book = &mut self.book;
        if book.window == 0 {
            return;
        }
        for (index, publisher) in book.publishers.iter_mut().enumerate() {
            if publisher.in_flight > 0 && publisher.progress_at + STALLED < now {
                book.counts.stalled += u64::from(publisher.in_flight);
                book.may_publish.extend((0..publisher.in_flight).map(|_| index));
                publisher.base = publisher.sent;
                publisher.missing.clear();
                publisher.in_flight = 0;
            }
        }
    }

    /// Measures messages published from now on separately.
    pub(crate) fn begin_stretch(&mut self, now: u64) {
        self.end_stretch(now);
        self.book.stretches.push(Stretch { from: now, to: u64::MAX, times: Times::default() });
    }

    pub(crate) fn end_stretch(&mut self, now: u64) {
        if let Some(stretch) = self.book.stretches.last_mut() {
            stretch.to = stretch.to.min(now);
        }
    }

    pub(crate) fn stretches(&self) -> &[Stretch] {
        &self.book.stretches
    }

    /// Returns the number of deliveries to a message's own publisher, and of all others.
    pub(crate) fn heard_own(&self) -> (u64, u64) {
        let Counts { own, delivered, .. } = self.book.counts;
        (own, delivered - own)
    }

    pub(crate) fn echo(&self) -> Option<bool> {
        self.book.echo
    }

    pub(crate) fn set_echo(&mut self, echo: bool) {
        self.book.echo = Some(echo);
    }

    /// Returns the number of deliveries expected in total.
    pub(crate) fn expected(&self) -> u64 {
        let own = u32::from(self.book.echo == Some(false));
        let publishers = self.book.publishers.iter();
        let due = |room: u32| self.book.rooms[room as usize].members.saturating_sub(own);
        publishers.map(|one| u64::from(one.sent) * u64::from(due(one.room))).sum()
    }

    /// Counts missing deliveries by comparing every listener with every publisher of its room.
    pub(crate) fn missing(&self) -> Missing {
        let mut missing = Missing::default();
        let book = &self.book;
        for (connection, seat) in book.seats.iter().enumerate() {
            let Some(seat) = seat else { continue };
            let sum = match (seat.kind, seat.is_gone) {
                (Kind::Visitor, _) => continue,
                (Kind::Slow, _) => &mut missing.slow,
                (Kind::Member, false) => &mut missing.lost,
                (Kind::Member, true) => &mut missing.ended,
            };
            for index in &book.rooms[seat.room as usize].publishers {
                let publisher = &book.publishers[*index];
                if publisher.connection == connection && book.echo == Some(false) {
                    continue;
                }
                let cell = seat.row + publisher.column;
                *sum += u64::from(publisher.sent - book.next[cell]);
                let holes = book.holes.get(&cell).into_iter().flatten();
                *sum += holes.map(|hole| u64::from(hole.end - hole.start)).sum::<u64>();
            }
        }
        missing
    }
}

impl Watcher for Ledger {
    fn opened(&mut self, at: usize, now: u64) {
        if self.wants_news {
            self.news.push(News::Opened(at, now));
        }
    }

    fn heard(&mut self, at: usize, message: &[u8], now: u64) -> bool {
        let mut is_ours = false;
        for mark in self.markers.find(message) {
            is_ours = true;
            let kind = self.book.enter(at, mark, now);
            if self.wants_news && kind == Some(Kind::Visitor) {
                self.news.push(News::Heard(at, now));
            }
        }
        is_ours
    }

    fn ended(&mut self, at: usize, ended: &Ended, now: u64) {
        if self.book.leave(at) == Some(Kind::Slow) {
            *self.slow_ended.entry(ended.to_string()).or_default() += 1;
        }
        if self.wants_news {
            self.news.push(News::Ended(at, now));
        }
    }
}

impl Book {
    fn room(&mut self, number: u32) -> &mut Room {
        let at = number as usize;
        if self.rooms.len() <= at {
            self.rooms.resize_with(at + 1, Room::default);
        }
        &mut self.rooms[at]
    }

    /// Returns the number of deliveries that a publisher's next message causes.
    fn due(&self, index: usize) -> u32 {
        let room = &self.rooms[self.publishers[index].room as usize];
        let own = u32::from(self.echo == Some(false));
        room.members.saturating_sub(own).saturating_sub(room.gone)
    }

    /// Records a delivery. Returns the kind of its receiver, if the delivery was due.
    fn enter(&mut self, at: usize, mark: Mark, now: u64) -> Option<Kind> {
        let seat = self.seats.get(at)?.as_ref()?;
        let publisher = self.publishers.get_mut(mark.publisher as usize);
        let is_own = |publisher: &Publisher| publisher.connection == at;
        let publisher = publisher.filter(|publisher| {
            let is_wrong = is_own(publisher) && self.echo == Some(false);
            publisher.room == seat.room && mark.sequence < publisher.sent && !is_wrong
        });
        let Some(publisher) = publisher else {
            self.counts.misdelivered += 1;
            return None;
        };
        let cell = seat.row + publisher.column;
        let next = &mut self.next[cell];
        if *next == NOT_YET {
            *next = mark.sequence;
        }
        if mark.sequence >= *next {
            if mark.sequence > *next {
                self.holes.entry(cell).or_default().push(*next..mark.sequence);
            }
            *next = mark.sequence + 1;
        } else if fill(&mut self.holes, cell, mark.sequence) {
            self.counts.out_of_order += 1;
        } else {
            self.counts.repeated += 1;
            return None;
        }
        match seat.kind {
            Kind::Visitor => {}
            Kind::Slow => self.counts.slow += 1,
            Kind::Member => {
                self.counts.delivered += 1;
                self.counts.own += u64::from(is_own(publisher));
                for stretch in &mut self.stretches {
                    if (stretch.from..stretch.to).contains(&mark.at) {
                        stretch.times.record(now.saturating_sub(mark.at));
                    }
                }
                if self.window > 0 && publisher.arrived(mark.sequence, now) {
                    self.may_publish.push(mark.publisher as usize);
                }
            }
        }
        Some(seat.kind)
    }

    /// Records that a connection closed, so that nothing waits for its deliveries. Returns its
    /// kind.
    fn leave(&mut self, at: usize) -> Option<Kind> {
        let seat = self.seats.get_mut(at)?.as_mut()?;
        seat.is_gone = true;
        if seat.kind != Kind::Member {
            return Some(seat.kind);
        }
        let room = &mut self.rooms[seat.room as usize];
        room.gone += 1;
        if self.window == 0 {
            return Some(seat.kind);
        }
        for index in &room.publishers {
            let publisher = &mut self.publishers[*index];
            let next = self.next[seat.row + publisher.column].max(publisher.base);
            for sequence in next..publisher.sent {
                if publisher.arrived(sequence, publisher.progress_at) {
                    self.may_publish.push(*index);
                }
            }
        }
        Some(seat.kind)
    }
}

impl Publisher {
    /// Records one delivery of a message in a closed loop. Returns whether it was the last one.
    fn arrived(&mut self, sequence: u32, now: u64) -> bool {
        let Some(at) = sequence.checked_sub(self.base) else { return false };
        let Some(missing) = self.missing.get_mut(at as usize).filter(|missing| **missing > 0)
        else {
            return false;
        };
        *missing -= 1;
        self.progress_at = now;
        let is_last = *missing == 0;
        while self.missing.front() == Some(&0) {
            self.missing.pop_front();
            self.base += 1;
        }
        self.in_flight -= u32::from(is_last);
        is_last
    }
}

/// Removes a sequence number from the skipped ones, if it is among them.
fn fill(holes: &mut HashMap<usize, Vec<Range<u32>>>, cell: usize, sequence: u32) -> bool {
    let Some(list) = holes.get_mut(&cell) else { return false };
    let Some(at) = list.iter().position(|hole| hole.contains(&sequence)) else { return false };
    let hole = list.swap_remove(at);
    let parts = [hole.start..sequence, sequence + 1..hole.end];
    list.extend(parts.into_iter().filter(|part| !part.is_empty()));
    if list.is_empty() {
        holes.remove(&cell);
    }
    true
}

#[cfg(test)]
mod tests;
