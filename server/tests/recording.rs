//! `switchboard --record` and `switchboard replay` as a user runs them.
#![cfg(test)]
#![cfg(unix)]

mod program;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output};
use std::{env, fs, process};

use program::switchboard;

/// A folder that is removed after the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("switchboard-recording-{}-{name}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Server {
    child: Child,
    address: String,
    stdout: BufReader<ChildStdout>,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let arguments = [&["--listen", "127.0.0.1:0"], arguments].concat();
        let mut child = switchboard(&arguments).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "the server ends");
        let (_, rest) = line.split_once("127.0.0.1:").unwrap();
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Self { child, address: format!("ws://127.0.0.1:{port}/ws"), stdout }
    }

    /// A client connects, sends this, waits for its answers, and leaves.
    fn visit(&self, user: &str, says: &str) {
        let arguments = ["connect", &self.address, "--user", user, "--room", "lobby", "--json"];
        let mut client = switchboard(&arguments).spawn().unwrap();
        writeln!(client.stdin.take().unwrap(), "{says}").unwrap();
        let output = client.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }

    fn signal(&self, name: &str) {
        let kill = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    /// Stops it, and returns its stderr.
    fn end(mut self, signal: &str) -> String {
        self.signal(signal);
        let mut stderr = String::new();
        let mut pipe = self.child.stderr.take().unwrap();
        std::io::Read::read_to_string(&mut pipe, &mut stderr).unwrap();
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.stdout, &mut rest).unwrap();
        self.child.wait().unwrap();
        stderr
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const CHAT: &str =
    r#"{"command":"send","room":"lobby","type":"chat","payload":{"pin":"secret1234"},"tag":1}"#;

/// Records two visitors.
fn record(file: &str, more: &[&str], signal: &str) -> String {
    let server = Server::start(&[&["--record", file], more].concat());
    server.visit("alice", CHAT);
    server.visit("bob", CHAT);
    server.end(signal)
}

fn replay(arguments: &[&str]) -> Output {
    switchboard(&[&["replay"], arguments].concat()).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Replays it, and asserts that every action matches.
fn fine(arguments: &[&str]) -> String {
    let output = replay(arguments);
    let text = out(&output);
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(0), ""), "{text}");
    assert!(text.contains("every action as it was recorded"), "{text}");
    text
}

fn has_in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part:?} in its place in {text}"));
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn what_happened_is_shown_and_happens_again() {
    let folder = Folder::new("visit");
    let file = folder.file("rec");
    record(&file, &[], "-TERM");
    let text = fine(&[&file]);
    has_in_order(
        &text,
        &[
            "begins with event 0, payloads hashed",
            "\"alice\" has a seat",
            "\"alice\" is open",
            "\"alice\" joins \"lobby\"",
            "\"alice\" leaves \"lobby\"",
            "\"alice\" is gone after",
            "\"bob\" joins \"lobby\"",
            "\"bob\" is gone after",
            "DRAIN for at most 30 s",
            "DRAINED",
        ],
    );
    assert!(!text.contains("the recording ends here in the middle"), "{text}");
    assert!(!text.contains("secret1234"), "{text}");
    let bytes = fs::read(&file).unwrap();
    assert!(!bytes.windows(10).any(|window| window == b"secret1234"), "it is in the file");
    // Other users of the machine cannot read it.
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn filters_and_a_moment_leave_out_the_rest() {
    let folder = Folder::new("filters");
    let file = folder.file("rec");
    record(&file, &["--record-payloads", "keep"], "-TERM");
    let text = fine(&[&file, "--user", "bob", "--messages"]);
    assert!(!text.contains("alice") && text.contains("\"bob\" joins"), "{text}");
    assert!(text.contains(r#"\"pin\":\"secret1234\""#), "it was kept: {text}");

    let all = fine(&[&file]);
    let line = all.lines().find(|line| line.contains("\"bob\" is open")).unwrap();
    let id = line.split('#').nth(1).unwrap().split(' ').next().unwrap();
    let text = fine(&[&file, "--connection", id]);
    assert!(!text.contains("alice") && text.contains("\"bob\" is gone"), "{text}");
    let text = fine(&[&file, "--room", "elsewhere"]);
    assert!(!text.contains("alice") && text.contains("DRAINED"), "{text}");
    let text = fine(&[&file, "--room", "lobby"]);
    has_in_order(&text, &["\"alice\" joins \"lobby\"", "\"alice\" is gone", "\"bob\" joins"]);

    // Up to the moment when Bob was in the room.
    let line = all.lines().find(|line| line.contains("\"bob\" joins")).unwrap();
    let time = line.split_whitespace().nth(2).unwrap();
    let text = fine(&[&file, "--until", time]);
    has_in_order(
        &text,
        &["\"bob\" joins", "stopped at the given time", "Connections", "\"bob\": open", "Rooms"],
    );
    has_in_order(&text, &["\"lobby\": ", "Numbers", "connections: 1 open"]);
    assert!(!text.contains("\"bob\" is gone"), "{text}");
    let text = fine(&[&file, "--quiet", "--state"]);
    assert!(!text.contains("is open") && text.contains("connections: 0 open"), "{text}");
}

/// Waits until her visit is on the disk.
fn wait_for_alice(file: &str) {
    while !out(&replay(&[file])).contains("\"alice\" is gone") {
        std::thread::yield_now();
    }
}

#[test]
fn a_server_that_was_killed_leaves_all_but_the_last_moment() {
    let folder = Folder::new("killed");
    let file = folder.file("rec");
    let server = Server::start(&["--record", &file]);
    server.visit("alice", CHAT);
    wait_for_alice(&file);
    server.end("-KILL");
    let text = fine(&[&file]);
    has_in_order(&text, &["\"alice\" is gone", "the recording ends here in the middle"]);

    // A truncated copy is as good as its beginning.
    let bytes = fs::read(&file).unwrap();
    let cut = folder.file("cut");
    fs::write(&cut, &bytes[..bytes.len() - 10]).unwrap();
    assert!(fine(&[&cut]).contains("the recording ends here in the middle"));
}

#[test]
fn a_restart_keeps_what_was_recorded_before_it() {
    let folder = Folder::new("restart");
    let file = folder.file("rec");
    record(&file, &[], "-KILL");
    let first = fs::read(&file).unwrap();
    record(&file, &[], "-TERM");
    assert!(fs::read(format!("{file}.previous")).unwrap() == first);
    fine(&[&file]);
}

#[test]
fn what_is_no_recording_is_named_and_never_overwritten() {
    let folder = Folder::new("foreign");
    let failure = |file: &str, said: &str| {
        let output = replay(&[file]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(err(&output).contains(said), "{output:?}");
    };
    failure(&folder.file("nothing"), "No such file");
    let empty = folder.file("empty");
    fs::write(&empty, "").unwrap();
    failure(&empty, "the file is empty");
    let letter = folder.file("letter");
    fs::write(&letter, "Dear Sir or Madam").unwrap();
    failure(&letter, "the file is not a recording");
    let output = switchboard(&["--listen", "127.0.0.1:0", "--record", &letter]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("it is not overwritten"), "{output:?}");
    assert_eq!(fs::read(&letter).unwrap(), b"Dear Sir or Madam");
    let output = switchboard(&["--record", &folder.file("no/such/folder")]).output().unwrap();
    assert!(err(&output).contains("cannot be created"), "{output:?}");
    for wrong in [["--until", "25:00:00"], ["--until", "noon"]] {
        assert_eq!(replay(&[&[letter.as_str()][..], &wrong].concat()).status.code(), Some(2));
    }
    let output = replay(&[&letter, "--connection", "alice"]);
    assert!(err(&output).contains("is not a connection id"), "{output:?}");
}

/// Copies a recording with one byte changed.
fn with_changed(file: &str, to: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1;
    fs::write(to, bytes).unwrap();
}

#[test]
fn damage_is_named_and_what_comes_before_it_is_shown() {
    let folder = Folder::new("damage");
    let file = folder.file("rec");
    let server = Server::start(&["--record", &file]);
    server.visit("alice", CHAT);
    wait_for_alice(&file);
    server.visit("bob", CHAT);
    server.end("-TERM");
    let length = fs::metadata(&file).unwrap().len() as usize;
    let changed = folder.0.join("changed");
    let name = changed.to_str().unwrap();
    // The version of the layout, and its checksum.
    let mut bytes = fs::read(&file).unwrap();
    bytes[16] = 99;
    fs::write(&changed, &bytes).unwrap();
    assert!(err(&replay(&[name])).contains("the head of the recording is damaged"));
    with_changed(&file, &changed, length - 1);
    let output = replay(&[name]);
    assert_eq!(output.status.code(), Some(1));
    let text = out(&output);
    has_in_order(&text, &["\"alice\" is open", "TROUBLE", "is damaged", "see TROUBLE above"]);
    assert!(err(&output).contains("one part could not be reproduced"), "{output:?}");
    // The first block holds the hub, without which nothing can be replayed.
    with_changed(&file, &changed, 4096 + 50);
    let output = replay(&[name]);
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains("TROUBLE"), "{output:?}");
}

#[test]
fn a_full_disk_ends_the_recording_and_not_the_server() {
    let server = Server::start(&["--record", "/dev/full"]);
    server.visit("alice", CHAT);
    server.visit("bob", CHAT);
    let said = server.end("-TERM");
    assert!(said.contains("recording has stopped: /dev/full cannot be written"), "{said}");
    assert!(said.contains("stopped\n"), "it ended in order: {said}");
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let output = switchboard(&["--record", "x", "--record-size", "0"]).output().unwrap();
    assert!(err(&output).contains("record.megabytes must be between 1 and"), "{output:?}");
    let output = switchboard(&["--record-payloads", "some"]).output().unwrap();
    assert!(err(&output).contains("--record-payloads: wrong value"), "{output:?}");
}
