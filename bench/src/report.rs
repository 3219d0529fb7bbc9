//! The report of a run, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};

use serde::Serialize;

use crate::failure;
use crate::figures::{Percentiles, grouped, rounded, spell};
use crate::ledger::{Counts, Missing};
use crate::own::Generator;

/// The results of a run, to print ([`Display`]) or to serialize. Each figure means the same in all
/// scenarios; a scenario leaves out figures that do not apply.
#[derive(Serialize, Default, Debug)]
pub struct Report {
    pub(crate) scenario: String,
    pub(crate) server: String,
    pub(crate) setting: Setting,
    pub(crate) connections: Connections,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) traffic: Option<Traffic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) idle: Option<Idle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) slow: Option<Slow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) visits: Option<Visits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) generator: Option<Generator>,
    pub(crate) notes: Vec<String>,
    pub(crate) is_interrupted: bool,
    pub(crate) is_clean: bool,
}

#[derive(Serialize, Default, Debug)]
pub(crate) struct Setting {
    pub(crate) rooms: u32,
    pub(crate) members: u32,
    pub(crate) publishers: u32,
    pub(crate) bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) window: Option<u32>,
}

#[derive(Serialize, Default, Debug)]
pub(crate) struct Connections {
    pub(crate) opened: u64,
    pub(crate) seconds: f64,
    pub(crate) per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connect: Option<Percentiles>,
    /// Connections that never opened, by reason.
    pub(crate) failed: BTreeMap<String, u64>,
    /// Open connections that the server closed, by reason.
    pub(crate) ended: BTreeMap<String, u64>,
}

#[derive(Serialize, Default, Debug)]
pub(crate) struct Traffic {
    pub(crate) seconds: f64,
    pub(crate) published_per_second: f64,
    pub(crate) deliveries_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latency: Option<Percentiles>,
    /// From here on: of the whole run, including warm-up and late deliveries.
    pub(crate) published: u64,
    pub(crate) expected: u64,
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
    pub(crate) lost_with_connection: u64,
    pub(crate) repeated: u64,
    pub(crate) out_of_order: u64,
    pub(crate) misdelivered: u64,
    pub(crate) unsent: u64,
    pub(crate) stalled: u64,
}

#[derive(Serialize, Debug)]
pub(crate) struct Idle {
    pub(crate) seconds: f64,
    pub(crate) pings: u64,
    pub(crate) replies: u64,
}

#[derive(Serialize, Debug)]
pub(crate) struct Slow {
    pub(crate) members: u64,
    /// Latency of the other members while everyone read, and while some did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latency_before: Option<Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latency_during: Option<Percentiles>,
    pub(crate) delivered: u64,
    pub(crate) missed: u64,
    /// Slow members whose connection the server closed, by reason.
    pub(crate) ended: BTreeMap<String, u64>,
}

#[derive(Serialize, Debug)]
pub(crate) struct Visits {
    pub(crate) begun: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connect: Option<Percentiles>,
    /// Time from opening to the first message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_message: Option<Percentiles>,
    /// Time from our close frame to the server's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) goodbye: Option<Percentiles>,
}

impl Traffic {
    /// Returns the totals of a whole run.
    pub(crate) fn account(counts: Counts, expected: u64, missing: Missing) -> Self {
        Self {
            published: counts.published,
            expected,
            delivered: counts.delivered,
            lost: missing.lost,
            lost_with_connection: missing.ended,
            repeated: counts.repeated,
            out_of_order: counts.out_of_order,
            misdelivered: counts.misdelivered,
            unsent: counts.unsent,
            stalled: counts.stalled,
            ..Self::default()
        }
    }

    /// Adds the rates of the measured interval.
    pub(crate) fn measured(mut self, before: Counts, after: Counts, nanos: u64) -> Self {
        self.seconds = rounded(nanos as f64 / 1e9);
        let per_second =
            |from: u64, to: u64| rounded((to - from) as f64 / (nanos.max(1) as f64 / 1e9));
        self.published_per_second = per_second(before.published, after.published);
        self.deliveries_per_second = per_second(before.delivered, after.delivered);
        self
    }

    fn is_clean(&self) -> bool {
        [self.lost, self.lost_with_connection, self.repeated, self.out_of_order, self.misdelivered]
            == [0; 5]
    }
}

impl Report {
    /// Returns whether nothing was lost, repeated, out of order or in a wrong room, and no
    /// connection failed.
    pub fn is_clean(&self) -> bool {
        self.is_clean
    }

    /// Returns whether the run was stopped early.
    pub fn is_interrupted(&self) -> bool {
        self.is_interrupted
    }

    /// Decides whether the run was clean, and explains in the notes why it was not.
    pub(crate) fn conclude(&mut self, samples: &[String]) {
        let Connections { failed, ended, .. } = &self.connections;
        let no_traffic = Traffic::default();
        let traffic = self.traffic.as_ref().unwrap_or(&no_traffic);
        let visits_failed = self.visits.as_ref().map_or(0, |visits| visits.failed);
        self.is_clean =
            failed.is_empty() && ended.is_empty() && traffic.is_clean() && visits_failed == 0;
        if traffic.stalled > 0 {
            self.notes.push(format!(
                "{} messages were not delivered to everyone within a second; the closed loop \
                 continued without them",
                grouped(traffic.stalled)
            ));
        }
        if traffic.unsent > 0 {
            self.notes.push(format!(
                "{} messages were not sent: their publisher's connection was full or closed",
                grouped(traffic.unsent)
            ));
        }
        let reasons: BTreeMap<_, _> =
            failed.iter().chain(ended).map(|(why, n)| (why.clone(), *n)).collect();
        if !self.is_clean {
            let why = failure::explain(&reasons, samples);
            if !why.is_empty() {
                self.notes.push(why);
            }
        }
        self.notes.extend(self.generator.as_ref().and_then(Generator::warning));
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setting { rooms, members, publishers, bytes, rate, window } = &self.setting;
        writeln!(f, "{}: {}", self.scenario, self.server)?;
        if self.traffic.is_some() {
            let mut line = format!("{} × {}", count(*rooms, "room"), count(*members, "member"));
            write!(line, ", {publishers} publishing, {} bytes", grouped(*bytes as u64))?;
            if let Some(rate) = rate {
                let what = if self.visits.is_some() { "visitors" } else { "messages" };
                write!(line, ", {rate} {what}/s")?;
            }
            if let Some(window) = window {
                write!(line, ", {window} under way from each")?;
            }
            row(f, "load", &line)?;
        }
        self.connections.show(f)?;
        if let Some(Idle { seconds, pings, replies }) = &self.idle {
            let answered = format!("{} pings and {replies} messages answered", grouped(*pings));
            row(f, "idle", &format!("{seconds:.1} s, {answered}"))?;
        }
        if let Some(traffic) = &self.traffic {
            traffic.show(f)?;
        }
        if let Some(slow) = &self.slow {
            slow.show(f)?;
        }
        if let Some(visits) = &self.visits {
            visits.show(f)?;
        }
        if let Some(generator) = &self.generator {
            let mut line = format!("{:.0} % of a core", generator.cpu_percent);
            if generator.waited_percent >= 1.0 {
                write!(line, ", waited {:.0} % for one", generator.waited_percent)?;
            }
            if let Some(late) = generator.late_p99_us {
                write!(line, ", published at most {} late (p99)", spell(late))?;
            }
            row(f, "generator", &line)?;
        }
        if self.is_interrupted {
            row(f, "note", "interrupted: these are the figures until then")?;
        }
        for note in &self.notes {
            row(f, "note", note)?;
        }
        Ok(())
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    writeln!(f, "  {name:<13}{text}")
}

fn count(number: u32, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(number.into()))
}

fn times(times: &Percentiles) -> String {
    let Percentiles { p50_us, p90_us, p99_us, p999_us, max_us, .. } = times;
    let all =
        [("p50", p50_us), ("p90", p90_us), ("p99", p99_us), ("p99.9", p999_us), ("max", max_us)];
    all.map(|(name, us)| format!("{name} {}", spell(*us))).join("  ")
}

fn whole(value: f64) -> String {
    grouped(value.round() as u64)
}

impl Connections {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { opened, seconds, per_second, connect, failed, ended } = self;
        let mut line =
            format!("{} opened in {seconds:.2} s ({}/s)", grouped(*opened), whole(*per_second));
        for (name, reasons) in [("failed", failed), ("ended by the server", ended)] {
            let count: u64 = reasons.values().sum();
            if count > 0 {
                write!(line, ", {} {name}", grouped(count))?;
            }
        }
        row(f, "connections", &line)?;
        connect.as_ref().map_or(Ok(()), |connect| row(f, "connect", &times(connect)))
    }
}

impl Traffic {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.seconds > 0.0 {
            let (published, delivered) = (self.published_per_second, self.deliveries_per_second);
            let line = format!(
                "{}/s, {} deliveries/s, for {:.1} s",
                whole(published),
                whole(delivered),
                self.seconds
            );
            row(f, "messages", &line)?;
        }
        if let Some(latency) = &self.latency {
            row(f, "latency", &times(latency))?;
        }
        let Self {
            delivered, expected, lost, lost_with_connection, repeated, out_of_order, ..
        } = self;
        let mut line = format!(
            "{} of {}: {lost} lost, {repeated} repeated, {out_of_order} out of order",
            grouped(*delivered),
            grouped(*expected)
        );
        if *lost_with_connection > 0 {
            write!(
                line,
                ", {} to connections that the server ended",
                grouped(*lost_with_connection)
            )?;
        }
        if self.misdelivered > 0 {
            write!(line, ", {} to the wrong member", grouped(self.misdelivered))?;
        }
        row(f, "deliveries", &line)
    }
}

impl Slow {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, latency) in
            [("all read", &self.latency_before), ("some do not", &self.latency_during)]
        {
            if let Some(latency) = latency {
                row(f, name, &times(latency))?;
            }
        }
        let mut line = format!(
            "{}: {} deliveries, {} missed",
            self.members,
            grouped(self.delivered),
            grouped(self.missed)
        );
        if !self.ended.is_empty() {
            write!(line, ", {}", failure::list(&self.ended))?;
        }
        row(f, "slow ones", &line)
    }
}

impl Visits {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = format!(
            "{} of {} completed ({:.1}/s), {} failed",
            grouped(self.completed),
            grouped(self.begun),
            self.per_second,
            grouped(self.failed)
        );
        row(f, "visits", &line)?;
        for (name, latency) in [
            ("  connect", &self.connect),
            ("  message", &self.first_message),
            ("  goodbye", &self.goodbye),
        ] {
            if let Some(latency) = latency {
                row(f, name, &times(latency))?;
            }
        }
        Ok(())
    }
}
