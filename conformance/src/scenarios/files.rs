//! Too many open files: connected clients are served undisturbed, and nothing spins.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use serde_json::json;

use super::scenarios;
use crate::client::{Client, request};
use crate::harness::{DEADLINE, plain};
use crate::{Setup, Start};

scenarios![too_many_open_files_neither_stop_the_server_nor_make_it_spin];

/// Set for a child process that only serves.
const MARK: &str = "SWITCHBOARD_CONFORMANCE_SERVE";

/// The server, in a child process with few file descriptors. It ends with the test.
struct FewFiles(Child);

impl FewFiles {
    fn start() -> (Self, std::net::SocketAddr) {
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"ulimit -n 40 && exec "$0" "$@""#])
            .arg(env::current_exe().unwrap())
            .env(MARK, "1")
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let server = Self(child);
        for line in lines.map_while(Result::ok) {
            if let Some(address) = line.split("listening on ").nth(1) {
                return (server, address.parse().unwrap());
            }
        }
        panic!("the server does not start");
    }

    /// Returns the CPU time spent on it.
    fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
        // USER_HZ is 100 on every Linux.
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for FewFiles {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves until the process is killed, if this is the child process.
pub(crate) fn serve_if_asked(start: Start) -> bool {
    if env::var_os(MARK).is_none() {
        return false;
    }
    let running = start(Setup { settings: plain(), drain: Default::default() });
    println!("listening on {}", running.address);
    running.thread.join().unwrap().unwrap();
    true
}

fn too_many_open_files_neither_stop_the_server_nor_make_it_spin(_start: Start) {
    let (server, address) = FewFiles::start();
    let mut alice = Client::open(address, "/ws/lobby?user=alice");
    alice.expect("connected");
    let crowd: Vec<Client> = (0..60)
        .map(|_| {
            let mut client = Client::dial(address);
            client.write(request("/ws", ""));
            client
        })
        .collect();
    // Some of the crowd wait in the kernel. For a second, only alice's calls should cost CPU time.
    let (begun, cpu) = (Instant::now(), server.cpu());
    let mut calls = 0;
    while begun.elapsed() < Duration::from_secs(1) {
        calls += 1;
        let id = format!("{calls}");
        assert_eq!(alice.call(&json!({"type": "chat", "id": id}))["type"], "ack");
        alice.expect_silence();
    }
    let spent = server.cpu() - cpu;
    assert!(spent < Duration::from_millis(300), "{spent:?} in a second");
    // The last of the crowd is served after others have left.
    let mut last = crowd.into_iter().next_back().unwrap();
    assert!(last.head().starts_with("HTTP/1.1 101 "));
    last.expect("connected");
    assert!(begun.elapsed() < DEADLINE);
    last.bye();
    alice.bye();
}
