//! How long to wait before the next attempt.

use core::time::Duration;

/// Mulberry32: 32 bits of state, and easy to write the same way in every language. Not for secrets.
#[derive(Clone, Debug)]
struct Mulberry(u32);

impl Mulberry {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x6d2b_79f5);
        let mut t = self.0;
        t = (t ^ (t >> 15)).wrapping_mul(t | 1);
        t ^= t.wrapping_add((t ^ (t >> 7)).wrapping_mul(t | 61));
        t ^ (t >> 14)
    }
}

/// Counts consecutive failures and computes the waits from them.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    random: Mulberry,
    failures: u32,
    /// The delay that the server asked for.
    said: Option<Duration>,
}

impl Backoff {
    pub(super) fn new(seed: u32) -> Self {
        Self { random: Mulberry(seed), failures: 0, said: None }
    }

    /// Forgets earlier failures.
    pub(super) fn forgive(&mut self) {
        self.failures = 0;
    }

    /// Makes the next wait exactly this long, without counting a failure.
    pub(super) fn say(&mut self, wait: Option<Duration>) {
        self.said = wait;
    }

    pub(super) fn next(&mut self, min: Duration, max: Duration) -> Duration {
        if let Some(said) = self.said.take() {
            return said;
        }
        let doubled = min.as_millis().saturating_mul(1 << self.failures.min(64));
        self.failures = self.failures.saturating_add(1);
        let bound = doubled.min(max.as_millis());
        let wait = (u128::from(self.random.next()) * (bound + 1)) >> 32;
        Duration::from_millis(u64::try_from(wait).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_other_implementations() {
        let mut random = Mulberry(1);
        let draws = [random.next(), random.next(), random.next()];
        assert_eq!(draws, [2_693_262_067, 11_749_833, 2_265_367_787]);
    }

    #[test]
    fn a_long_row_of_failures_waits_no_longer_than_the_longest() {
        let mut backoff = Backoff::new(7);
        for _ in 0..100 {
            let wait = backoff.next(Duration::from_secs(1), Duration::from_secs(30));
            assert!(wait <= Duration::from_secs(30), "{wait:?}");
        }
        assert_eq!(backoff.next(Duration::ZERO, Duration::MAX), Duration::ZERO);
    }
}
