//! Durations as people write them: `30s`, `500ms`, `1m30s`, or a plain number of seconds.

use std::time::Duration;

/// What a duration looks like, for error texts.
pub(crate) const EXPECTED: &str =
    r#"expected a duration such as "30s", "500ms" or "1m30s", or a plain number of seconds"#;

const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a duration; milliseconds are the finest step.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return from_seconds(seconds);
    }
    let mut rest = text;
    let mut millis = 0_u64;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(digits(rest));
        let (unit, tail) =
            tail.split_at(tail.len() - tail.trim_start_matches(char::is_alphabetic).len());
        let scale = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale);
        millis = number
            .parse::<u64>()
            .ok()
            .zip(scale)
            .and_then(|(number, scale)| number.checked_mul(scale))
            .and_then(|part| millis.checked_add(part))
            .ok_or(EXPECTED)?;
        rest = tail;
    }
    if text.is_empty() { Err(EXPECTED.to_owned()) } else { Ok(Duration::from_millis(millis)) }
}

/// A plain number of seconds.
pub(crate) fn from_seconds(seconds: f64) -> Result<Duration, String> {
    let exact = Duration::try_from_secs_f64(seconds).map_err(|_| EXPECTED)?;
    let millis = u64::try_from((exact.as_micros() + 500) / 1_000).map_err(|_| EXPECTED)?;
    Ok(Duration::from_millis(millis))
}

/// Writes a duration the way `parse` reads it.
pub(crate) fn format(duration: Duration) -> String {
    let mut millis = duration.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, scale) in UNITS {
        let count = millis / u128::from(scale);
        millis %= u128::from(scale);
        if count > 0 {
            text += &format!("{count}{unit}");
        }
    }
    text
}

fn digits(text: &str) -> usize {
    text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_units_or_as_seconds() {
        for (text, millis) in [
            ("30s", 30_000),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
            ("2d", 172_800_000),
            ("45", 45_000),
            ("1.5", 1_500),
            ("0s", 0),
            ("0", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in
            ["", "s", "30 s", "-1", "-1s", "1x", "1s2", "NaN", "inf", "1.5s", "99999999999999999d"]
        {
            assert_eq!(parse(text), Err(EXPECTED.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_written_duration_reads_back_as_itself() {
        for millis in [0, 1, 999, 1_000, 90_000, 3_600_000, 86_400_000, 90_061_001] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse(&format(duration)), Ok(duration));
        }
        assert_eq!(format(Duration::from_secs(90)), "1m30s");
    }
}
