//! The load generator's own resource use: whether a figure measures the server or the generator.

use std::fs;

use serde::Serialize;

use crate::figures::{Times, rounded, spell};

/// Per cent of a core beyond which the generator is the bottleneck.
const FULL: f64 = 90.0;

/// Microseconds of lateness that are worth a warning.
const LATE: f64 = 1_000.0;

/// Nanoseconds that this thread ran, and that it waited for a processor.
#[derive(Clone, Copy)]
pub(crate) struct Used {
    processor: u64,
    waited: u64,
}

impl Used {
    /// Returns `None` where the system does not report it.
    pub(crate) fn so_far() -> Option<Self> {
        let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        let mut numbers = text.split_whitespace().map(str::parse);
        Some(Self { processor: numbers.next()?.ok()?, waited: numbers.next()?.ok()? })
    }
}

/// The generator's influence on the figures.
#[derive(Clone, Serialize, PartialEq, Debug)]
pub(crate) struct Generator {
    /// Per cent of one core that it used.
    pub(crate) cpu_percent: f64,
    /// Per cent of the time that it was ready but another thread ran on its core.
    pub(crate) waited_percent: f64,
    /// 99th percentile of how late messages were published; only at a fixed rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) late_p99_us: Option<f64>,
    pub(crate) is_bottleneck: bool,
    #[serde(skip)]
    pub(crate) latency_p99_us: f64,
}

impl Generator {
    pub(crate) fn new(
        before: Option<Used>,
        after: Option<Used>,
        nanos: u64,
        lateness: &Times,
        latency_p99_us: f64,
    ) -> Self {
        let percent = |from: u64, to: u64| {
            rounded(to.saturating_sub(from) as f64 / nanos.max(1) as f64 * 100.0)
        };
        let used = before.zip(after);
        let cpu_percent = used.map_or(0.0, |(from, to)| percent(from.processor, to.processor));
        let waited_percent = used.map_or(0.0, |(from, to)| percent(from.waited, to.waited));
        let late_p99_us = lateness.percentiles().map(|times| times.p99_us);
        // The lateness is a noticeable part of the latency.
        let is_late = late_p99_us.is_some_and(|late| late > LATE && late > latency_p99_us / 10.0);
        let is_bottleneck = cpu_percent + waited_percent >= FULL || is_late;
        Self { cpu_percent, waited_percent, late_p99_us, is_bottleneck, latency_p99_us }
    }

    /// Returns a warning if the figures do not measure the server alone.
    pub(crate) fn warning(&self) -> Option<String> {
        if !self.is_bottleneck {
            return None;
        }
        let Self { cpu_percent, waited_percent, late_p99_us, .. } = self;
        let mut why = if cpu_percent + waited_percent >= FULL {
            format!("it used {cpu_percent:.0} % of a core and waited {waited_percent:.0} % for one")
        } else {
            let late = spell(late_p99_us.unwrap_or_default());
            format!("it published up to {late} behind its schedule (p99)")
        };
        let has_time = cpu_percent + waited_percent < FULL;
        why.push_str(if has_time || *waited_percent > 10.0 {
            "; something else runs on its core: give both programs a core of their own"
        } else {
            "; lower --rate or --window, or share the load between several"
        });
        Some(format!("the load generator itself is the bottleneck: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generator(processor: u64, waited: u64, late: u64, p99: f64) -> Generator {
        let used = |processor, waited| Some(Used { processor, waited });
        let mut lateness = Times::default();
        lateness.record(late);
        Generator::new(used(5, 5), used(5 + processor, 5 + waited), 1_000_000, &lateness, p99)
    }

    #[test]
    fn a_generator_that_has_no_time_says_so() {
        let idle = generator(500_000, 100_000, 10_000, 100.0);
        assert_eq!((idle.cpu_percent, idle.waited_percent), (50.0, 10.0));
        assert_eq!(idle.warning(), None);
        let full = generator(900_000, 0, 0, 100.0).warning().unwrap();
        assert!(full.contains("90 % of a core and waited 0 % for one; lower --rate"), "{full}");
        let crowded = generator(300_000, 650_000, 0, 100.0).warning().unwrap();
        assert!(crowded.contains("something else runs on its core"), "{crowded}");
    }

    #[test]
    fn lateness_matters_where_it_is_part_of_the_latency() {
        let late = generator(1, 1, 5_000_000, 20_000.0).warning().unwrap();
        assert!(late.contains("behind its schedule"), "{late}");
        assert_eq!(generator(1, 1, 5_000_000, 60_000.0).warning(), None);
        assert_eq!(generator(1, 1, 900_000, 100.0).warning(), None);
    }

    #[test]
    fn the_system_tells_what_was_used() {
        let before = Used::so_far().unwrap();
        let mut sum = 0_u64;
        while Used::so_far().unwrap().processor < before.processor + 1_000_000 {
            sum = sum.wrapping_add(before.waited);
        }
        assert!(Used::so_far().unwrap().waited >= before.waited, "{sum}");
    }
}
