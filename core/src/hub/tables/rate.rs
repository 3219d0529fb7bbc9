//! Token buckets.

use crate::hub::config::Rate;
use crate::time::Timestamp;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Returns how long it takes to get this many tokens.
fn nanos(tokens: u64, per_second: u32) -> u64 {
    tokens.saturating_mul(NANOS_PER_SECOND) / u64::from(per_second)
}

/// A token bucket in one number: the time at which it will be full again (the "generic cell rate
/// algorithm", ITU-T I.371). Taking tokens moves that time forward; nothing has to be refilled.
///
/// ```
/// use switchboard_core::{Bucket, Rate, Timestamp};
///
/// let rate = Rate { per_second: 10, burst: 2 };
/// let mut bucket = Bucket::default();
/// assert!(bucket.take(Timestamp::ZERO, 2, rate));
/// assert!(!bucket.take(Timestamp::ZERO, 1, rate));
/// assert!(bucket.take(Timestamp::from_millis(100), 1, rate));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Bucket {
    full_at_nanos: u64,
}

impl Bucket {
    /// Takes `amount` if the bucket holds that much. Returns whether it did. A rate of 0 is no
    /// limit: nothing is taken.
    pub fn take(&mut self, now: Timestamp, amount: usize, rate: Rate) -> bool {
        if rate.per_second == 0 {
            return true;
        }
        let now = now.as_micros().saturating_mul(1_000);
        let full_at = self.full_after(now, amount, rate);
        let fits = full_at - now <= nanos(rate.burst.into(), rate.per_second);
        if fits {
            self.full_at_nanos = full_at;
        }
        fits
    }

    /// Takes `amount` whether or not the bucket holds that much. If it does not, nothing more can be
    /// taken until what is missing has come in.
    pub fn charge(&mut self, now: Timestamp, amount: usize, rate: Rate) {
        if rate.per_second > 0 {
            let now = now.as_micros().saturating_mul(1_000);
            self.full_at_nanos = self.full_after(now, amount, rate);
        }
    }

    /// Returns when it would be full again if `amount` were taken, in nanoseconds.
    fn full_after(&self, now_nanos: u64, amount: usize, rate: Rate) -> u64 {
        self.full_at_nanos.max(now_nanos).saturating_add(nanos(amount as u64, rate.per_second))
    }

    /// Returns since or until when nothing is missing, rounded up.
    pub fn ready_at(&self, rate: Rate) -> Timestamp {
        if rate.per_second == 0 {
            return Timestamp::ZERO;
        }
        let burst = nanos(rate.burst.into(), rate.per_second);
        Timestamp::from_micros(self.full_at_nanos.saturating_sub(burst).div_ceil(1_000))
    }

    /// Returns whether the bucket is full.
    pub fn is_full(&self, now: Timestamp) -> bool {
        self.full_at_nanos <= now.as_micros().saturating_mul(1_000)
    }

    /// Returns when the bucket is full again if nothing more is taken, rounded up.
    pub fn full_at(&self) -> Timestamp {
        Timestamp::from_micros(self.full_at_nanos.div_ceil(1_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let rate = Rate { per_second: 10, burst: 3 };
        let mut bucket = Bucket::default();
        let start = Timestamp::from_millis(1_000);
        for _ in 0..3 {
            assert!(bucket.take(start, 1, rate));
        }
        assert!(!bucket.take(start, 1, rate));
        assert!(!bucket.take(Timestamp::from_millis(1_099), 1, rate));
        assert!(bucket.take(Timestamp::from_millis(1_100), 1, rate));
        assert!(!bucket.take(Timestamp::from_millis(1_100), 1, rate));
        assert!(!bucket.is_full(Timestamp::from_millis(1_399)));
        assert!(bucket.is_full(Timestamp::from_millis(1_400)));
    }

    #[test]
    fn what_is_charged_beyond_the_burst_is_owed() {
        let rate = Rate { per_second: 10, burst: 3 };
        let mut bucket = Bucket::default();
        let start = Timestamp::from_millis(1_000);
        bucket.charge(start, 3, rate);
        assert_eq!(bucket.ready_at(rate), start);
        bucket.charge(start, 2, rate);
        assert_eq!(bucket.ready_at(rate), Timestamp::from_millis(1_200));
        assert!(!bucket.take(Timestamp::from_millis(1_299), 1, rate));
        assert!(bucket.take(Timestamp::from_millis(1_300), 1, rate));
        assert_eq!(Bucket::default().ready_at(rate), Timestamp::ZERO);
        assert_eq!(Bucket::default().ready_at(Rate::NONE), Timestamp::ZERO);
    }

    #[test]
    fn a_rate_of_zero_is_no_limit() {
        let mut bucket = Bucket::default();
        assert!(bucket.take(Timestamp::ZERO, usize::MAX, Rate::NONE));
    }
}
