//! `switchboard bench` as a user runs it, against our own server.
#![cfg(test)]

mod program;

use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;
use std::{env, fs, thread};

use program::{Server, switchboard};
use serde_json::{Value, json};

/// Far longer than anything here should take.
const PATIENCE: Duration = Duration::from_secs(20);

fn bench(url: &str, arguments: &str) -> Output {
    let words: Vec<_> = ["bench", url].into_iter().chain(arguments.split_whitespace()).collect();
    switchboard(&words).output().unwrap()
}

fn rooms(server: &Server) -> String {
    format!("{}/{{room}}", server.url())
}

/// Runs it, and returns its JSON report and its exit code.
fn measured(url: &str, arguments: &str) -> (Value, i32) {
    let output = bench(url, &format!("{arguments} --json"));
    let said = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!(said, "", "without a terminal there is no progress");
    (report, output.status.code().unwrap())
}

/// Runs it where it must fail, and returns why.
fn refusal(url: &str, arguments: &str, code: i32) -> String {
    let output = bench(url, arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert_eq!(output.stdout, b"");
    said
}

/// Runs it, and asserts that everything arrived.
fn clean(url: &str, arguments: &str) -> Value {
    let (report, code) = measured(url, arguments);
    assert_eq!((code, &report["is_clean"]), (0, &json!(true)), "{arguments}: {report}");
    if let Value::Object(traffic) = &report["traffic"] {
        assert_eq!(traffic["delivered"], traffic["expected"], "{arguments}: {report}");
        assert_ne!(traffic["delivered"], 0, "{arguments}: {report}");
    }
    report
}

#[test]
fn what_is_published_reaches_everybody_on_a_server_with_its_defaults() {
    let server = Server::start(&[]);
    for (arguments, connections, members) in [
        ("fan-out --time 400ms --warmup 100ms", 100, 10),
        ("rooms --time 400ms --warmup 0s", 300, 3),
        ("echo --connections 20 --rate 300 --time 400ms --warmup 0s", 20, 1),
        (
            "fan-out --rooms 2 --publishers 1 --rate 60 --bytes 5000 --time 400ms --warmup 0s",
            20,
            10,
        ),
    ] {
        let report = clean(&rooms(&server), arguments);
        assert_eq!(report["connections"]["opened"], connections, "{report}");
        let traffic = &report["traffic"];
        let published = traffic["published"].as_u64().unwrap();
        assert_eq!(traffic["expected"], published * members, "{report}");
        let samples = traffic["latency"]["samples"].as_u64().unwrap();
        assert!(samples > 0 && samples <= published * members, "{report}");
        let latency = |name: &str| traffic["latency"][name].as_f64().unwrap();
        assert!(latency("p50_us") > 0.0 && latency("p50_us") <= latency("max_us"), "{report}");
    }
}

#[test]
fn a_closed_loop_keeps_so_many_under_way() {
    let server = Server::start(&[("SWITCHBOARD_LIMITS_MESSAGES_PER_SECOND", "0")]);
    let arguments = "fan-out --rooms 2 --window 4 --time 300ms --warmup 0s";
    let report = clean(&rooms(&server), arguments);
    assert_eq!(report["setting"]["window"], 4);
    assert_eq!(report["traffic"]["stalled"], 0);
    // One message of each publisher in the first round, then four: more would have to wait for
    // answers.
    assert!(report["traffic"]["published"].as_u64() > Some(2 * 10 * (1 + 4)), "{report}");
}

#[test]
fn connections_are_opened_kept_and_visited() {
    let server = Server::start(&[("SWITCHBOARD_HEARTBEAT_INTERVAL", "100ms")]);
    let report = clean(&rooms(&server), "connect --connections 60 --at-once 7");
    assert_eq!(report["connections"]["opened"], 60);
    assert_eq!(report["connections"]["connect"]["samples"], 60);

    let report = clean(&rooms(&server), "idle --connections 30 --time 500ms");
    assert_eq!(report["traffic"]["delivered"], 30, "in the end all are still there");
    // Heartbeats of both kinds: WebSocket pings, and messages that the template answers.
    let idle = &report["idle"];
    assert!(idle["pings"].as_u64() >= Some(30) && idle["replies"].as_u64() >= Some(30), "{idle}");

    let report = clean(&rooms(&server), "churn --rate 100 --time 600ms");
    let visits = &report["visits"];
    let begun = visits["begun"].as_u64().unwrap();
    assert!((40..=61).contains(&begun), "{visits}");
    assert_eq!((&visits["completed"], &visits["failed"]), (&json!(begun), &json!(0)), "{visits}");
    for what in ["connect", "first_message", "goodbye"] {
        assert_eq!(visits[what]["samples"], begun, "{what}: {visits}");
    }
}

#[test]
fn slow_members_are_told_apart_from_the_others() {
    let server = Server::start(&[
        ("SWITCHBOARD_LIMITS_MAX_MESSAGE_BYTES", "20000"),
        ("SWITCHBOARD_LIMITS_OUTBOX_BYTES", "40000"),
    ]);
    let arguments = "slow --slow 2 --bytes 16000 --rate 320 --time 1s --warmup 0s";
    let report = clean(&rooms(&server), arguments);
    let slow = &report["slow"];
    assert_eq!(slow["members"], 2);
    assert_eq!(slow["ended"], json!({"closed with 4008 slow_consumer": 2}), "{slow}");
    assert!(slow["missed"].as_u64() > Some(0) && slow["delivered"].as_u64() > Some(0), "{slow}");
    for phase in ["latency_before", "latency_during"] {
        assert!(slow[phase]["samples"].as_u64() > Some(100), "{slow}");
    }
}

/// Interrupts it at some moment, and returns its report.
fn interrupted(url: &str, arguments: &str, moment: impl FnOnce()) -> Value {
    let words: Vec<_> = ["bench", url].into_iter().chain(arguments.split_whitespace()).collect();
    let child = switchboard(&words).spawn().unwrap();
    moment();
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["is_interrupted"], true);
    report
}

#[test]
fn ctrl_c_ends_it_before_everybody_is_there() {
    for scenario in ["connect", "fan-out --rooms 1"] {
        // A server that accepts connections and never answers.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let (sender, accepted) = channel();
        thread::spawn(move || listener.incoming().try_for_each(|client| sender.send(client)));
        let arguments = format!("{scenario} --template plain --patience 1h --json");
        // The first connection only checks that something listens.
        let mut held = Vec::new();
        let two = || held.extend((0..2).map(|_| accepted.recv_timeout(PATIENCE).unwrap()));
        let report = interrupted(&url, &arguments, two);
        assert_eq!(report["connections"]["opened"], 0, "{report}");
        assert_eq!(report["traffic"], Value::Null, "{report}");
        drop(held);
    }
}

#[test]
fn a_refusal_is_shown_with_what_to_do_about_it() {
    let server = Server::start(&[]);
    let said = refusal(&rooms(&server), "fan-out --rooms 1 --members 11", 1);
    assert!(said.contains("only 10 of 11 connections are open"), "{said}");
    assert!(said.contains("closed with 4002 lobby_full"), "{said}");
    assert!(said.contains("max_per_room in [limits]"), "{said}");

    let few = ("SWITCHBOARD_LIMITS_MAX_CONNECTIONS", "5");
    let server = Server::start(&[few, ("SWITCHBOARD_CAPACITY_ANSWER", "http")]);
    let said = refusal(&rooms(&server), "idle", 1);
    assert!(said.contains("95 × HTTP 503 Service Unavailable: {"), "{said}");
    assert!(said.contains("max_connections in [limits]"), "{said}");
    // A connect storm reports the outcome of every connection.
    let (report, code) = measured(&rooms(&server), "connect --connections 20");
    assert_eq!((code, &report["connections"]["opened"]), (3, &json!(5)), "{report}");
    let failed = report["connections"]["failed"].as_object().unwrap();
    assert_eq!(failed.values().map(|count| count.as_u64().unwrap()).sum::<u64>(), 15);

    let jwt = [
        ("SWITCHBOARD_AUTH_MODE", "jwt"),
        ("SWITCHBOARD_AUTH_HS256_SECRET", "0123456789abcdef0123456789abcdef"),
    ];
    let server = Server::start(&jwt);
    let said = refusal(&rooms(&server), "connect", 1);
    assert!(said.contains("no connection came about: 100 × HTTP 401 Unauthorized: {"), "{said}");
}

#[test]
fn connections_that_the_server_ends_are_shown_with_the_reason() {
    let server = Server::start(&[]);
    let arguments = "fan-out --rooms 1 --publishers 1 --rate 5000 --time 5s --warmup 0s";
    let (report, code) = measured(&rooms(&server), arguments);
    assert_eq!(code, 3);
    assert_eq!(report["connections"]["ended"], json!({"closed with 4029 rate_limited": 1}));
    let notes = report["notes"].to_string();
    assert!(notes.contains("messages_per_second and message_burst in [limits]"), "{notes}");
    assert!(report["traffic"]["lost"].as_u64() > Some(0), "{report}");
}

#[test]
fn a_template_that_does_not_fit_is_said() {
    let server = Server::start(&[]);
    let url = rooms(&server);
    let said = refusal(&url, "echo --connections 2 --publish {payload}", 1);
    assert!(said.contains("no message came back, 2 deliveries were expected"), "{said}");
    assert!(said.contains("the server said: {\"type\":\"error\""), "{said}");
    let said = refusal(&url, "echo --publish {paylod}", 1);
    assert!(said.contains("--publish: there is no {paylod} to fill in here"), "{said}");
    let said = refusal(&server.url(), "fan-out", 1);
    assert!(said.contains("put {room} into the address"), "{said}");

    let file = env::temp_dir().join(format!("switchboard-{}-bench.toml", std::process::id()));
    fs::write(&file, "publish = '{payload}'\n[[hello]]\nwait = 'nonsense'\n").unwrap();
    let path = file.to_str().unwrap();
    let said =
        refusal(&url, &format!("echo --connections 1 --patience 200ms --template {path}"), 1);
    fs::remove_file(&file).unwrap();
    assert!(said.contains("the message that the template waits for did not come"), "{said}");
    assert!(said.contains("it sent, for example: {\"type\":\"connected\""), "{said}");
}

#[test]
fn wrong_usage_is_said_at_once() {
    let nowhere = "ws://127.0.0.1:1/{room}";
    for (url, arguments, code, part) in [
        (nowhere, "", 1, "there is no server at 127.0.0.1:1"),
        ("http://localhost", "", 1, "it must begin with ws:// or wss://"),
        (nowhere, "nonsense", 2, "nonsense"),
        (nowhere, "fan-out --time x", 2, "expected a duration"),
        (nowhere, "connect --rate 5", 1, "--rate means nothing in connect"),
        (nowhere, "connect --connections 4000000000", 1, "ask for no more than"),
        (nowhere, "connect --template no-such.toml", 1, "one of switchboard, plain, socket.io"),
        (nowhere, "connect --header x", 1, "\"x\" is not a header"),
    ] {
        let said = refusal(url, arguments, code);
        assert!(said.contains(part), "{arguments}: {said}");
    }
    let help = String::from_utf8(bench("--help", "").stdout).unwrap();
    for part in ["Exit codes:", "  3  something was lost", "Examples:", "--window"] {
        assert!(help.contains(part), "{part} in {help}");
    }
}

#[test]
fn the_limit_on_open_files_is_raised_as_far_as_it_goes() {
    let server = Server::start(&[]);
    let line = |limit: &str, connections: u32| {
        let program = env!("CARGO_BIN_EXE_switchboard");
        let url = rooms(&server);
        let script = format!(
            "ulimit {limit} && exec {program} bench '{url}' connect --connections {connections}"
        );
        Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).output().unwrap()
    };
    let output = line("-Sn 50", 100);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let output = line("-n 150", 100);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("allows 150 open files, but 100 connections"), "{said}");
    assert!(said.contains("ask for no more than 86"), "{said}");
}
