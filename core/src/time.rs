//! Time as the core sees it: a number that the driver passes in.

use core::fmt;
use core::time::Duration;

/// A moment, in microseconds since the driver's start.
///
/// The core never reads a clock; the driver passes the time. All arithmetic saturates: a far
/// deadline becomes [`Timestamp::MAX`], an earlier time minus a later one is zero. Fractions of a
/// microsecond round up, so that no wait is shorter than requested, and only a wait of zero ends at
/// once.
///
/// ```
/// use core::time::Duration;
/// use switchboard_core::Timestamp;
///
/// let start = Timestamp::ZERO;
/// let later = start + Duration::from_millis(1_500);
/// assert_eq!(later.as_micros(), 1_500_000);
/// assert_eq!(later - start, Duration::from_millis(1_500));
/// assert_eq!(start - later, Duration::ZERO);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Timestamp(u64);

impl Timestamp {
    /// The driver's start.
    pub const ZERO: Self = Self(0);
    /// Later than anything that will happen: some 584,000 years after the start.
    pub const MAX: Self = Self(u64::MAX);

    /// Returns the moment this many microseconds after the start.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Returns the moment this many milliseconds after the start.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Returns the microseconds since the start.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Returns the whole milliseconds since the start.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000
    }

    /// Returns the first moment from this one on that is a multiple of this many whole
    /// microseconds, or this moment if `step` rounds to zero.
    pub(crate) fn at_next(self, step: Duration) -> Self {
        let step = u64::try_from(step.as_micros()).unwrap_or(u64::MAX);
        self.0.checked_next_multiple_of(step).map_or(self, Self)
    }
}

/// What the wall clock said, and when. From then on it is taken to run as the driver's clock does.
///
/// ```
/// use switchboard_core::{Timestamp, WallClock};
///
/// let clock = WallClock { at: Timestamp::from_millis(5_000), unix_ms: 1_790_000_000_000 };
/// assert_eq!(clock.unix_ms_at(Timestamp::from_millis(6_500)), 1_790_000_001_500);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct WallClock {
    /// When it was read.
    pub at: Timestamp,
    /// What it said, in milliseconds since the Unix epoch.
    pub unix_ms: u64,
}

impl WallClock {
    /// Returns what it says at a moment from `at` on, in milliseconds since the Unix epoch; earlier
    /// moments count as `at`.
    pub fn unix_ms_at(self, now: Timestamp) -> u64 {
        let since = Timestamp::ZERO + (now - self.at);
        self.unix_ms.saturating_add(since.as_millis())
    }
}

impl core::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let micros = duration.subsec_nanos().div_ceil(1_000).into();
        let all = duration.as_secs().saturating_mul(1_000_000).saturating_add(micros);
        Self(self.0.saturating_add(all))
    }
}

impl core::ops::Sub for Timestamp {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Timestamp::MAX + Duration::from_secs(1), Timestamp::MAX);
        assert_eq!(Timestamp::ZERO + Duration::MAX, Timestamp::MAX);
        assert_eq!(Timestamp::ZERO - Timestamp::MAX, Duration::ZERO);
        assert_eq!(Timestamp::from_millis(u64::MAX), Timestamp::MAX);
    }

    #[test]
    fn a_wall_clock_runs_from_when_it_was_read() {
        let clock = WallClock { at: Timestamp(1_500), unix_ms: 10 };
        let at = |micros| clock.unix_ms_at(Timestamp(micros));
        assert_eq!([0, 1_500, 2_499, 2_500].map(at), [10, 10, 10, 11]);
        let last = WallClock { unix_ms: u64::MAX, ..clock };
        assert_eq!(last.unix_ms_at(Timestamp::MAX), u64::MAX);
    }

    #[test]
    fn moments_come_at_multiples_of_a_step() {
        let next = |at, nanos| Timestamp(at).at_next(Duration::from_nanos(nanos)).0;
        assert_eq!([0, 1, 9, 10, 11].map(|at| next(at, 10_999)), [0, 10, 10, 10, 20]);
        assert_eq!((next(7, 999), next(u64::MAX, 2_000)), (7, u64::MAX));
    }

    #[test]
    fn no_wait_is_shorter_than_was_asked_for() {
        let after = |nanos| (Timestamp::ZERO + Duration::from_nanos(nanos)).as_micros();
        assert_eq!([0, 1, 1_000, 1_001, 999_999_999].map(after), [0, 1, 1, 2, 1_000_000]);
    }
}
