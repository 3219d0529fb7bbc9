//! When something was.

use std::time::Duration;

use switchboard_core::{Hub, Timestamp};

use crate::cli::Until;

const DAY: u64 = 86_400_000_000;

/// What a hub's times are on the wall.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// Microseconds from the Unix epoch to the server's start.
    start: u64,
}

impl Moment {
    pub(super) fn of(hub: &Hub) -> Self {
        Self { start: hub.config().unix_ms_at_start.saturating_mul(1_000) }
    }

    /// The moment that is meant; of times of day, the first from `begin` on.
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

    /// The date and the time of day in UTC, and the time since the start.
    pub(super) fn show(self, at: Timestamp) -> String {
        let micros = self.start.saturating_add(at.as_micros());
        let (year, month, day) = date(micros / DAY);
        let (seconds, millis) = (micros % DAY / 1_000_000, micros % 1_000_000 / 1_000);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        let since = at.as_micros() as f64 / 1e6;
        format!(
            "{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{millis:03} {since:>+12.6}s"
        )
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Year, month and day of a day since 1970-01-01. A year is counted from March, so that the odd day is its last; 400 years have
/// 146,097 days.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (58, (1970, 2, 28)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_819, (2027, 1, 1)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(date(days), expected, "{days}");
        }
    }

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
