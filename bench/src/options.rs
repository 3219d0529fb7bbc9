//! The command's options, and the load they describe.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::SpanRelativeTo;
use jiff::fmt::friendly::SpanParser;

use crate::BenchError;
use crate::frame::MAX_MESSAGE;
use crate::load::Pace;
use crate::marker;
use crate::template::Template;

/// A kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    FanOut,
    Rooms,
    Echo,
    Connect,
    Idle,
    Slow,
    Churn,
}

/// How to load a server.
#[derive(Args, Debug)]
pub struct Options {
    /// Address of the server, such as ws://127.0.0.1:8080/ws/{room}, or wss
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// Scenario to run
    #[arg(value_enum, default_value = "fan-out", hide_possible_values = true)]
    pub(crate) scenario: Scenario,
    /// Connections in all (connect, idle, echo)
    #[arg(long, value_name = "N")]
    connections: Option<u32>,
    /// Rooms (fan-out, rooms, slow, churn)
    #[arg(long, value_name = "N")]
    rooms: Option<u32>,
    /// Members of each room (not in echo and churn)
    #[arg(long, value_name = "N")]
    members: Option<u32>,
    /// Members of each room that publish [default: all, up to 10]
    #[arg(long, value_name = "N")]
    publishers: Option<u32>,
    /// Members of each room that do not read in the second half (slow) [default: 1]
    #[arg(long, value_name = "N")]
    slow: Option<u32>,
    /// Messages a second, of all publishers together; visitors a second (churn)
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    rate: Option<f64>,
    /// Messages that each publisher keeps in flight, instead of a rate
    #[arg(long, value_name = "N", conflicts_with = "rate")]
    window: Option<u32>,
    /// Bytes of a payload, at least 43 [default: 128; 2,048 in slow]
    #[arg(long, value_name = "N")]
    bytes: Option<usize>,
    /// How long to measure
    #[arg(long, value_name = "TIME", default_value = "8s", value_parser = duration)]
    pub(crate) time: Duration,
    /// How long to publish before measuring
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub(crate) warmup: Duration,
    /// Connections to open concurrently
    #[arg(long, value_name = "N", default_value_t = 128)]
    at_once: u32,
    /// How long opening a connection may take, and other answers
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) patience: Duration,
    /// Template for the server: switchboard, plain, socket.io, or a file
    #[arg(long, value_name = "NAME", default_value = "switchboard")]
    template: String,
    /// Message that publishes {payload}, instead of the template's
    #[arg(long, value_name = "TEXT")]
    publish: Option<String>,
    /// Header to add to every request; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Subprotocol to ask for
    #[arg(long, value_name = "NAME")]
    subprotocol: Option<String>,
    /// Send binary messages
    #[arg(long)]
    binary: bool,
    /// File with the only certificate authorities (PEM) to trust
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Print one JSON object instead of the report
    #[arg(long)]
    pub json: bool,
}

/// The load of a scenario in numbers.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Plan {
    pub(crate) rooms: u32,
    pub(crate) members: u32,
    pub(crate) publishers: u32,
    /// Members of each room that do not read.
    pub(crate) slow: u32,
    /// Connections in all, except for visitors.
    pub(crate) connections: u32,
    pub(crate) bytes: usize,
    pub(crate) pace: Pace,
    pub(crate) at_once: usize,
}

/// Sequence numbers that the ledger may keep, one for each pair of listener and publisher in a
/// room.
const MAX_CELLS: u64 = 100_000_000;

impl Options {
    /// Returns the number of connections that are open at the same time, except for the visitors of
    /// the scenario `churn`.
    ///
    /// # Errors
    /// If the options contradict each other.
    pub fn connections(&self) -> Result<u32, BenchError> {
        Ok(self.plan()?.connections)
    }

    /// The template, with what the flags change.
    pub(crate) fn template(&self) -> Result<Template, String> {
        let mut template = Template::load(&self.template)?;
        if let Some(publish) = &self.publish {
            template.set_publish(publish).map_err(|why| format!("--publish: {why}"))?;
        }
        for header in &self.headers {
            template.add_header(header).map_err(|why| format!("--header: {why}"))?;
        }
        if let Some(name) = &self.subprotocol {
            template.set_subprotocol(name).map_err(|why| format!("--subprotocol: {why}"))?;
        }
        template.binary |= self.binary;
        Ok(template)
    }

    pub(crate) fn plan(&self) -> Result<Plan, String> {
        self.check_flags()?;
        let (rooms, members) = self.size();
        let default_rate = match self.scenario {
            Scenario::Slow => 400.0,
            Scenario::Churn => 100.0,
            Scenario::FanOut | Scenario::Rooms | Scenario::Echo => 1_000.0,
            Scenario::Connect | Scenario::Idle => 1.0,
        };
        let pace = match self.window {
            Some(window) => Pace::Window(window),
            None => Pace::Rate(self.rate.unwrap_or(default_rate)),
        };
        let slow = match self.scenario {
            Scenario::Slow => self.slow.unwrap_or(1),
            Scenario::FanOut
            | Scenario::Rooms
            | Scenario::Echo
            | Scenario::Connect
            | Scenario::Idle
            | Scenario::Churn => 0,
        };
        let able = members.saturating_sub(slow);
        let publishers = match self.scenario {
            Scenario::Connect | Scenario::Idle | Scenario::Churn | Scenario::Echo => 1,
            Scenario::FanOut | Scenario::Rooms | Scenario::Slow => {
                self.publishers.unwrap_or_else(|| able.min(10))
            }
        };
        let connections = match self.scenario {
            Scenario::Connect | Scenario::Idle => self.connections.unwrap_or(100),
            Scenario::FanOut
            | Scenario::Rooms
            | Scenario::Echo
            | Scenario::Slow
            | Scenario::Churn => rooms.saturating_mul(members),
        };
        let usual = if self.scenario == Scenario::Slow { 2_048 } else { 128 };
        let plan = Plan {
            rooms,
            members,
            publishers,
            slow,
            connections,
            bytes: self.bytes.unwrap_or(usual),
            pace,
            at_once: self.at_once.max(1) as usize,
        };
        check(&plan)?;
        Ok(plan)
    }

    fn size(&self) -> (u32, u32) {
        match self.scenario {
            Scenario::FanOut => (self.rooms.unwrap_or(10), self.members.unwrap_or(10)),
            Scenario::Rooms => (self.rooms.unwrap_or(100), self.members.unwrap_or(3)),
            Scenario::Slow => (self.rooms.unwrap_or(1), self.members.unwrap_or(10)),
            Scenario::Churn => (self.rooms.unwrap_or(10), 1),
            Scenario::Echo => (self.connections.unwrap_or(100), 1),
            Scenario::Connect | Scenario::Idle => {
                let members = self.members.unwrap_or(10);
                (self.connections.unwrap_or(100).div_ceil(members.max(1)), members)
            }
        }
    }

    /// Rejects flags that have no effect in this scenario.
    fn check_flags(&self) -> Result<(), String> {
        use Scenario::{Churn, Connect, Echo, FanOut, Idle, Rooms, Slow};
        let name = self.scenario.to_possible_value();
        let name = name.as_ref().map_or("this scenario", |value| value.get_name());
        for (flag, is_given, fits) in [
            ("connections", self.connections.is_some(), &[Connect, Idle, Echo][..]),
            ("rooms", self.rooms.is_some(), &[FanOut, Rooms, Slow, Churn]),
            ("members", self.members.is_some(), &[FanOut, Rooms, Slow, Connect, Idle]),
            ("publishers", self.publishers.is_some(), &[FanOut, Rooms, Slow]),
            ("slow", self.slow.is_some(), &[Slow]),
            ("rate", self.rate.is_some(), &[FanOut, Rooms, Slow, Echo, Churn]),
            ("window", self.window.is_some(), &[FanOut, Rooms, Slow, Echo]),
        ] {
            if is_given && !fits.contains(&self.scenario) {
                return Err(format!("--{flag} means nothing in {name}"));
            }
        }
        Ok(())
    }
}

fn check(plan: &Plan) -> Result<(), String> {
    let Plan { rooms, members, publishers, slow, connections, bytes, pace, .. } = *plan;
    if rooms == 0 || members == 0 || connections == 0 {
        return Err("there must be at least one room, with one member".to_owned());
    }
    if publishers == 0 || publishers.saturating_add(slow) > members {
        return Err(format!(
            "{publishers} publishers and {slow} slow members in a room of {members}: each room needs \
             one that publishes, and those that are slow do not"
        ));
    }
    let (least, most) = (marker::BYTES, MAX_MESSAGE / 2);
    if !(least..=most).contains(&bytes) {
        return Err(format!(
            "--bytes {bytes}: from {least}, which the marker takes, to {most} are possible"
        ));
    }
    if pace == Pace::Window(0) {
        return Err("--window 0: nothing would ever be published".to_owned());
    }
    if publishers > 1 && u64::from(connections) * u64::from(publishers) > MAX_CELLS {
        return Err(format!(
            "{connections} listeners of {publishers} publishers each are too many to keep account \
             of; set --publishers lower"
        ));
    }
    Ok(())
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.001..=1e9).contains(&rate) => Ok(rate),
        _ => Err("a number a second, from 0.001".to_owned()),
    }
}

/// Parses `8s`, `1m30s` or a plain number of seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let exact = match text.parse() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => {
            let days = SpanRelativeTo::days_are_24_hours();
            let span = SpanParser::new().parse_span(text).and_then(|span| span.to_duration(days));
            span.ok().and_then(|exact| exact.try_into().ok())
        }
    };
    exact.ok_or_else(|| {
        r#"expected a duration such as "30s", "500ms" or "1m30s", or a plain number of seconds"#
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn plan(line: &str) -> Result<Plan, String> {
        let words = ["bench", "ws://h/"].into_iter().chain(line.split_whitespace());
        Line::try_parse_from(words).map_err(|error| error.to_string())?.options.plan()
    }

    #[test]
    fn the_defaults_stay_within_the_limits_of_a_server() {
        for scenario in Scenario::value_variants() {
            let name = scenario.to_possible_value().unwrap();
            let plan = plan(name.get_name()).unwrap();
            assert!(plan.connections <= 500 && plan.members <= 10, "{plan:?}");
            let Pace::Rate(rate) = plan.pace else { panic!("{plan:?}") };
            if *scenario != Scenario::Churn {
                let each = rate / f64::from(plan.rooms * plan.publishers);
                assert!(each <= 45.0, "{plan:?}");
            }
        }
    }

    #[test]
    fn durations_have_units_or_are_seconds() {
        for (text, millis) in
            [("8", 8_000), ("0.5", 500), ("400ms", 400), ("1m30s", 90_000), ("0s", 0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(duration("2d"), Ok(Duration::from_hours(48)));
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        for (line, part) in [
            ("fan-out --connections 5", "--connections means nothing in fan-out"),
            ("connect --rate 5", "--rate means nothing in connect"),
            ("fan-out --slow 1", "--slow means nothing in fan-out"),
            ("fan-out --members 0", "at least one room"),
            ("fan-out --publishers 11", "11 publishers and 0 slow members in a room of 10"),
            ("slow --slow 10", "0 publishers and 10 slow members"),
            ("fan-out --bytes 42", "--bytes 42: from 43"),
            ("fan-out --window 0", "nothing would ever be published"),
            ("fan-out --window 1 --rate 5", "cannot be used with"),
            ("fan-out --rate 0", "from 0.001"),
            ("fan-out --rate x", "from 0.001"),
            ("fan-out --time x", "expected a duration"),
            ("fan-out --time=-1", "expected a duration"),
            ("fan-out --time=-1s", "expected a duration"),
            ("fan-out --rooms 1 --members 20000 --publishers 20000", "set --publishers lower"),
            ("nonsense", "fan-out"),
        ] {
            let said = plan(line).unwrap_err();
            assert!(said.contains(part), "{line}: {said}");
        }
        assert_eq!(plan("--bytes 43").unwrap().bytes, 43);
        assert_eq!(plan("connect --connections 15000").unwrap().rooms, 1_500);
    }
}
