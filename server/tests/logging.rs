//! What the program logs, and that nobody waits for it.
#![cfg(test)]
#![cfg(unix)]

mod program;

use std::fs::File;
use std::io::{PipeReader, Read, Write, pipe};
use std::net::TcpStream;
use std::process::Stdio;
use std::thread;

use program::{Server, UPGRADE, ask, switchboard};

const HOST: &str = "Host: localhost\r\n";

fn start(stderr: impl Into<Stdio>, variables: &[(&str, &str)]) -> Server {
    let mut command = switchboard(&["--listen", "127.0.0.1:0"]);
    command.env("SWITCHBOARD_DRAIN_SPREAD", "0s").envs(variables.iter().copied());
    Server::spawn_logging(command, stderr)
}

/// Starts a server whose log the caller reads.
fn start_logging(variables: &[(&str, &str)]) -> (Server, PipeReader) {
    let (log, stderr) = pipe().unwrap();
    (start(stderr, variables), log)
}

/// Returns everything that a server logs until it has stopped.
fn stop(server: Server, mut log: PipeReader) -> String {
    server.signal("TERM");
    assert_eq!(server.end(), Some(0));
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    text
}

/// Clients come and go, are answered, and the server stops when it is told to.
fn check_serves_and_drains(server: Server) {
    for _ in 0..50 {
        let mut socket = TcpStream::connect(&server.address).unwrap();
        let (status, text) = ask(&mut socket, "/ws/lobby", &format!("{HOST}{UPGRADE}"));
        assert_eq!(status, 101, "{text}");
        assert_eq!(server.ask("/healthz", HOST).0, 200);
    }
    server.signal("TERM");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn a_log_that_nobody_reads_is_not_waited_for() {
    let (_reader, mut writer) = pipe().unwrap();
    let stderr = writer.try_clone().unwrap();
    // From here on, whatever room there is, is filled.
    thread::spawn(move || while writer.write_all(&[b'x'; 4096]).is_ok() {});
    check_serves_and_drains(start(stderr, &[("SWITCHBOARD_LOG_LEVEL", "debug")]));
}

#[test]
fn the_reader_of_the_log_may_end() {
    let (server, log) = start_logging(&[]);
    drop(log);
    check_serves_and_drains(server);
}

#[cfg(target_os = "linux")]
#[test]
fn the_disk_of_the_log_may_be_full() {
    check_serves_and_drains(start(File::create("/dev/full").unwrap(), &[]));
}

#[test]
fn the_last_line_is_written_before_the_end() {
    let (server, log) = start_logging(&[]);
    let text = stop(server, log);
    assert!(text.lines().last().is_some_and(|line| line.contains("stopped")), "{text}");
}

#[test]
fn a_refused_upgrade_is_a_line_and_further_ones_are_not() {
    let (server, log) = start_logging(&[]);
    for _ in 0..3 {
        let headers = format!("Host: localhost:80\r\nOrigin: http://evil.test\r\n{UPGRADE}");
        assert_eq!(server.ask("/ws", &headers).0, 403);
    }
    assert_eq!(server.ask("/nothing", HOST).0, 404);
    let (_, stats) = server.ask("/api/stats", HOST);
    let stats: String = stats.split_whitespace().collect();
    let expected = r#""refused_requests":{"not_found":1,"origin_not_allowed":3}"#;
    assert!(stats.contains(expected), "{stats}");
    let text = stop(server, log);
    let lines: Vec<_> = text.lines().filter(|line| line.contains("refused")).collect();
    let [line] = lines[..] else { panic!("{text}") };
    for part in [
        "INFO",
        r#"reason="origin_not_allowed""#,
        "http://evil.test",
        r#"compared_with="host localhost:80 and loopback""#,
        r#"setting="origins.allowed""#,
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[test]
fn a_bad_head_is_a_line_whose_texts_are_escaped() {
    for (format, origin, reason) in [
        ("text", r"http://\u{202e}\u{9b}.test", r#"reason="bad_request""#),
        ("json", r"http://\u202e\u009b.test", r#""reason":"bad_request""#),
    ] {
        let (server, log) = start_logging(&[("SWITCHBOARD_LOG_FORMAT", format)]);
        let headers = format!("{HOST}Origin: http://\u{202e}\u{9b}.test\r\n{UPGRADE}");
        assert_eq!(server.ask("/ws", &headers).0, 403);
        assert_eq!(server.ask("/ws", "no header\r\n").0, 400);
        let text = stop(server, log);
        assert!(text.contains(origin), "{text}");
        assert!(text.contains(reason), "{text}");
    }
}

#[test]
fn members_of_rooms_are_logged_at_debug() {
    for (level, is_logged) in [("info", false), ("debug", true)] {
        let (server, log) = start_logging(&[("SWITCHBOARD_LOG_LEVEL", level)]);
        assert_eq!(server.ask("/ws/lobby?user=alice", &format!("{HOST}{UPGRADE}")).0, 101);
        let text = stop(server, log);
        assert!(text.contains(r#"user="alice""#), "{text}");
        assert_eq!(text.contains(r#"room="lobby""#), is_logged, "{level}: {text}");
    }
}
