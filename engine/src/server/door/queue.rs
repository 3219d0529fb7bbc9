//! Sockets in the order in which they give way.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use switchboard_core::{Network, Timestamp};

/// How long a socket has been silent, and which it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Entry {
    pub(super) silence: Silence,
    pub(super) socket: u32,
}

/// When a socket was last heard of, when it came, and how many came before it. The longest silence is
/// the least; of two that were heard of at the same time, that of the one which came first, even if
/// both came at the same time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Silence {
    pub(super) since: Timestamp,
    pub(super) came: Timestamp,
    pub(super) number: u64,
}

/// The sockets that may have to give way to others. The next one is the one that has been silent
/// longest, among those of the network that has the most; of two networks with as many, the one
/// whose socket has been silent longer. Everything takes logarithmic time.
#[derive(Default, Debug)]
pub(super) struct Queue {
    /// Sockets without an address are a network of their own.
    by_network: BTreeMap<Option<Network>, BTreeSet<Entry>>,
    /// Each network by the number of its sockets and the silence of its most silent one.
    by_size: BTreeSet<(usize, Reverse<Entry>, Option<Network>)>,
    len: usize,
}

impl Queue {
    pub(super) fn insert(&mut self, network: Option<Network>, silence: Silence, socket: u32) {
        self.change(network, |entries| entries.insert(Entry { silence, socket }));
    }

    pub(super) fn remove(&mut self, network: Option<Network>, silence: Silence, socket: u32) {
        self.change(network, |entries| entries.remove(&Entry { silence, socket }));
    }

    fn change(
        &mut self,
        network: Option<Network>,
        change: impl FnOnce(&mut BTreeSet<Entry>) -> bool,
    ) {
        let entries = self.by_network.entry(network).or_default();
        let rank = |entries: &BTreeSet<Entry>| {
            entries.first().map(|first| (entries.len(), Reverse(*first), network))
        };
        let (before, len) = (rank(entries), entries.len());
        change(entries);
        self.len = self.len - len + entries.len();
        let after = rank(entries);
        if after.is_none() {
            self.by_network.remove(&network);
        }
        if let Some(before) = before {
            self.by_size.remove(&before);
        }
        self.by_size.extend(after);
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn len_of(&self, network: Option<Network>) -> usize {
        self.by_network.get(&network).map_or(0, BTreeSet::len)
    }

    /// The next socket to give way.
    pub(super) fn next(&self) -> Option<Entry> {
        self.by_size.last().map(|(_, Reverse(first), _)| *first)
    }

    /// The same among those of one network.
    pub(super) fn next_of(&self, network: Option<Network>) -> Option<Entry> {
        self.by_network.get(&network)?.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn network(last: u8) -> Option<Network> {
        Some(Network::from(IpAddr::from([192, 0, 2, last])))
    }

    fn silent(since: u64, came: u64) -> Silence {
        Silence {
            since: Timestamp::from_millis(since),
            came: Timestamp::from_millis(came),
            number: 0,
        }
    }

    fn next(queue: &Queue) -> Option<u32> {
        queue.next().map(|entry| entry.socket)
    }

    #[test]
    fn the_longest_silent_one_of_the_largest_network_is_next() {
        let mut queue = Queue::default();
        assert_eq!(next(&queue), None);
        queue.insert(network(1), silent(1, 1), 10);
        queue.insert(network(2), silent(3, 2), 20);
        queue.insert(network(2), silent(3, 3), 19);
        assert_eq!(next(&queue), Some(20), "the network has two, of which this one came first");
        queue.remove(network(2), silent(3, 2), 20);
        assert_eq!(next(&queue), Some(10), "as many each: the longest silent");
        queue.insert(None, silent(0, 0), 30);
        assert_eq!(next(&queue), Some(30), "a network of its own");
        assert_eq!((queue.len(), queue.len_of(network(2)), queue.len_of(None)), (3, 1, 1));
        assert_eq!(queue.next_of(network(2)).map(|entry| entry.socket), Some(19));
    }

    #[test]
    fn of_two_that_came_at_the_same_time_the_first_is_next() {
        let mut queue = Queue::default();
        queue.insert(network(1), Silence { number: 8, ..silent(5, 5) }, 1);
        queue.insert(network(1), Silence { number: 7, ..silent(5, 5) }, 2);
        assert_eq!(next(&queue), Some(2), "whatever their keys are");
    }

    #[test]
    fn nothing_is_left_of_those_that_are_removed() {
        let mut queue = Queue::default();
        queue.insert(network(1), silent(1, 1), 1);
        queue.remove(network(1), silent(1, 1), 1);
        queue.remove(network(1), silent(1, 1), 1);
        assert!(queue.by_network.is_empty() && queue.by_size.is_empty());
        assert_eq!(queue.len(), 0);
    }
}
