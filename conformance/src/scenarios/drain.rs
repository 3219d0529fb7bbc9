//! Shutting down: all clients are told, and the end comes by the deadline.

use std::time::{Duration, Instant};

use serde_json::json;
use switchboard_engine::server::ServerSettings;

use super::scenarios;
use crate::Start;
use crate::client::{CLOSE, Client, closing};
use crate::harness::{Server, plain};

scenarios![
    everybody_is_told_and_the_server_ends,
    whoever_comes_during_a_drain_is_sent_elsewhere,
    what_was_accepted_is_delivered_before_the_end,
    a_client_that_never_reads_does_not_hold_up_the_end,
    one_in_the_middle_of_its_handshake_does_not_hold_up_the_end,
    a_drain_without_connections_is_over_at_once,
];

const LONG: Duration = Duration::from_secs(3_600);

fn everybody_is_told_and_the_server_ends(start: Start) {
    let drain = (LONG, Duration::from_millis(500));
    let mut server = Server::start_with_drain(start, plain(), drain);
    let mut clients = [server.connect("/ws/lobby"), server.connect("/ws")];
    server.drain();
    for client in &mut clients {
        let told = client.until("draining");
        assert!(told["retry_after_ms"].as_u64().is_some_and(|ms| ms <= 500), "{told}");
        assert_eq!(client.closed(), (1001, "draining".into()));
    }
    assert!(server.is_serving());
    for client in &mut clients {
        client.send(CLOSE, closing(1001, ""));
        client.ended();
    }
    drop(clients);
    server.join();
}

fn whoever_comes_during_a_drain_is_sent_elsewhere(start: Start) {
    let mut server = Server::start_with_drain(start, plain(), (LONG, Duration::ZERO));
    let mut staying = server.connect("/ws");
    server.drain();
    staying.until("draining");
    assert_eq!(server.attempt("/ws").err(), Some((1001, "draining".into())));
    staying.closed();
    staying.send(CLOSE, "");
    staying.ended();
}

fn what_was_accepted_is_delivered_before_the_end(start: Start) {
    let mut server = Server::start_with_drain(start, plain(), (LONG, Duration::ZERO));
    let mut reader = server.connect("/ws/lobby?user=reader");
    let mut writer = server.connect("/ws/lobby?user=writer");
    let payload = "x".repeat(1_000);
    for n in 0..100 {
        let id = format!("{n}");
        writer.call(&json!({"type": "chat", "id": id, "payload": payload}));
    }
    server.drain();
    for n in 0..100 {
        assert_eq!(reader.expect("chat")["id"], format!("{n}"));
    }
    reader.expect("draining");
    for mut client in [reader, writer] {
        assert_eq!(client.closed().0, 1001);
        client.send(CLOSE, closing(1001, ""));
        client.ended();
    }
}

fn a_client_that_never_reads_does_not_hold_up_the_end(start: Start) {
    let timeout = Duration::from_millis(300);
    let settings = ServerSettings { send_buffer: 4 * 1024, ..plain() };
    let mut server = Server::start_with_drain(start, settings, (timeout, Duration::ZERO));
    let mut stuck = Client::dial_narrow(server.address);
    stuck.upgrade("/ws/lobby?user=stuck");
    let mut writer = server.connect("/ws/lobby?user=writer");
    // More than the sockets hold, and less than what closes the connection.
    let payload = "x".repeat(10_000);
    for n in 0..60 {
        writer.call(&json!({"type": "fill", "id": format!("{n}"), "payload": payload}));
    }
    writer.bye();
    let begun = Instant::now();
    server.drain();
    server.join();
    assert!(begun.elapsed() >= timeout);
    // The server has ended and closed the socket: what had been sent arrives, then the end.
    stuck.rest();
}

fn one_in_the_middle_of_its_handshake_does_not_hold_up_the_end(start: Start) {
    let mut server = Server::start_with_drain(start, plain(), (LONG, Duration::ZERO));
    let mut half = Client::dial(server.address);
    half.write("GET /ws HTTP/1.1\r\n");
    let mut silent = Client::dial(server.address);
    server.connect("/ws").bye();
    server.drain();
    server.join();
    let (status, text) = half.response();
    assert_eq!(status, 503, "{text}");
    assert!(
        text.contains(r#""code":"draining""#) && text.contains("\r\nRetry-After: 1\r\n"),
        "{text}"
    );
    assert_eq!(silent.rest(), b"", "it has asked for nothing");
}

fn a_drain_without_connections_is_over_at_once(start: Start) {
    let mut server = Server::start_with_drain(start, plain(), (LONG, Duration::ZERO));
    server.drain();
    server.join();
}
