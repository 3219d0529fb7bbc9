//! The load generator against servers that misbehave on purpose, use TLS, or while it is told to
//! stop.
#![cfg(test)]

mod faulty;
mod secure;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, fs, thread};

use clap::Parser;
use faulty::{Faults, Faulty};
use serde_json::{Value, json};
use switchboard_bench::{BenchError, Options, Report};

/// Far longer than anything here should take.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

fn measure(url: &str, arguments: &str, stop: Arc<AtomicBool>) -> Result<Report, BenchError> {
    let words = ["bench", url].into_iter().chain(arguments.split_whitespace());
    switchboard_bench::measure(&Line::parse_from(words).options, stop)
}

fn measured(url: &str, arguments: &str) -> (Value, Report) {
    let report = measure(url, arguments, Arc::default()).unwrap();
    (serde_json::to_value(&report).unwrap(), report)
}

#[test]
fn what_a_server_loses_repeats_and_swaps_is_counted_exactly() {
    let server = Faulty::start(false);
    let arguments = "fan-out --template plain --rooms 1 --members 4 --bytes 43 --rate 800 \
                     --time 600ms --warmup 200ms";
    let (report, printed) = measured(&server.url(), arguments);
    let Faults { lost, repeated, swapped, strange } = server.faults();
    assert!(lost > 50 && repeated > 50 && swapped > 50 && strange > 0, "{:?}", server.faults());
    let traffic = &report["traffic"];
    for (name, count) in [
        ("lost", lost),
        ("repeated", repeated),
        ("out_of_order", swapped),
        ("misdelivered", strange),
        ("lost_with_connection", 0),
    ] {
        assert_eq!(traffic[name], count, "{name}: {report}");
    }
    let expected = traffic["published"].as_u64().unwrap() * 4;
    assert_eq!(traffic["expected"], expected);
    assert_eq!(traffic["delivered"], expected - lost);
    assert_eq!((printed.is_clean(), &report["is_clean"]), (false, &json!(false)));

    let text = printed.to_string();
    let line = text.lines().find(|line| line.contains("deliveries   ")).unwrap();
    assert!(line.contains(" lost, ") && !line.contains(" 0 lost"), "{text}");
}

#[test]
fn a_closed_loop_goes_on_when_something_is_lost() {
    let server = Faulty::start(false);
    let arguments = "fan-out --template plain --rooms 1 --members 2 --bytes 43 --window 20 \
                     --time 1500ms --warmup 0s";
    let (report, printed) = measured(&server.url(), arguments);
    assert!(!printed.is_clean());
    assert!(report["traffic"]["stalled"].as_u64() > Some(0), "{report}");
    assert_eq!(report["traffic"]["lost"], server.faults().lost, "{report}");
}

#[test]
fn a_run_that_is_stopped_has_a_report() {
    let server = Faulty::start(true);
    let url = server.url();
    let arguments = "fan-out --template plain --rooms 1 --members 3 --bytes 43 --time 1h";
    let stop = Arc::<AtomicBool>::default();
    let run = thread::spawn({
        let stop = stop.clone();
        move || measure(&url, arguments, stop).unwrap()
    });
    server.wait_for(1_500, PATIENCE);
    stop.store(true, Ordering::Relaxed);
    let report = run.join().unwrap();
    assert!(report.is_interrupted());
    let report = serde_json::to_value(&report).unwrap();
    assert_eq!(report["is_interrupted"], true);
    let traffic = &report["traffic"];
    assert!(traffic["published"].as_u64() >= Some(1_500), "{report}");
    assert_eq!(traffic["delivered"], traffic["expected"], "{report}");
    assert!(traffic["latency"]["samples"].as_u64() > Some(0), "{report}");
}

#[test]
fn a_server_behind_tls_is_loaded_as_well() {
    let (authority, url) = secure::echo_server();
    let file = env::temp_dir().join(format!("switchboard-{}-bench-ca.pem", std::process::id()));
    fs::write(&file, authority).unwrap();
    let path = file.to_str().unwrap();
    let arguments =
        "echo --template plain --connections 3 --rate 200 --bytes 9000 --time 300ms --warmup 0s";
    let url = format!("{url}/{{room}}");
    let (report, printed) = measured(&url, &format!("{arguments} --ca {path}"));
    fs::remove_file(&file).unwrap();
    assert!(printed.is_clean(), "{report}");
    let traffic = &report["traffic"];
    assert_eq!(traffic["delivered"], traffic["expected"], "{report}");
    assert_ne!(traffic["delivered"], 0, "{report}");
    assert_eq!(report["connections"]["opened"], 3);
    // The certificate is not trusted without the authority.
    let said = measure(&url, arguments, Arc::default()).unwrap_err().to_string();
    assert!(said.contains("only 0 of 3 connections are open: 3 × TLS: "), "{said}");
}
