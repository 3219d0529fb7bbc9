//! The server's threads: their number, and that all end. These tests count the threads of a
//! process, so each runs in a separate one.

use std::env;
use std::fs;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use serde_json::json;
use switchboard_core::Limit;
use switchboard_core::http::HttpRequest;

use crate::runtime::Context;
use crate::shared::harness::{Running, eventually, listen, plain, with};
use switchboard_conformance::client::{Client, request};

const MARK: &str = "SWITCHBOARD_TEST_ALONE";

/// Runs the test again in a child process. Returns whether this is that process.
fn alone(test: &str) -> bool {
    if env::var_os(MARK).is_some() {
        return true;
    }
    let mut command = Command::new(env::current_exe().unwrap());
    let status = command
        .args(["--exact", &format!("threads::{test}"), "--nocapture", "--test-threads=1"])
        .env(MARK, "1")
        .status();
    assert!(status.unwrap().success());
    false
}

/// Returns the names of the server's threads, sorted.
fn names() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).ok();
    let mut names: Vec<String> = tasks
        .filter_map(|task| name(task.unwrap()))
        .filter(|name| name.starts_with("switchboard"))
        .map(|name| name.trim().to_owned())
        .collect();
    names.sort();
    names
}

/// An upgrade that another server has read.
fn upgrade() -> HttpRequest {
    let headers = [
        ("Host", "test"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    HttpRequest::from_parts("GET", "/ws/lobby", headers).unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn a_drain_joins_all_threads() {
    if !alone("a_drain_joins_all_threads") {
        return;
    }
    let server = Running::start(with(|settings| settings.send_buffer = 4 * 1024));
    let mut clients: Vec<_> =
        (0..40).map(|n| server.connect(&format!("/ws/lobby?user=u{n}"))).collect();
    // One is blocked, one is in its handshake, some have ended, and one is reset.
    let mut stuck = Client::dial_narrow(server.address);
    stuck.upgrade("/ws/narrow");
    while server.handle.stats().blocked == 0 {
        server.handle.publish("narrow", "fill", &"x".repeat(10_000)).unwrap();
    }
    let mut half = Client::dial(server.address);
    half.write(&request("/ws", "")[..20]);
    clients.drain(..10).for_each(Client::bye);
    clients.remove(0).reset();
    // 29 that are open, the blocked one and the half-open one; at most one more that has ended and
    // is not yet joined.
    eventually("the threads of those that went have ended", || names().len() <= 29 + 2 + 2 + 1);
    let seen = names();
    for name in ["switchboard-tim", "switchboard-wri"] {
        assert_eq!(seen.iter().filter(|seen| *seen == name).count(), 1, "{seen:?}");
    }
    server.handle.drain(Duration::from_millis(200), Duration::ZERO);
    assert_eq!(names(), [""; 0]);
    server.result().unwrap();
    for mut client in clients {
        client.rest();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_server_that_is_dropped_lets_go_of_sockets_and_threads() {
    if !alone("a_server_that_is_dropped_lets_go_of_sockets_and_threads") {
        return;
    }
    let server = plain().build().unwrap();
    let handle = server.handle();
    let (address, listener) = listen();
    let mut client = Client::dial(address);
    let (socket, _) = listener.accept().unwrap();
    let admission = server.admit(upgrade()).unwrap();
    server.adopt(admission, socket, b"").unwrap();
    client.expect("connected");
    // A thread sets its name when it starts to run.
    eventually("its own, and the two that serve all", || names().len() == 3);
    drop(server);
    assert_eq!(names(), [""; 0]);
    client.ended();
    assert_eq!(handle.stats().connections, 0);
}

#[test]
fn an_admission_counts_as_a_connection_of_its_address() {
    let server = with(|settings| settings.connections_per_address = Limit::at_most(1));
    let server = server.build().unwrap();
    let admit = |host: u8| server.admit(upgrade().with_address(Some([192, 0, 2, host].into())));
    let admission = admit(1).unwrap();
    assert_eq!(admit(1).unwrap_err().status().code(), 429);
    let other = admit(2).unwrap();
    drop(admission);
    let (address, listener) = listen();
    let mut client = Client::dial(address);
    let (socket, _) = listener.accept().unwrap();
    server.adopt(admit(1).unwrap(), socket, b"").unwrap();
    client.expect("connected");
    assert_eq!(admit(1).unwrap_err().status().code(), 429, "the connection counts, too");
    drop(other);
    client.bye();
    eventually("its place is free", || admit(1).is_ok());
}

#[test]
fn a_drain_may_come_while_the_server_starts() {
    for _ in 0..200 {
        let server = Running::start(plain());
        server.handle.drain(Duration::from_secs(3_600), Duration::ZERO);
        server.result().unwrap();
    }
}

#[test]
fn a_handler_may_drain_its_server() {
    let server = Running::start(plain().on("stop", |context: Context, (): ()| {
        context.handle().drain(Duration::from_millis(200), Duration::ZERO);
        Ok(())
    }));
    let mut client = server.connect("/ws");
    client.json(&json!({"type": "stop"}));
    client.until("draining");
    client.rest();
    server.result().unwrap();
}

#[test]
fn a_handler_that_runs_holds_up_nobody_else() {
    let (release, gate) = channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let server = Running::start(
        plain()
            .on("wait", move |_: Context, (): ()| Ok(gate.lock().unwrap().recv().is_ok()))
            .on("fail", |_: Context, (): ()| -> Result<(), _> { panic!("as the test wants") }),
    );
    let mut busy = server.connect("/ws/lobby?user=busy");
    let mut other = server.connect("/ws/lobby?user=other");
    busy.json(&json!({"type": "wait", "id": "1"}));
    busy.json(&json!({"type": "fail", "id": "2"}));
    assert_eq!(other.call(&json!({"type": "chat", "id": "1"}))["type"], "ack");
    // It is written to while its handler runs.
    busy.expect("chat");
    release.send(()).unwrap();
    assert_eq!(busy.expect("ack")["payload"], true);
    let failed = busy.expect("error");
    assert_eq!((&failed["id"], &failed["code"]), (&json!("2"), &json!("internal")));
    busy.bye();
    other.bye();
}

#[test]
fn handshakes_have_a_deadline_and_are_bounded() {
    let server = Running::start(with(|settings| {
        settings.max_handshakes = 3;
        settings.handshake_timeout = Duration::from_millis(300);
    }));
    let mut idle = [Client::dial(server.address), Client::dial(server.address)];
    // A client that drips is no better off: the deadline covers the whole head.
    let address = server.address;
    let dripping = thread::spawn(move || {
        let mut client = Client::dial(address);
        let begun = std::time::Instant::now();
        for byte in request("/ws", "").bytes().cycle() {
            if std::io::Write::write_all(&mut client.socket, &[byte]).is_err()
                || begun.elapsed() > crate::shared::harness::DEADLINE
            {
                break;
            }
            thread::park_timeout(Duration::from_millis(20));
        }
        begun.elapsed()
    });
    for idle in &mut idle {
        assert_eq!(idle.response().0, 408);
    }
    server.connect("/ws").bye();
    assert!(dripping.join().unwrap() < crate::shared::harness::DEADLINE);
}
