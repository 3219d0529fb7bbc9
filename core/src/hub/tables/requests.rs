//! Requests to clients that are still unanswered.

use alloc::collections::BTreeMap;

use crate::hub::event::Ticket;
use crate::hub::keys::RequestKey;
use crate::protocol::id::ConnectionId;
use crate::time::Timestamp;

#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Asked {
    pub(crate) ticket: Ticket,
    pub(crate) connection: ConnectionId,
    pub(crate) deadline: Timestamp,
}

/// Requests under way.
#[derive(Default, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Requests {
    asked: BTreeMap<RequestKey, Asked>,
    next: u64,
}

impl Requests {
    pub(crate) fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.asked.len()
    }

    pub(crate) fn get(&self, key: RequestKey) -> Option<&Asked> {
        self.asked.get(&key)
    }

    /// Returns the key of the next request.
    pub(crate) fn next_key(&mut self) -> RequestKey {
        let key = RequestKey(self.next);
        self.next += 1;
        key
    }

    pub(crate) fn insert(&mut self, key: RequestKey, asked: Asked) {
        self.asked.insert(key, asked);
    }

    pub(crate) fn remove(&mut self, key: RequestKey) -> Option<Asked> {
        self.asked.remove(&key)
    }

    /// Iterates over all requests, in the order in which they were made.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (RequestKey, &Asked)> {
        self.asked.iter().map(|(key, asked)| (*key, asked))
    }

    /// Returns the number of requests made so far.
    #[cfg(feature = "recording")]
    pub(crate) fn made(&self) -> u64 {
        self.next
    }
}
