//! Buckets that outlive what they were used by, until they are full again.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::time::Timestamp;

use super::rate::Bucket;

/// Entries that are kept; one more drops the fullest.
const MOST: usize = 100_000;

/// Something that is full again, and so like a new one, at a certain time.
pub trait Refills {
    /// Returns when it is full again if nothing more is taken.
    fn full_at(&self) -> Timestamp;
}

impl Refills for Bucket {
    fn full_at(&self) -> Timestamp {
        Bucket::full_at(self)
    }
}

/// What owners have used of their buckets. There are at most 100,000; one more drops the fullest,
/// because its owner loses least. Everything takes logarithmic time.
///
/// ```
/// use switchboard_core::{Bucket, Rate, Refilling, Timestamp};
///
/// let rate = Rate { per_second: 1, burst: 1 };
/// let mut bucket = Bucket::default();
/// assert!(bucket.take(Timestamp::ZERO, 1, rate));
/// let mut refilling = Refilling::default();
/// refilling.insert("alice", bucket);
/// assert_eq!(refilling.first_full_at(), Some(Timestamp::from_millis(1_000)));
/// assert_eq!(refilling.remove(&"alice"), Some(bucket));
/// ```
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "recording",
    serde(bound(deserialize = "K: Ord + serde::Deserialize<'de>, V: serde::Deserialize<'de>"))
)]
pub struct Refilling<K, V> {
    by_owner: BTreeMap<K, V>,
    /// The fullest first.
    by_time: BTreeSet<(Timestamp, K)>,
}

impl<K, V> Default for Refilling<K, V> {
    fn default() -> Self {
        Self { by_owner: BTreeMap::new(), by_time: BTreeSet::new() }
    }
}

impl<K: Ord + Clone, V: Refills> Refilling<K, V> {
    /// Keeps what an owner has left, in place of what was kept before. If there is one too many, the
    /// fullest is dropped, which can be this one.
    pub fn insert(&mut self, owner: K, value: V) {
        self.remove(&owner);
        self.by_time.insert((value.full_at(), owner.clone()));
        self.by_owner.insert(owner, value);
        if self.by_owner.len() > MOST {
            self.drop_fullest();
        }
    }

    /// Returns what is kept for an owner.
    pub fn get(&self, owner: &K) -> Option<&V> {
        self.by_owner.get(owner)
    }

    /// Takes out what is kept for an owner.
    pub fn remove(&mut self, owner: &K) -> Option<V> {
        let (owner, value) = self.by_owner.remove_entry(owner)?;
        self.by_time.remove(&(value.full_at(), owner));
        Some(value)
    }

    /// Returns when the fullest is full again.
    #[inline]
    pub fn first_full_at(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Drops the fullest.
    pub fn drop_fullest(&mut self) {
        if let Some((_, owner)) = self.by_time.pop_first() {
            self.by_owner.remove(&owner);
        }
    }

    /// Returns the number of owners.
    pub fn len(&self) -> usize {
        self.by_owner.len()
    }

    /// Returns whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.by_owner.is_empty()
    }

    /// Returns whether both orders have the same entries.
    #[cfg(feature = "recording")]
    pub(crate) fn is_whole(&self) -> bool {
        let listed =
            |(owner, value): (&K, &V)| self.by_time.contains(&(value.full_at(), owner.clone()));
        self.by_owner.len() == self.by_time.len() && self.by_owner.iter().all(listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::config::Rate;

    /// A bucket that is full again this many milliseconds after the start.
    fn used(millis: usize) -> Bucket {
        let mut bucket = Bucket::default();
        assert!(bucket.take(Timestamp::ZERO, millis, Rate { per_second: 1_000, burst: u32::MAX }));
        bucket
    }

    #[test]
    fn the_fullest_is_dropped_first() {
        let mut refilling = Refilling::default();
        for n in 0..MOST {
            refilling.insert(n, used(2 + n));
        }
        refilling.insert(1, used(MOST + 9));
        assert_eq!(refilling.len(), MOST, "this one was there");
        assert_eq!(refilling.first_full_at(), Some(Timestamp::from_millis(2)));
        refilling.insert(MOST, used(5_000));
        assert_eq!((refilling.len(), refilling.get(&0)), (MOST, None));
        assert_eq!(refilling.first_full_at(), Some(Timestamp::from_millis(4)));
        assert_eq!(refilling.remove(&1), Some(used(MOST + 9)));
    }

    #[test]
    fn nothing_is_left_of_what_is_taken_out() {
        let mut refilling = Refilling::default();
        refilling.insert('a', used(5));
        refilling.insert('a', used(7));
        assert_eq!(refilling.first_full_at(), Some(Timestamp::from_millis(7)));
        assert_eq!(refilling.remove(&'a'), Some(used(7)));
        assert_eq!(refilling.remove(&'a'), None);
        assert!(refilling.is_empty() && refilling.first_full_at().is_none());
    }
}
