//! How often each network has connected.

use std::collections::{BTreeMap, BTreeSet};

use switchboard_core::{Bucket, Network, Rate, Timestamp};

/// Buckets that are kept; one more drops the fullest.
pub(super) const MOST_BUCKETS: usize = 100_000;

/// A bucket for each network that has connected lately, until it is full again: that outlives the
/// connections.
#[derive(Default, Debug)]
pub(super) struct Connects {
    buckets: BTreeMap<Network, Bucket>,
    /// The fullest first.
    by_end: BTreeSet<(Timestamp, Network)>,
}

impl Connects {
    /// Takes one connect. Returns whether it is within the rate.
    pub(super) fn take(&mut self, now: Timestamp, network: Network, rate: Rate) -> bool {
        if rate.per_second == 0 {
            return true;
        }
        while self.by_end.first().is_some_and(|(end, _)| *end <= now) {
            self.drop_fullest();
        }
        let mut bucket = self.buckets.get(&network).copied().unwrap_or_default();
        let end = bucket.full_at();
        if !bucket.take(now, 1, rate) {
            return false;
        }
        self.by_end.remove(&(end, network));
        if !self.buckets.contains_key(&network) && self.buckets.len() >= MOST_BUCKETS {
            self.drop_fullest();
        }
        self.buckets.insert(network, bucket);
        self.by_end.insert((bucket.full_at(), network));
        true
    }

    fn drop_fullest(&mut self) {
        if let Some((_, network)) = self.by_end.pop_first() {
            self.buckets.remove(&network);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.buckets.len(), self.by_end.len(), "both orders have the same networks");
        self.buckets.len()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use super::*;

    const RATE: Rate = Rate { per_second: 10, burst: 2 };

    fn network(n: u32) -> Network {
        Network::from(IpAddr::from(n.to_be_bytes()))
    }

    #[test]
    fn a_bucket_is_kept_until_it_is_full() {
        let mut connects = Connects::default();
        let start = Timestamp::from_millis(1_000);
        assert!(connects.take(start, network(1), RATE));
        assert!(connects.take(start, network(1), RATE));
        assert!(!connects.take(start, network(1), RATE));
        assert!(connects.take(start + Duration::from_millis(199), network(2), RATE));
        assert_eq!(connects.len(), 2);
        assert!(connects.take(start + Duration::from_millis(200), network(2), RATE));
        assert_eq!(connects.len(), 1, "that of the first network is full again");
    }

    #[test]
    fn there_are_at_most_so_many_and_the_fullest_is_dropped_first() {
        let mut connects = Connects::default();
        for n in 0..u32::try_from(MOST_BUCKETS).expect("it fits") {
            assert!(connects.take(Timestamp::from_micros(n.into()), network(n), RATE));
        }
        let now = Timestamp::from_micros(99_999);
        assert!(connects.take(now, network(1), RATE), "this one is not new");
        assert_eq!(connects.len(), MOST_BUCKETS);
        assert!(connects.take(now, network(u32::MAX), RATE));
        assert_eq!(connects.len(), MOST_BUCKETS);
        assert!(!connects.buckets.contains_key(&network(0)), "it was the fullest");
        assert!(connects.buckets.contains_key(&network(1)));
        assert!(connects.buckets.contains_key(&network(2)));
    }

    #[test]
    fn without_a_rate_nothing_is_kept() {
        let mut connects = Connects::default();
        for _ in 0..1_000 {
            assert!(connects.take(Timestamp::ZERO, network(1), Rate::NONE));
        }
        assert_eq!(connects.len(), 0);
    }
}
