//! Silent and slow peers make room for others, and the last bytes arrive.

use std::io::Write;
use std::thread;
use std::time::Duration;

use serde_json::json;
use switchboard_engine::server::ServerSettings;

use super::scenarios;
use crate::Start;
use crate::client::{BINARY, Client, header, request};
use crate::harness::{Server, plain};

scenarios![
    a_silent_handshake_makes_room_for_another,
    a_handshake_that_is_evicted_leaves_the_others_alone,
    the_first_byte_has_a_deadline_of_its_own,
    a_head_of_exactly_the_limit_passes_and_one_byte_more_does_not,
    a_close_code_arrives_although_the_client_goes_on_sending,
];

fn a_silent_handshake_makes_room_for_another(start: Start) {
    let server = Server::start(start, ServerSettings { max_handshakes: 2, ..plain() });
    let mut first = Client::dial(server.address);
    let mut second = Client::dial(server.address);
    server.connect("/ws?user=eager").bye();
    first.ended();
    second.upgrade("/ws?user=second");
    second.expect("connected");
    second.bye();
}

fn a_handshake_that_is_evicted_leaves_the_others_alone(start: Start) {
    let server = Server::start(start, ServerSettings { max_handshakes: 4, ..plain() });
    let mut honest = server.connect("/ws/lobby?user=honest");
    for _ in 0..50 {
        drop(Client::dial(server.address));
    }
    let silent: Vec<_> = (0..50).map(|_| Client::dial(server.address)).collect();
    assert_eq!(honest.call(&json!({"type": "chat", "id": "1"}))["type"], "ack");
    server.connect("/ws/lobby?user=late").bye();
    silent.into_iter().take(46).for_each(|mut client| client.ended());
    honest.bye();
}

fn the_first_byte_has_a_deadline_of_its_own(start: Start) {
    let first_byte_timeout = Duration::from_millis(200);
    let server = Server::start(start, ServerSettings { first_byte_timeout, ..plain() });
    let mut slow = Client::dial(server.address);
    let mut blank = Client::dial(server.address);
    let mut silent = Client::dial(server.address);
    slow.write("GET /ws?user=slow HTTP/1.1\r\n");
    blank.write("\r\n\r\n");
    assert_eq!(silent.response().0, 408);
    assert_eq!(blank.response().0, 408, "an empty line is not the first byte of a request");
    let rest = request("/ws", "");
    slow.write(rest.split_once("\r\n").expect("it has lines").1);
    assert!(slow.head().starts_with("HTTP/1.1 101 "));
    slow.expect("connected");
    slow.bye();
}

fn a_head_of_exactly_the_limit_passes_and_one_byte_more_does_not(start: Start) {
    let max_head_bytes = 2_000;
    let server = Server::start(start, ServerSettings { max_head_bytes, ..plain() });
    let empty = request("/ws", "X: \r\n").len();
    let of_len = |len: usize| request("/ws", &format!("X: {}\r\n", "x".repeat(len - empty)));
    let mut client = Client::dial(server.address);
    client.write(of_len(max_head_bytes));
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    let (status, text) = Client::ask(server.address, of_len(max_head_bytes + 1));
    assert_eq!(status, 431, "{text}");
}

fn a_close_code_arrives_although_the_client_goes_on_sending(start: Start) {
    let server = Server::start(start, plain());
    let mut client = server.connect("/ws/a");
    client.write(header(BINARY, 16 * 1024 * 1024));
    let mut socket = client.socket.try_clone().expect("it is open");
    let sending = thread::spawn(move || {
        // Until the server has closed its end: it stops reading long before.
        let piece = [0; 16 * 1024];
        while socket.write_all(&piece).is_ok() {}
    });
    assert_eq!(client.closed().0, 1009);
    sending.join().expect("no panic");
}
