//! Where the program listens, and how it ends.
#![cfg(test)]
#![cfg(unix)]

mod program;

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use program::{Server, UPGRADE, ask, switchboard};

const HOST: &str = "Host: localhost\r\n";

/// Connects, and returns the socket after the upgrade.
fn connect(server: &Server) -> TcpStream {
    let mut socket = TcpStream::connect(&server.address).unwrap();
    let (status, text) = ask(&mut socket, "/ws/lobby", &format!("{HOST}{UPGRADE}"));
    assert_eq!(status, 101, "{text}");
    socket
}

/// Reads until the end of the stream, and returns whether a close frame with this code came.
fn is_closed_with(mut socket: TcpStream, code: u16) -> bool {
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).unwrap();
    let start = [&[0x88][..], &[2 + "draining".len() as u8], &code.to_be_bytes()].concat();
    bytes.windows(start.len()).any(|window| window == start)
}

fn is_ready(server: &Server) -> bool {
    server.ask("/readyz", HOST).0 == 200
}

fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn localhost_is_every_address_of_that_name() {
    let server = Server::listen("localhost:0", &[]);
    let (name, port) = server.address.rsplit_once(':').unwrap();
    assert_eq!(name, "localhost");
    let mut reached = 0;
    for address in (name, port.parse().unwrap()).to_socket_addrs().unwrap() {
        // Where there is no IPv6, its address cannot be listened on either.
        if TcpListener::bind(SocketAddr::new(address.ip(), 0)).is_ok() {
            let mut socket = TcpStream::connect(address).unwrap();
            assert_eq!(ask(&mut socket, "/healthz", HOST).0, 200, "{address}");
            reached += 1;
        }
    }
    assert!(reached > 0);
}

#[test]
fn each_signal_to_stop_drains_and_ends_well() {
    for signal in ["TERM", "INT", "HUP"] {
        // These tests may run under `nohup`, and what is ignored at the start stays ignored.
        let mut command = Command::new("env");
        let program = switchboard(&["--listen", "127.0.0.1:0"]);
        command.arg("--default-signal=HUP").arg(program.get_program()).args(program.get_args());
        command.env("SWITCHBOARD_DRAIN_SPREAD", "0s").stdout(Stdio::piped());
        let server = Server::spawn(command);
        let client = connect(&server);
        server.signal(signal);
        assert!(is_closed_with(client, 1001), "{signal}");
        assert_eq!(server.end(), Some(0), "{signal}");
    }
}

#[test]
fn a_server_that_was_told_to_ignore_the_end_of_its_terminal_goes_on() {
    let mut command = Command::new("sh");
    let program = switchboard(&["--listen", "127.0.0.1:0"]);
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(program.get_program());
    command.args(program.get_args()).stdout(Stdio::piped());
    command.envs([("SWITCHBOARD_DRAIN_DELAY", "500ms"), ("SWITCHBOARD_DRAIN_SPREAD", "0s")]);
    let server = Server::spawn(command);
    let client = connect(&server);
    server.signal("HUP");
    server.signal("TERM");
    // If the first signal counted, the second would end the server without a word.
    assert!(is_closed_with(client, 1001));
    assert_eq!(server.end(), Some(0));
}

#[test]
fn before_a_drain_the_server_is_not_ready_and_serves_everybody() {
    let server = Server::start(&[("SWITCHBOARD_DRAIN_DELAY", "1h")]);
    let _client = connect(&server);
    assert!(is_ready(&server));
    server.signal("TERM");
    eventually("the balancer is told", || !is_ready(&server));
    connect(&server);
    assert_eq!(server.ask("/healthz", HOST).0, 200);
    server.signal("TERM");
    assert_eq!(server.end(), Some(0), "a second signal ends it at once");
}

#[test]
fn the_drain_begins_after_the_delay() {
    let variables = [("SWITCHBOARD_DRAIN_DELAY", "200ms"), ("SWITCHBOARD_DRAIN_SPREAD", "0s")];
    let server = Server::start(&variables);
    let client = connect(&server);
    let before = Instant::now();
    server.signal("TERM");
    assert!(is_closed_with(client, 1001));
    assert!(before.elapsed() >= Duration::from_millis(200), "{:?}", before.elapsed());
    assert_eq!(server.end(), Some(0));
}
