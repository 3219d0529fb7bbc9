//! A load generator: it loads any WebSocket server, checks every delivery, and says how long they take.

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
mod poll;
mod progress;
mod report;
mod scenario;
mod target;
mod template;
mod text;
mod upgrade;
mod visits;

use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::process::ExitCode;

use clap::ValueEnum;

use crate::os;
use crowd::Crowd;
use ledger::Ledger;
pub(crate) use options::{HELP, Options};
use options::{Plan, Scenario};
use progress::{Progress, Stop};
use report::Report;
use scenario::{Lengths, Run};
use target::Target;

/// Something was lost, repeated, out of order or in a wrong room, or a connection failed.
const NOT_CLEAN: u8 = 3;

/// Ended by Ctrl-C, as shells have it.
const INTERRUPTED: u8 = 130;

pub(crate) fn bench(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let stop = Stop::on_signals()?;
    let report = measure(options, stop)?;
    let text = if options.json {
        format!("{}\n", serde_json::to_string(&report)?)
    } else {
        report.to_string()
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(match (report.is_clean, report.is_interrupted) {
        (false, _) => ExitCode::from(NOT_CLEAN),
        (true, true) => ExitCode::from(INTERRUPTED),
        (true, false) => ExitCode::SUCCESS,
    })
}

fn measure(options: &Options, stop: Stop) -> Result<Report, String> {
    let plan = options.plan()?;
    check_open_files(&plan)?;
    let number = RandomState::new().hash_one(std::process::id()) % u64::from(marker::RUNS);
    let run = u16::try_from(number).unwrap_or_default();
    let template = options.template()?;
    let target = Target::new(&options.url, template, options.ca.as_deref(), run)?;
    let needs_rooms = plan.rooms > 1 && options.scenario != Scenario::Connect;
    if needs_rooms && !target.names_rooms() {
        return Err(format!(
            "{} rooms, but neither the address nor the template names one: put {{room}} into the \
             address (as in ws://HOST/ws/{{room}}), or ask for --rooms 1",
            plan.rooms
        ));
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
    Run { scenario, plan, lengths, target: &target, crowd, ledger, stop, progress, report }
        .measure()
}

/// Every connection is an open file.
fn check_open_files(plan: &Plan) -> Result<(), String> {
    let files = os::raise_open_files()
        .map_err(|error| format!("the limit on open files cannot be raised: {error}"))?;
    files
        .suffice_for(plan.connections as usize)
        .map_err(|shortage| format!("{shortage} or ask for no more than {}", files.most()))
}
