//! The program under test, and a server that is killed at the end.

#![allow(dead_code, reason = "each test uses a part")]

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Returns a command for the program, with none of our variables.
pub(crate) fn switchboard(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("SWITCHBOARD_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A server that is killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        Self::listen("127.0.0.1:0", variables)
    }

    pub(crate) fn listen(address: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = switchboard(&["--listen", address]);
        command.envs(variables.iter().copied());
        Self::spawn(command)
    }

    /// Starts a server by a command whose stdout is its own.
    pub(crate) fn spawn(command: Command) -> Self {
        Self::spawn_logging(command, Stdio::null())
    }

    /// Starts a server that logs to this file.
    pub(crate) fn spawn_logging(mut command: Command, stderr: impl Into<Stdio>) -> Self {
        let mut child = command.stderr(stderr).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let mut line = String::new();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "the server ends: {said}");
            if let Some((_, rest)) = line.split_once("http://") {
                break rest.split_once('/').unwrap().0.to_owned();
            }
            said.push_str(&line);
        };
        Self { child, address, _stdout: stdout }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }
}

impl Server {
    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let kill = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    /// Waits for its end, and returns the exit code.
    pub(crate) fn end(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Sends a request and returns the status and everything else that arrives first.
    pub(crate) fn ask(&self, path: &str, headers: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        ask(&mut socket, path, headers)
    }
}

/// The headers of an upgrade, except for the host.
pub(crate) const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Sends a request and returns the status and everything else that arrives first.
pub(crate) fn ask(socket: &mut TcpStream, path: &str, headers: &str) -> (u16, String) {
    write!(socket, "GET {path} HTTP/1.1\r\n{headers}\r\n").unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
        let mut piece = [0; 4096];
        match socket.read(&mut piece).unwrap() {
            0 => break,
            taken => answer.extend_from_slice(&piece[..taken]),
        }
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no answer: {text:?}")), text)
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
