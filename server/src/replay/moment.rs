//! Times of events.

use std::time::Duration;

use switchboard_core::{Hub, Timestamp, WallClock};

use crate::cli::Until;

const DAY: u64 = 86_400_000_000;

/// Converts a hub's time to wall-clock time, as long as the wall clock is not set.
#[derive(Clone, Copy)]
pub(super) struct Moment(WallClock);

impl Moment {
    pub(super) fn of(hub: &Hub) -> Self {
        Self(hub.wall_clock())
    }

    /// Returns microseconds since the Unix epoch.
    fn wall(self, at: Timestamp) -> u64 {
        let Self(clock) = self;
        clock.unix_ms.saturating_mul(1_000).saturating_add(micros(at - clock.at))
    }

    /// Returns the moment that is meant; for a time of day, the first one from `begin` on.
    pub(super) fn find(self, until: Until, begin: Timestamp) -> Timestamp {
        match until {
            Until::After(time) => Timestamp::ZERO + time,
            Until::TimeOfDay(time) => {
                let begins = self.wall(begin);
                let wanted = (begins - begins % DAY).saturating_add(micros(time));
                let wanted = if wanted < begins { wanted.saturating_add(DAY) } else { wanted };
                Timestamp::from_micros(begin.as_micros().saturating_add(wanted - begins))
            }
        }
    }

    /// Formats date and time of day in UTC, and the time since the start.
    pub(super) fn show(self, at: Timestamp) -> String {
        let micros = i64::try_from(self.wall(at)).unwrap_or(i64::MAX);
        let wall = jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX);
        let since = at.as_micros() as f64 / 1e6;
        format!("{} {since:>+12.6}s", wall.strftime("%F %T.%3f"))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_the_first_one_of_the_recording() {
        // 2026-11-28 23:00:00 UTC.
        let clock = WallClock { at: Timestamp::ZERO, unix_ms: 1_795_906_800_000 };
        let moment = Moment(clock);
        assert_eq!(
            moment.show(Timestamp::from_millis(1_500)),
            "2026-11-28 23:00:01.500    +1.500000s"
        );
        let at = |hours: u64| Until::TimeOfDay(Duration::from_secs(hours * 3_600));
        let hours = |hours: u64| Timestamp::from_millis(hours * 3_600_000);
        assert_eq!(moment.find(at(23), Timestamp::ZERO), Timestamp::ZERO);
        assert_eq!(moment.find(at(1), Timestamp::ZERO), hours(2));
        assert_eq!(moment.find(at(23), hours(1)), hours(24));
        // Two hours later the clock was set to half past three.
        let clock = WallClock { at: hours(2), unix_ms: 1_795_923_000_000 };
        let moment = Moment(clock);
        assert_eq!(moment.show(hours(3)), "2026-11-29 04:30:00.000 +10800.000000s");
        assert_eq!(moment.find(at(5), hours(3)), Timestamp::from_millis(3 * 3_600_000 + 1_800_000));
        let after = Until::After(Duration::from_secs(90));
        assert_eq!(moment.find(after, hours(1)), Timestamp::from_millis(90_000));
    }
}
