//! Durations in their human form: `30s`, `500ms`, `1m30s`, or a plain number of seconds.

use std::time::Duration;

use jiff::fmt::friendly::{Spacing, SpanParser, SpanPrinter};
use jiff::{SignedDuration, Span, SpanRelativeTo, SpanRound, Unit};

/// The expected form, for error texts.
pub(crate) const EXPECTED: &str =
    r#"expected a duration such as "30s", "500ms" or "1m30s", or a plain number of seconds"#;

/// Parses a duration, in steps of a millisecond.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) => from_seconds(seconds),
        Err(_) => from_units(text).ok_or_else(|| EXPECTED.to_owned()),
    }
}

/// Parses a plain number of seconds, rounded to milliseconds.
pub(crate) fn from_seconds(seconds: f64) -> Result<Duration, String> {
    let exact = Duration::try_from_secs_f64(seconds).map_err(|_| EXPECTED)?;
    in_millis(exact).ok_or_else(|| EXPECTED.to_owned())
}

/// Parses whole numbers with units, the largest unit first. jiff alone would also accept signs,
/// spaces and fractions.
fn from_units(text: &str) -> Option<Duration> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let span = SpanParser::new().parse_span(text).ok().filter(|_| is_plain)?;
    let exact = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?.try_into().ok()?;
    in_millis(exact).filter(|rounded| *rounded == exact)
}

/// Rounds to milliseconds. Returns `None` for more than a span can hold, 19,998 years.
fn in_millis(exact: Duration) -> Option<Duration> {
    let rounded = SignedDuration::try_from(exact).ok()?.round(Unit::Millisecond).ok()?;
    Span::try_from(rounded).ok()?;
    rounded.try_into().ok()
}

/// Formats a duration in the form that `parse` reads.
pub(crate) fn format(duration: Duration) -> String {
    let printer = SpanPrinter::new().spacing(Spacing::None);
    let in_days = SpanRound::new().largest(Unit::Day).days_are_24_hours();
    match Span::try_from(duration).and_then(|span| span.round(in_days)) {
        Ok(span) => printer.span_to_string(&span),
        // Longer than any that `parse` returns.
        Err(_) => printer.unsigned_duration_to_string(&duration),
    }
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
        for text in [
            "",
            "s",
            "30 s",
            "-1",
            "-1s",
            "1x",
            "1s2",
            "NaN",
            "inf",
            "1.5s",
            "99999999999999999d",
            "1us",
            "30s1m",
            "1m1m",
        ] {
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
