//! Times of events.

use std::time::Duration;

use switchboard_core::{Hub, Timestamp};

use crate::cli::Until;

const DAY: u64 = 86_400_000_000;

/// Converts a hub's time to wall-clock time.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// Microseconds from the Unix epoch to the server's start.
    start: u64,
}

impl Moment {
    pub(super) fn of(hub: &Hub) -> Self {
        Self { start: hub.config().unix_ms_at_start.saturating_mul(1_000) }
    }

    /// Returns the moment that is meant; for a time of day, the first one from `begin` on.
    pub(super) fn find(self, until: Until, begin: Timestamp) -> Timestamp {
        match until {
            Until::After(time) => Timestamp::ZERO + time,
            Until::TimeOfDay(time) => {
                let begins = self.start.saturating_add(begin.as_micros());
                let wanted = (begins - begins % DAY).saturating_add(micros(time));
                let wanted = if wanted < begins { wanted.saturating_add(DAY) } else { wanted };
                Timestamp::from_micros(wanted.saturating_sub(self.start))
            }
        }
    }

    /// Formats date and time of day in UTC, and the time since the start.
    pub(super) fn show(self, at: Timestamp) -> String {
        let micros = self.start.saturating_add(at.as_micros());
        let micros = i64::try_from(micros).unwrap_or(i64::MAX);
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
        let moment = Moment { start: 1_795_906_800_000_000 };
        assert_eq!(
            moment.show(Timestamp::from_millis(1_500)),
            "2026-11-28 23:00:01.500    +1.500000s"
        );
        let at = |hours: u64| Until::TimeOfDay(Duration::from_secs(hours * 3_600));
        let hours = |hours: u64| Timestamp::from_millis(hours * 3_600_000);
        assert_eq!(moment.find(at(23), Timestamp::ZERO), Timestamp::ZERO);
        assert_eq!(moment.find(at(1), Timestamp::ZERO), hours(2));
        assert_eq!(moment.find(at(23), hours(1)), hours(24));
        let after = Until::After(Duration::from_secs(90));
        assert_eq!(moment.find(after, hours(1)), Timestamp::from_millis(90_000));
    }
}
