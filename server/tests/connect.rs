//! `switchboard connect` as a user runs it: two processes with pipes between them.
#![cfg(test)]

mod program;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, ChildStdout, Output};
use std::time::{Duration, Instant};
use std::{env, fs};

use program::{Server, switchboard};
use serde_json::{Value, json};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Runs a client to its end on this input.
fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = switchboard(arguments).spawn().unwrap();
    // A client that ends early reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// A client with JSON lines.
struct Script {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    /// Lines that arrived while another was awaited: answers and events are not ordered among each
    /// other.
    others: Vec<Value>,
}

impl Script {
    fn start(url: &str, arguments: &[&str]) -> Self {
        let mut child =
            switchboard(&[&["connect", url, "--json"], arguments].concat()).spawn().unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdin, stdout, others: Vec::new() }
    }

    fn say(&mut self, command: &Value) {
        writeln!(self.stdin.as_mut().unwrap(), "{command}").unwrap();
    }

    /// Returns the next event of this name, or the answer with this tag.
    fn hear(&mut self, what: impl Into<Value>) -> Value {
        let what = what.into();
        let is_it = |value: &Value| value["tag"] == what || value["event"] == what;
        if let Some(at) = self.others.iter().position(is_it) {
            return self.others.remove(at);
        }
        loop {
            let mut line = String::new();
            assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "in vain: {what}");
            let value: Value = serde_json::from_str(&line).unwrap();
            assert!(value["at"].as_u64().is_some(), "{value}");
            if is_it(&value) {
                return value;
            }
            self.others.push(value);
        }
    }

    fn hear_state(&mut self, state: &str) -> Value {
        loop {
            let value = self.hear("state");
            if value["state"] == state {
                return value;
            }
        }
    }

    fn end(mut self) {
        drop(self.stdin.take());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn what_is_piped_in_is_said_answered_and_shown() {
    let server = Server::start(&[]);
    let arguments = ["connect", &server.url(), "--user", "alice", "--room", "lobby"];
    let input = "hello\n//slash\n/members\n/direct alice psst\n/nonsense\n/send lobby x\n\
                 /history lobby 1\n/help\n";
    let output = run(&arguments, input);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{text}");
    for part in [
        "* connecting",
        "* open",
        "= joined {",
        r#"lobby #1 alice [chat] {"text":"hello"}"#,
        r#"lobby #2 alice [chat] {"text":"/slash"}"#,
        r#"= members {"members":["alice"],"room":"lobby","total":1}"#,
        r#"alice to you: "psst""#,
        "! bad_command: there is no /nonsense; /help shows what there is",
        "lobby #3 alice [x] null",
        "= history {",
        "/history ROOM [N]",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let first = text.lines().next().unwrap();
    assert!(first.len() > 9 && first.as_bytes()[2] == b':', "the time comes first: {first}");
}

#[test]
fn scripts_speak_and_hear_json() {
    let server = Server::start(&[]);
    let mut alice = Script::start(&server.url(), &["--user", "alice", "--room", "a"]);
    alice.say(&json!({"command": "join", "room": "b", "tag": "j"}));
    let position = alice.hear("j")["position"].as_str().unwrap().to_owned();
    alice.say(&json!({"command": "send", "room": "b", "type": "n", "payload": [1], "tag": 1}));
    let sent = alice.hear(1);
    assert_eq!((&sent["event"], &sent["ok"]), (&json!("answer"), &json!("sent")));

    // A client that joins later with a position gets what was published since.
    let since = ["--user", "bob", "--room", "b", "--since", &position];
    let mut bob = Script::start(&server.url(), &since);
    let message = bob.hear("message");
    assert_eq!((&message["event_id"], &message["payload"]), (&sent["event_id"], &json!([1])));
    assert_eq!(alice.hear("member_joined")["user"], "bob");
    bob.say(&json!({"command": "direct", "to": "alice", "payload": "psst", "tag": "d"}));
    assert_eq!(bob.hear("d")["ok"], "sent");
    assert_eq!(alice.hear("direct")["payload"], "psst");
    bob.say(&json!({"command": "history", "room": "b", "limit": 5, "tag": "h"}));
    assert_eq!(bob.hear("h")["events"][0]["payload"], json!([1]));
    bob.say(&json!({"command": "members", "room": "b", "tag": "m"}));
    assert_eq!(bob.hear("m")["members"], json!(["alice", "bob"]));
    for (wrong, part) in [
        (json!({"command": "sned"}), "there is no command"),
        (json!({"command": "send", "room": "b"}), "`type` is missing"),
        (json!({"command": "leave", "room": "b", "rom": 1}), "leave has no field `rom`"),
        (json!([1]), "not a JSON object"),
    ] {
        bob.say(&wrong);
        let message = loop {
            let answer = bob.hear("answer");
            if answer["error"].is_object() {
                break answer["error"]["message"].clone();
            }
        };
        assert!(message.as_str().unwrap().contains(part), "{message}");
    }
    bob.say(&json!({"command": "send", "room": "c", "type": "n", "tag": 2}));
    assert_eq!(bob.hear(2)["error"]["code"], "not_a_member");
    bob.say(&json!({"command": "reply", "id": "s1", "payload": 1, "tag": 3}));
    assert_eq!(bob.hear(3)["error"]["code"], "no_such_request");
    bob.end();
    assert_eq!(alice.hear("member_left")["user"], "bob");
    alice.end();
}

#[test]
fn a_server_that_comes_back_is_found_again() {
    let server = Server::start(&[]);
    let mut client = Script::start(&server.url(), &["--user", "alice", "--room", "lobby"]);
    assert_eq!(client.hear("answer")["ok"], "joined");
    let address = server.address.clone();
    drop(server);
    let waiting = client.hear_state("waiting");
    assert!(waiting["retry_in_ms"].is_u64() && waiting["reason"].is_string(), "{waiting}");
    client.say(&json!({"command": "send", "room": "lobby", "type": "n", "tag": 1}));
    let _server = Server::listen(&address, &[]);
    client.say(&json!({"command": "wake"}));
    client.hear_state("open");
    assert_eq!(client.hear("joined")["recovered"], false);
    assert_eq!(client.hear("refresh")["reason"], "unknown_epoch");
    client.hear(1);
    client.end();
}

#[test]
fn who_is_refused_for_good_hears_why_and_the_exit_code_is_1() {
    let jwt = [("SWITCHBOARD_AUTH_MODE", "jwt"), ("SWITCHBOARD_AUTH_HS256_SECRET", SECRET)];
    let server = Server::start(&jwt);
    for arguments in [&[][..], &["--token", "nonsense"]] {
        let output = run(&[&["connect", &server.url()], arguments].concat(), "");
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.starts_with("error: the server refuses this client: 401"), "{text}");
    }
    let token = run(&["token", "--user", "alice", "--secret", SECRET], "").stdout;
    let file = env::temp_dir().join(format!("switchboard-{}-token", std::process::id()));
    fs::write(&file, token).unwrap();
    let path = file.to_str().unwrap();
    let input = "{\"command\":\"members\",\"room\":\"r\",\"tag\":1}\n";
    let arguments = ["connect", &server.url(), "--room", "r", "--json", "--token-file", path];
    let output = run(&arguments, input);
    fs::remove_file(&file).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains(r#""members":["alice"]"#), "{text}");

    let nowhere = format!("ws://{}/nowhere", server.address);
    let output = run(&["connect", &nowhere], "");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("404 not_found"), "{text}");
}

#[test]
fn wrong_usage_is_said_at_once() {
    for (arguments, code, part) in [
        (&["connect"][..], 2, "<URL>"),
        (&["connect", "http://localhost"], 1, "it must begin with ws:// or wss://"),
        (&["connect", "ws://localhost", "--since", "a", "--room", "r"], 2, "must be a position"),
        (&["connect", "ws://localhost", "--since", "0000000000000000:1"], 2, "--room"),
        (&["connect", "wss://localhost", "--ca", "no-such-file"], 1, "no-such-file: "),
        (&["connect", "ws://localhost", "--token-file", "no-such-file"], 1, "no-such-file: "),
    ] {
        let output = run(arguments, "");
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn patience_ends_when_there_was_no_connection_for_that_long() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("ws://{unused}/ws");
    let begun = Instant::now();
    let output = run(&["connect", &url, "--watch", "--patience", "300ms"], "");
    assert!(begun.elapsed() >= Duration::from_millis(300));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.starts_with("error: no connection for 300ms: "), "{text}");

    // While there is one, no time passes: it begins when the connection is lost.
    let server = Server::start(&[]);
    let mut client = Script::start(&server.url(), &["--room", "lobby", "--patience", "300ms"]);
    client.hear_state("open");
    let lost = Instant::now();
    drop(server);
    assert_eq!(client.child.wait().unwrap().code(), Some(1));
    assert!(lost.elapsed() >= Duration::from_millis(300));
}
