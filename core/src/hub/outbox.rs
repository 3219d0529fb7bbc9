//! What waits for a connection whose socket takes no more.

use alloc::collections::VecDeque;

use crate::config::{Limits, Overflow};
use crate::message::{Message, Position, Publication};
use crate::name::RoomName;

/// A bounded queue. It exists only while its connection is blocked.
#[derive(Default, Debug)]
pub(crate) struct Outbox {
    waiting: VecDeque<(Message, Overflow)>,
    bytes: usize,
    /// How many of `waiting` are gaps: they stand for what was dropped, at most one for each room, and are
    /// not held against the bound.
    gaps: usize,
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
        self.bytes += message.cost_bytes();
        self.waiting.push_back((message, overflow));
        while self.waiting.len() - self.gaps > limits.outbox_messages
            || self.bytes > limits.outbox_bytes
        {
            let at = self.position(|_, overflow| overflow == Overflow::DropOldest).ok_or(Full)?;
            self.drop_publication(at);
            dropped += 1;
        }
        Ok(dropped)
    }

    /// Puts the last message of a connection at the end.
    pub(crate) fn push_last(&mut self, message: Message) {
        self.bytes += message.cost_bytes();
        self.waiting.push_back((message, Overflow::Close));
    }

    /// Takes the oldest.
    pub(crate) fn pop(&mut self) -> Option<Message> {
        let (message, _) = self.waiting.pop_front()?;
        if let Message::Gap { .. } = message {
            self.gaps -= 1;
        } else {
            self.bytes -= message.cost_bytes();
        }
        Some(message)
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
        self.waiting.iter().position(|(message, overflow)| {
            matches!(message, Message::Publication(publication) if fits(publication, *overflow))
        })
    }

    /// Leaves a gap where a publication was. A room has one gap at most: it grows, and stands before the first
    /// publication that is missing, so that the client hears of the hole before it sees it.
    fn drop_publication(&mut self, at: usize) {
        let Some((Message::Publication(publication), _)) = self.waiting.get(at) else { return };
        let publication = publication.clone();
        let last = publication.position;
        let first = Position { offset: last.offset.saturating_sub(1), ..last };
        self.bytes -= self.waiting[at].0.cost_bytes();

        let known = self.gap_of(&publication.room);
        if let Some(known) = known.filter(|known| *known < at) {
            self.waiting.remove(at);
            if let Message::Gap { position, dropped, .. } = &mut self.waiting[known].0 {
                *position = (*position).max(last);
                *dropped += 1;
            }
            return;
        }
        let mut gap = (last, 1);
        if let Some(known) = known
            && let Some((Message::Gap { position, dropped, .. }, _)) = self.waiting.remove(known)
        {
            gap = (position.max(last), dropped + 1);
            self.gaps -= 1;
        }
        let (position, dropped) = gap;
        let room = publication.room.clone();
        self.waiting[at] =
            (Message::Gap { room, since: first, position, dropped }, Overflow::Close);
        self.gaps += 1;
    }

    fn gap_of(&self, name: &RoomName) -> Option<usize> {
        if self.gaps == 0 {
            return None;
        }
        self.waiting
            .iter()
            .position(|(message, _)| matches!(message, Message::Gap { room, .. } if room == name))
    }
}
