//! Durations and how to print them.

use hdrhistogram::Histogram;
use serde::Serialize;

/// A histogram of durations in nanoseconds, with an error of less than one per cent.
pub(crate) struct Times {
    all: Histogram<u64>,
    /// The exact maximum.
    longest: u64,
}

/// Percentiles in microseconds.
#[derive(Clone, Copy, Serialize, PartialEq, Debug)]
pub(crate) struct Percentiles {
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
    pub(crate) samples: u64,
}

impl Default for Times {
    #[expect(clippy::expect_used, reason = "cannot fail with this constant")]
    fn default() -> Self {
        let all = Histogram::new(2).expect("two digits are possible");
        Self { all, longest: 0 }
    }
}

impl Times {
    pub(crate) fn record(&mut self, nanos: u64) {
        // It grows as needed; only a lack of memory could make this fail.
        let _ = self.all.record(nanos);
        self.longest = self.longest.max(nanos);
    }

    pub(crate) fn clear(&mut self) {
        self.all.reset();
        self.longest = 0;
    }

    /// Returns `None` if nothing was recorded.
    pub(crate) fn percentiles(&self) -> Option<Percentiles> {
        if self.all.is_empty() {
            return None;
        }
        let at = |quantile| tenths(self.all.value_at_quantile(quantile).min(self.longest));
        Some(Percentiles {
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: tenths(self.longest),
            samples: self.all.len(),
        })
    }
}

/// Converts to microseconds with one decimal.
fn tenths(nanos: u64) -> f64 {
    (nanos as f64 / 100.0).round() / 10.0
}

/// Rounds to three decimals, for JSON.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// Formats microseconds in a suitable unit.
pub(crate) fn spell(us: f64) -> String {
    if us < 1_000.0 {
        format!("{us:.0} us")
    } else if us < 100_000.0 {
        format!("{:.2} ms", us / 1e3)
    } else if us < 1_000_000.0 {
        format!("{:.0} ms", us / 1e3)
    } else {
        format!("{:.2} s", us / 1e6)
    }
}

/// Formats a number with thousands separators.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_known_times() {
        let mut times = Times::default();
        assert_eq!(times.percentiles(), None);
        for us in 1..=1_000 {
            times.record(us * 1_000);
        }
        let Percentiles { p50_us, p90_us, p99_us, p999_us, max_us, samples } =
            times.percentiles().unwrap();
        for (found, exact) in [(p50_us, 500.0), (p90_us, 900.0), (p99_us, 990.0), (p999_us, 999.0)]
        {
            assert!((found - exact).abs() <= exact / 100.0, "{found} for {exact}");
        }
        assert_eq!((max_us, samples), (1_000.0, 1_000));
        times.record(u64::MAX / 4);
        assert!(times.percentiles().unwrap().max_us > 1e12);
        times.clear();
        assert_eq!(times.percentiles(), None);
    }

    #[test]
    fn figures_are_readable() {
        assert_eq!([7, 1_000, 1_234_567].map(grouped), ["7", "1,000", "1,234,567"]);
        assert_eq!(
            [12.3, 1_500.0, 120_000.0, 2_500_000.0].map(spell),
            ["12 us", "1.50 ms", "120 ms", "2.50 s"]
        );
    }
}
