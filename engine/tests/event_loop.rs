//! `examples/event_loop.rs` as its users run it, and the guide that follows it.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tungstenite::client::client;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::{Bytes, Message, WebSocket};

/// The example in a process of its own. It is ended with the test, however that ends.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let program = example();
        let mut process = Command::new(&program)
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "{}: {error} (`cargo build -p switchboard-engine --examples`)",
                    program.display()
                )
            });
        let mut line = String::new();
        let output = process.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on ws://").expect("where it listens");
        let address = address.split('/').next().unwrap_or_default().to_owned();
        Self { process, address }
    }

    fn connect(&self, path: &str) -> Client {
        let socket = TcpStream::connect(&self.address).expect("it listens");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
        let (socket, _) =
            client(format!("ws://{}{path}", self.address), socket).expect("an upgrade");
        Client(socket)
    }

    fn terminate(&self) {
        let id = self.process.id().to_string();
        let status = Command::new("kill").args(["-TERM", &id]).status().expect("there is kill");
        assert!(status.success());
    }

    fn wait(&mut self) -> ExitStatus {
        self.process.wait().expect("it is our child")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After a test that went well it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Beside the folder of the tests, in the same profile.
fn example() -> PathBuf {
    let mut path = std::env::current_exe().expect("a test has a path");
    path.pop();
    path.set_file_name("examples");
    path.join("event_loop")
}

struct Client(WebSocket<TcpStream>);

impl Client {
    fn say(&mut self, text: &str) {
        self.0.send(text.into()).expect("it is sent");
    }

    /// Reads up to the first message of this type.
    fn hear(&mut self, kind: &str) -> serde_json::Value {
        loop {
            if let Message::Text(text) = self.0.read().expect("a message") {
                let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                if value["type"] == kind {
                    return value;
                }
            }
        }
    }

    /// Reads on to the close frame, answers it, and sees the socket end.
    fn closed(mut self) -> (u16, String) {
        let frame = loop {
            if let Message::Close(frame) = self.0.read().expect("a message") {
                break frame.expect("a code");
            }
        };
        let end = self.0.read().expect_err("nothing comes after it");
        assert!(matches!(end, tungstenite::Error::ConnectionClosed), "{end}");
        (frame.code.into(), frame.reason.to_string())
    }
}

#[test]
fn rooms_are_kept_and_drained() {
    let mut server = Server::start(&[]);
    let mut alice = server.connect("/ws/lobby?user=alice");
    assert_eq!(alice.hear("connected")["user"], "alice");
    let mut bob = server.connect("/ws/lobby?user=bob");
    bob.hear("connected");
    assert_eq!(alice.hear("member_joined")["user"], "bob");

    alice.say(r#"{"type":"chat","id":"1","payload":"hello"}"#);
    let heard = bob.hear("chat");
    assert_eq!((&heard["from"], &heard["payload"]), (&"alice".into(), &"hello".into()));
    bob.say(r#"{"type":"direct","to":"alice","payload":"psst"}"#);
    assert_eq!(alice.hear("direct")["payload"], "psst");

    let mut others = Vec::new();
    for number in 3..=10 {
        let mut other = server.connect(&format!("/ws/lobby?user=user-{number}"));
        other.hear("connected");
        others.push(other);
    }
    let refused = server.connect("/ws/lobby?user=late").closed();
    assert_eq!(refused, (4002, "lobby_full".to_owned()));

    // One leaves by itself, one without a word.
    let mut leaver = others.remove(0);
    leaver.0.close(None).expect("a close frame is sent");
    drop(others.remove(0));
    assert_eq!(alice.hear("member_left")["user"], "user-3");
    assert_eq!(alice.hear("member_left")["user"], "user-4");

    server.terminate();
    for mut client in [alice, bob].into_iter().chain(others) {
        client.hear("draining");
        assert_eq!(client.closed(), (1001, "draining".to_owned()));
    }
    assert!(server.wait().success());
}

#[test]
fn raw_frames_are_echoed() {
    let mut server = Server::start(&["--echo"]);
    let mut client = server.connect("/any/path");
    let large: Bytes = (0..=255).cycle().take(3_000_000).collect();
    for message in [Message::text(""), Message::text("é"), Message::Binary(large)] {
        client.0.send(message.clone()).expect("it is sent");
        assert_eq!(client.0.read().expect("an echo"), message);
    }
    client.0.send(Message::Ping("x".into())).expect("it is sent");
    assert_eq!(client.0.read().expect("a pong"), Message::Pong("x".into()));

    let text = OpCode::Data(Data::Text);
    let rest = OpCode::Data(Data::Continue);
    for (opcode, last) in [(text, false), (rest, false), (rest, true)] {
        let piece = Frame::message("piece ", opcode, last);
        client.0.send(Message::Frame(piece)).expect("it is sent");
    }
    assert_eq!(client.0.read().expect("an echo"), Message::text("piece piece piece "));

    // What was said before goodbye is answered before it, even if both came at once.
    let mut hasty = server.connect("/");
    hasty.0.write("last words".into()).expect("it is queued");
    hasty.0.close(None).expect("both are sent");
    assert_eq!(hasty.0.read().expect("an echo"), Message::text("last words"));

    server.terminate();
    assert_eq!(client.closed(), (1001, "draining".to_owned()));
    assert!(server.wait().success());
}

/// What the guide shows is the example's code, up to indentation.
#[test]
fn every_excerpt_of_the_guide_is_in_the_example() {
    let guide = include_str!("../../docs/write-your-own-driver.md");
    let example: Vec<_> =
        include_str!("../examples/event_loop.rs").lines().map(str::trim).collect();
    let excerpts: Vec<_> = guide.split("```rust\n").skip(1).collect();
    assert!(excerpts.len() > 5, "the guide has excerpts");
    for excerpt in excerpts {
        let (excerpt, _) = excerpt.split_once("```").expect("it ends");
        let lines: Vec<_> = excerpt.lines().map(str::trim).collect();
        let found = example.windows(lines.len()).any(|window| window == lines);
        assert!(found, "this is not in the example:\n{excerpt}");
    }
}
