//! Too many open files: whoever is there is served, nobody else harms them, and nothing spins.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use serde_json::json;

use crate::client::{Client, request};
use crate::harness::{DEADLINE, plain};
use crate::runtime::{listen, serve};

const MARK: &str = "SWITCHBOARD_TEST_SERVER_WITH_FEW_FILES";

/// The server, in a process of its own with few files. It ends with the test.
struct Server(Child);

impl Server {
    fn start() -> (Self, std::net::SocketAddr) {
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"ulimit -n 40 && exec "$0" "$@""#])
            .arg(env::current_exe().unwrap())
            .args(["--exact", "files::the_server_of_the_other_test", "--nocapture"])
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

    /// Time that the processors have spent on it.
    fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
        // USER_HZ is 100 on every Linux.
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves in the child process, until it is killed. On its own, this has nothing to do.
#[test]
fn the_server_of_the_other_test() {
    if env::var_os(MARK).is_none() {
        return;
    }
    let server = plain().build().unwrap();
    let (address, listener) = listen();
    println!("listening on {address}");
    serve(&server, listener).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn too_many_open_files_neither_stop_the_server_nor_make_it_spin() {
    let (server, address) = Server::start();
    let mut alice = Client::open(address, "/ws/lobby?user=alice");
    alice.expect("connected");
    let crowd: Vec<Client> = (0..60)
        .map(|_| {
            let mut client = Client::dial(address);
            client.write(request("/ws", ""));
            client
        })
        .collect();
    // Some of the crowd wait in the kernel. For a second, nothing but alice's calls should cost anything.
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
    // The last of the crowd is served when others have gone.
    let mut last = crowd.into_iter().next_back().unwrap();
    assert!(last.head().starts_with("HTTP/1.1 101 "));
    last.expect("connected");
    assert!(begun.elapsed() < DEADLINE);
    last.bye();
    alice.bye();
}
