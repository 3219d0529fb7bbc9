//! What waits for a connection whose socket takes no more.

use alloc::collections::VecDeque;

use crate::config::{Limits, Overflow};
use crate::message::{Message, Position, Publication};
use crate::name::RoomName;

/// A bounded queue. It exists only while its connection is blocked.
#[derive(Default, Debug)]
pub(crate) struct Outbox {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// How many of `waiting` are gaps, which are not held against the bound.
    gaps: usize,
}

#[derive(Debug)]
enum Waiting {
    Message(Message, Overflow),
    /// Stands for publications that were dropped.
    Gap(Gap),
}

#[derive(Debug)]
struct Gap {
    room: RoomName,
    since: Position,
    position: Position,
    dropped: u64,
}

/// The message did not fit, and nothing that may be dropped was left.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Full;

impl Outbox {
    /// Puts a message at the end, and drops what its room's policy allows until everything fits.
    /// Answers how many were dropped.
    pub(crate) fn push(
        &mut self,
        message: Message,
        overflow: Overflow,
        limits: &Limits,
    ) -> Result<u64, Full> {
        let mut dropped = 0;
        if overflow == Overflow::Conflate
            && let Message::Publication(new) = &message
            && let Some(at) = self.position(|old, _| old.conflates_with(new))
        {
            self.drop_publication(at);
            dropped += 1;
        }
        self.add(message, overflow);
        while self.len() > limits.outbox_messages || self.bytes > limits.outbox_bytes {
            let at = self.position(|_, overflow| overflow == Overflow::DropOldest).ok_or(Full)?;
            self.drop_publication(at);
            dropped += 1;
        }
        Ok(dropped)
    }

    /// Puts the last message of a connection at the end, whatever the bounds.
    pub(crate) fn push_last(&mut self, message: Message) {
        self.add(message, Overflow::Close);
    }

    fn add(&mut self, message: Message, overflow: Overflow) {
        self.bytes += message.cost_bytes();
        self.waiting.push_back(Waiting::Message(message, overflow));
    }

    /// Takes the oldest.
    pub(crate) fn pop(&mut self) -> Option<Message> {
        match self.waiting.pop_front()? {
            Waiting::Message(message, _) => {
                self.bytes -= message.cost_bytes();
                Some(message)
            }
            Waiting::Gap(Gap { room, since, position, dropped }) => {
                self.gaps -= 1;
                Some(Message::Gap { room, since, position, dropped })
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Messages that wait, gaps not counted.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() - self.gaps
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The first publication that fits the description.
    fn position(&self, fits: impl Fn(&Publication, Overflow) -> bool) -> Option<usize> {
        self.waiting.iter().position(|waiting| match waiting {
            Waiting::Message(Message::Publication(publication), overflow) => {
                fits(publication, *overflow)
            }
            Waiting::Message(..) | Waiting::Gap(_) => false,
        })
    }

    /// Leaves a gap where a publication was. It stands before the first publication that is missing, so that the client
    /// hears of the hole before it sees it, and the next one of the same stretch adds to it.
    fn drop_publication(&mut self, at: usize) {
        let Some(Waiting::Message(message @ Message::Publication(publication), _)) =
            self.waiting.get(at)
        else {
            return;
        };
        self.bytes -= message.cost_bytes();
        let publication = publication.clone();
        let (room, last) = (&publication.room, publication.position);

        let before = (0..at).rev().map_while(|index| self.same_stretch(index, room, last));
        if let Some(known) = before.flatten().next() {
            self.waiting.remove(at);
            if let Some(Waiting::Gap(gap)) = self.waiting.get_mut(known) {
                gap.position = gap.position.max(last);
                gap.dropped += 1;
            }
            return;
        }
        let since = Position { offset: last.offset.saturating_sub(1), ..last };
        let mut gap = Gap { room: room.clone(), since, position: last, dropped: 1 };
        let after = at + 1..self.waiting.len();
        let after = after.map_while(|index| self.same_stretch(index, room, last)).flatten().next();
        if let Some(known) = after
            && let Some(Waiting::Gap(later)) = self.waiting.remove(known)
        {
            gap.position = gap.position.max(later.position);
            gap.dropped += later.dropped;
            self.gaps -= 1;
        }
        self.waiting[at] = Waiting::Gap(gap);
        self.gaps += 1;
    }

    /// A room's stretch is what lies between two changes of the membership, in one epoch. `None`: here it ends.
    /// `Some(Some)`: here is its gap.
    fn same_stretch(&self, index: usize, room: &RoomName, last: Position) -> Option<Option<usize>> {
        match self.waiting.get(index)? {
            Waiting::Gap(gap) if gap.room == *room => {
                (gap.since.epoch == last.epoch).then_some(Some(index))
            }
            Waiting::Message(
                Message::Joined { room: other, .. } | Message::Left { room: other, .. },
                _,
            ) if other == room => None,
            Waiting::Message(..) | Waiting::Gap(_) => Some(None),
        }
    }
}
