//! The ids of a user's last messages, each with the outcome of its message.

use alloc::collections::VecDeque;

use hashbrown::HashMap;

use crate::protocol::id::ConnectionId;
use crate::protocol::name::MessageId;
use crate::protocol::to_client::Message;
use crate::random::Keyed;
use crate::time::Timestamp;

/// The ids of a user's last messages.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Remembered {
    #[cfg_attr(feature = "recording", serde(with = "crate::random::keyed"))]
    by_id: HashMap<MessageId, Entry, Keyed>,
    /// In the order of arrival, each with its number.
    order: VecDeque<(Timestamp, u64, MessageId)>,
    next: u64,
}

#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Entry {
    pub(crate) at: Timestamp,
    /// The same id may appear twice, with different contents; the later one counts.
    number: u64,
    /// A hash of the message's content: a different message under the same id is not a repetition.
    pub(crate) content: u64,
    pub(crate) fate: Fate,
}

/// The outcome of a message.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Fate {
    /// The application is handling it. This connection asked last.
    Pending(ConnectionId),
    Answered(Message),
    /// It was answered, with an answer too large to keep.
    Forgotten,
}

impl Remembered {
    pub(crate) fn new(keyed: Keyed) -> Self {
        Self { by_id: HashMap::with_hasher(keyed), order: VecDeque::new(), next: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    #[cfg(feature = "recording")]
    pub(crate) fn is_whole(&self) -> bool {
        self.next < crate::hub::stats::MOST
    }

    pub(crate) fn get_mut(&mut self, id: &MessageId) -> Option<&mut Entry> {
        self.by_id.get_mut(id)
    }

    pub(crate) fn insert(&mut self, at: Timestamp, id: MessageId, content: u64, fate: Fate) {
        let number = self.next;
        self.next += 1;
        self.order.push_back((at, number, id.clone()));
        self.by_id.insert(id, Entry { at, number, content, fate });
    }

    /// Returns when the oldest message arrived.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.order.front().map(|(at, ..)| *at)
    }

    pub(crate) fn forget_oldest(&mut self) {
        if let Some((_, number, id)) = self.order.pop_front()
            && self.by_id.get(&id).is_some_and(|entry| entry.number == number)
        {
            self.by_id.remove(&id);
        }
    }
}
