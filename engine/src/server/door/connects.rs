//! How often each network has connected.

use switchboard_core::{Bucket, Network, Rate, Refilling, Timestamp};

/// A bucket for each network that has connected lately, until it is full again: that outlives the
/// connections.
#[derive(Default, Debug)]
pub(super) struct Connects(Refilling<Network, Bucket>);

impl Connects {
    /// Takes one connect. Returns whether it is within the rate.
    pub(super) fn take(&mut self, now: Timestamp, network: Network, rate: Rate) -> bool {
        if rate.per_second == 0 {
            return true;
        }
        while self.0.first_full_at().is_some_and(|at| at <= now) {
            self.0.drop_fullest();
        }
        let mut bucket = self.0.get(&network).copied().unwrap_or_default();
        let fits = bucket.take(now, 1, rate);
        if fits {
            self.0.insert(network, bucket);
        }
        fits
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
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
        for n in 0..100_000 {
            assert!(connects.take(Timestamp::from_micros(n.into()), network(n), RATE));
        }
        let now = Timestamp::from_micros(99_999);
        assert!(connects.take(now, network(1), RATE), "this one is not new");
        assert_eq!(connects.len(), 100_000);
        assert!(connects.take(now, network(u32::MAX), RATE));
        assert_eq!(connects.len(), 100_000);
        assert!(connects.0.get(&network(0)).is_none(), "it was the fullest");
        assert!(connects.0.get(&network(1)).is_some());
        assert!(connects.0.get(&network(2)).is_some());
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
