//! The queue of a connection whose outlet is full.

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use crate::hub::class::Overflow;
use crate::hub::config::Limits;
use crate::protocol::name::RoomName;
use crate::protocol::position::Position;
use crate::protocol::to_client::{Message, Publication};
use crate::time::Timestamp;

/// A bounded queue. It exists only while its connection is blocked, or gets a replay in batches.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Outbox {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// The number of gaps and replays in `waiting`, which do not count against the bound.
    gaps: usize,
    pub(crate) until: Until,
    /// It overflowed, and the connection is about to be closed for it: nothing more is queued.
    pub(crate) given_up: bool,
}

/// What ends the queueing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Until {
    /// The outlet is blocked until it reports that it has room.
    Writable,
    /// A replay is sent in batches; the next one is due now.
    NextPiece(Timestamp),
}

#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
enum Waiting {
    Message(Message, Overflow),
    /// A gap: stands for publications that were dropped.
    Gap(Gap),
    /// A replay: stands for publications that the room keeps.
    Replay(Replay),
}

/// The publications that a returning client missed. Each is read from the room's history when its
/// turn comes.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Replay {
    pub(crate) room: RoomName,
    /// The number of the next publication to send.
    pub(crate) next: u64,
    /// The number of the last one.
    pub(crate) last: Position,
    pub(crate) overflow: Overflow,
}

/// The result of looking up the next publication of a replay.
pub(crate) enum Found {
    Publication(Arc<Publication>),
    /// The connection must not get this one.
    Excluded,
    /// Everything up to and including this number is no longer kept.
    Lost(u64),
}

/// The first item of an outbox.
pub(crate) enum Popped {
    Message(Message),
    /// The next publication of a replay.
    Past(Arc<Publication>),
    /// A part of the replay is no longer kept, and this room's policy is to deliver everything or
    /// close the member.
    Lost,
    /// The queue is empty.
    Nothing,
}

#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Gap {
    room: RoomName,
    since: Position,
    position: Position,
    dropped: u64,
}

/// The message did not fit, and nothing else could be dropped.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Full;

impl Outbox {
    pub(crate) fn new(until: Until) -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, gaps: 0, until, given_up: false }
    }

    /// Drops the queue, and accepts nothing more.
    pub(crate) fn give_up(&mut self) {
        *self = Self { given_up: true, ..Self::new(self.until) };
    }

    /// Returns whether its counts are right and its numbers in order.
    #[cfg(feature = "recording")]
    pub(crate) fn is_whole(&self) -> bool {
        let (mut bytes, mut gaps) = (0, 0);
        for waiting in &self.waiting {
            let is_sound = match waiting {
                Waiting::Message(message, _) => {
                    bytes += message.cost_bytes();
                    continue;
                }
                Waiting::Gap(gap) => gap.dropped < crate::hub::stats::MOST,
                Waiting::Replay(replay) => {
                    let last = replay.last.offset;
                    (1..=last).contains(&replay.next) && last < crate::hub::stats::MOST
                }
            };
            gaps += 1;
            if !is_sound {
                return false;
            }
        }
        bytes == self.bytes && gaps == self.gaps
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.until == Until::Writable
    }

    /// Queues a message, and drops what its room's policy allows until everything fits. Returns the
    /// number of messages dropped.
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

    /// Queues the last message of a connection, whatever the bounds.
    pub(crate) fn push_last(&mut self, message: Message) {
        self.add(message, Overflow::Close);
    }

    fn add(&mut self, message: Message, overflow: Overflow) {
        self.bytes += message.cost_bytes();
        self.waiting.push_back(Waiting::Message(message, overflow));
    }

    /// Queues a replay of the room's history, from this number on.
    pub(crate) fn push_replay(
        &mut self,
        room: RoomName,
        next: u64,
        last: Position,
        overflow: Overflow,
    ) {
        self.waiting.push_back(Waiting::Replay(Replay { room, next, last, overflow }));
        self.gaps += 1;
    }

    /// Takes the oldest item. A replay is looked up when its turn comes. With `announce`, a loss is
    /// announced whatever the room's policy, because the connection is being closed anyway.
    pub(crate) fn pop(&mut self, announce: bool, find: impl Fn(&Replay) -> Found) -> Popped {
        while let Some(first) = self.waiting.front_mut() {
            let Waiting::Replay(replay) = first else { break };
            let found = find(replay);
            let at = replay.next;
            let through = if let Found::Lost(through) = found { through } else { at };
            replay.next = through + 1;
            let (room, last, overflow) = (replay.room.clone(), replay.last, replay.overflow);
            if through >= last.offset {
                self.waiting.pop_front();
                self.gaps -= 1;
            }
            match found {
                Found::Publication(publication) => {
                    return Popped::Past(publication);
                }
                Found::Excluded => {}
                Found::Lost(_) if overflow == Overflow::Close && !announce => return Popped::Lost,
                Found::Lost(_) => {
                    let since = Position { offset: at - 1, ..last };
                    let position = Position { offset: through, ..last };
                    let dropped = through + 1 - at;
                    return Popped::Message(Message::Gap { room, since, position, dropped });
                }
            }
        }
        match self.waiting.pop_front() {
            Some(Waiting::Message(message, _)) => {
                self.bytes -= message.cost_bytes();
                Popped::Message(message)
            }
            Some(Waiting::Gap(Gap { room, since, position, dropped })) => {
                self.gaps -= 1;
                Popped::Message(Message::Gap { room, since, position, dropped })
            }
            Some(Waiting::Replay(_)) | None => Popped::Nothing,
        }
    }

    /// Returns the number of replays that wait, and whether one of them is of this room.
    pub(crate) fn waiting_replays(&self, of: &RoomName) -> (usize, bool) {
        let rooms = self.waiting.iter().filter_map(|waiting| match waiting {
            Waiting::Replay(replay) => Some(&replay.room),
            Waiting::Message(..) | Waiting::Gap(_) => None,
        });
        rooms.fold((0, false), |(n, is_of), room| (n + 1, is_of || room == of))
    }

    /// Returns whether the next item is part of a replay.
    pub(crate) fn replays(&self) -> bool {
        matches!(self.waiting.front(), Some(Waiting::Replay(_)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Returns the number of queued messages, not counting gaps and replays.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() - self.gaps
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the index of the first publication that matches.
    fn position(&self, fits: impl Fn(&Publication, Overflow) -> bool) -> Option<usize> {
        self.waiting.iter().position(|waiting| match waiting {
            Waiting::Message(Message::Publication(publication), overflow) => {
                fits(publication, *overflow)
            }
            Waiting::Message(..) | Waiting::Gap(_) | Waiting::Replay(_) => false,
        })
    }

    /// Leaves a gap in place of a publication, right before the room's next item, so that the
    /// client hears of the gap before what follows it and after everything that precedes it.
    /// Adjacent gaps of a room are merged.
    fn drop_publication(&mut self, at: usize) {
        let Some(Waiting::Message(message @ Message::Publication(publication), _)) =
            self.waiting.get(at)
        else {
            return;
        };
        self.bytes -= message.cost_bytes();
        let publication = publication.clone();
        let (room, last) = (&publication.room, publication.position);
        let since = Position { offset: last.offset.saturating_sub(1), ..last };
        let gap = Gap { room: room.clone(), since, position: last, dropped: 1 };

        let before = (0..at).rev().map_while(|index| self.between(index, room, last));
        let before = before.flatten().next();
        let after = at + 1..self.waiting.len();
        let after = after.map_while(|index| self.between(index, room, last)).flatten().next();
        self.waiting[at] = Waiting::Gap(gap);
        self.gaps += 1;
        self.merge_gaps(at, after);
        if let Some(before) = before {
            self.merge_gaps(before, Some(at));
        }
    }

    /// Extends an earlier gap by a later one.
    fn merge_gaps(&mut self, earlier: usize, later: Option<usize>) {
        let Some(Waiting::Gap(later)) = later.and_then(|later| self.waiting.remove(later)) else {
            return;
        };
        self.gaps -= 1;
        if let Some(Waiting::Gap(gap)) = self.waiting.get_mut(earlier) {
            gap.position = later.position;
            gap.dropped += later.dropped;
        }
    }

    /// Looks at an item for the next in a room's stream. `None`: a publication or a membership
    /// change, which a gap must not cross. `Some(Some)`: a gap. `Some(None)`: nothing of this room.
    fn between(&self, index: usize, room: &RoomName, last: Position) -> Option<Option<usize>> {
        match self.waiting.get(index)? {
            Waiting::Gap(gap) if gap.room == *room => {
                (gap.since.epoch == last.epoch).then_some(Some(index))
            }
            Waiting::Message(Message::Publication(other), _) if other.room == *room => None,
            Waiting::Replay(replay) if replay.room == *room => None,
            Waiting::Message(
                Message::Joined { room: other, .. }
                | Message::Left { room: other, .. }
                | Message::Refresh { room: other, .. },
                _,
            ) if other == room => None,
            Waiting::Message(..) | Waiting::Gap(_) | Waiting::Replay(_) => Some(None),
        }
    }
}
