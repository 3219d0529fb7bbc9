//! A load generator for WebSocket servers. It checks every delivery and measures its latency.
//!
//! [`Options`] is the command line of `switchboard bench`; [`measure`] runs one scenario and
//! returns its [`Report`].

mod connection;
mod crowd;
mod failure;
mod figures;
mod frame;
mod ledger;
mod load;
mod marker;
mod options;
mod own;
mod progress;
mod report;
mod scenario;
mod target;
mod template;
mod text;
mod visits;

use std::error::Error;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::ValueEnum;

use crowd::Crowd;
use ledger::Ledger;
pub use options::Options;
use options::Scenario;
use progress::Progress;
pub use report::Report;
use scenario::{Lengths, Run};
use target::Target;

/// Why nothing could be measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BenchError(String);

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for BenchError {}

impl From<String> for BenchError {
    fn from(why: String) -> Self {
        Self(why)
    }
}

/// Loads the server until the scenario is over, or shortly after `stop` is set. Shows progress on
/// stderr if that is a terminal.
///
/// Every connection is an open file; the caller must raise the limit to at least
/// [`Options::connections`].
///
/// # Errors
/// If the options contradict each other, the server cannot be reached, or too few connections open.
pub fn measure(options: &Options, stop: Arc<AtomicBool>) -> Result<Report, BenchError> {
    let plan = options.plan()?;
    let number = RandomState::new().hash_one(std::process::id()) % u64::from(marker::RUNS);
    let run = u16::try_from(number).unwrap_or_default();
    let template = options.template()?;
    let target = Target::new(&options.url, template, options.ca.as_deref(), run)?;
    let needs_rooms = plan.rooms > 1 && options.scenario != Scenario::Connect;
    if needs_rooms && !target.names_rooms() {
        return Err(BenchError(format!(
            "{} rooms, but neither the address nor the template names one: put {{room}} into the \
             address (as in ws://HOST/ws/{{room}}), or ask for --rooms 1",
            plan.rooms
        )));
    }
    let name = options.scenario.to_possible_value();
    let name = name.map(|value| value.get_name().to_owned()).unwrap_or_default();
    let report = Report { scenario: name, server: target.to_string(), ..Report::default() };
    let crowd = Crowd::new(&target, options.patience)
        .map_err(|error| format!("the sockets cannot be watched: {error}"))?;
    let wants_news = options.scenario == Scenario::Churn;
    let ledger = Ledger::new(run, target.template.echo, wants_news);
    let lengths =
        Lengths { warmup: options.warmup, time: options.time, patience: options.patience };
    let scenario = options.scenario;
    let progress = Progress::new();
    let run =
        Run { scenario, plan, lengths, target: &target, crowd, ledger, stop, progress, report };
    Ok(run.measure()?)
}
