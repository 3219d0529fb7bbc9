//! Who gets a seat, who is refused and why, and that no seat is lost.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use serde_json::json;
use switchboard_core::{Limit, RoomClass};
use switchboard_engine::server::{RefuseBy, ServerSettings};

use super::scenarios;
use crate::Start;
use crate::client::{Client, request};
use crate::harness::{Server, attempt, attentive, crowd, eventually, limited, plain, with_rooms};

scenarios![
    the_right_one_is_refused_for_the_right_reason,
    a_full_server_can_answer_by_http,
    of_fifty_at_the_same_instant_exactly_as_many_as_fit_get_seats,
    the_seat_of_a_closed_connection_is_free_at_once,
    a_refused_or_failed_handshake_takes_no_seat,
    clients_that_vanish_in_the_middle_leave_nothing_behind,
    handshakes_have_one_deadline_however_they_drip,
];

/// Limits of three connections in all, two in a room, two of a user.
fn small() -> ServerSettings {
    let settings = limited(|limits| {
        limits.max_connections = Limit::at_most(3);
        limits.max_per_user = Limit::at_most(2);
    });
    let class = RoomClass { max_members: Limit::at_most(2), ..crowd() };
    with_rooms(settings, "small:", class)
}

fn refused(server: &Server, target: &str) -> (u16, String) {
    server.attempt(target).err().unwrap_or_else(|| panic!("{target} has got a seat"))
}

fn the_right_one_is_refused_for_the_right_reason(start: Start) {
    let server = Server::start(start, small());
    let first = server.connect("/ws/small:a?user=alice");
    let second = server.connect("/ws/small:b?user=alice");
    let full = |reason: &str| (4002, reason.to_owned());
    assert_eq!(refused(&server, "/ws/small:c?user=alice"), full("user_limit"));
    let third = server.connect("/ws/small:a?user=bob");
    assert_eq!(refused(&server, "/ws/small:d?user=carol"), full("server_full"));
    second.bye();
    assert_eq!(refused(&server, "/ws/small:a?user=carol"), full("lobby_full"));
    server.connect("/ws/small:b?user=alice").bye();
    first.bye();
    third.bye();
}

fn a_full_server_can_answer_by_http(start: Start) {
    let mut settings = small();
    settings.capacity_answer = RefuseBy::Http;
    let server = Server::start(start, settings);
    let _seats = ["a", "b"].map(|user| server.connect(&format!("/ws/small:a?user={user}")));
    let (status, text) = Client::ask(server.address, request("/ws/small:a?user=c", ""));
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("\r\nRetry-After: 5\r\n"), "{text}");
    assert!(text.contains(r#""code":"lobby_full""#), "{text}");
}

fn of_fifty_at_the_same_instant_exactly_as_many_as_fit_get_seats(start: Start) {
    for (target, seats, reason) in [("/ws/small:a", 2, "lobby_full"), ("/ws", 3, "server_full")] {
        let server = Server::start(start, small());
        let address = server.address;
        let barrier = Arc::new(Barrier::new(50));
        let attempts: Vec<_> = (0..50)
            .map(|n| {
                let barrier = barrier.clone();
                thread::spawn(move || {
                    barrier.wait();
                    attempt(address, &format!("{target}?user=u{n}"))
                })
            })
            .collect();
        let results: Vec<_> = attempts.into_iter().map(|thread| thread.join().unwrap()).collect();
        let (seated, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!(seated.len(), seats);
        for refused in refused {
            assert_eq!(refused.err(), Some((4002, reason.to_owned())));
        }
        for client in seated {
            client.unwrap().bye();
        }
        let again: Vec<_> =
            (0..seats).map(|n| server.attempt(&format!("{target}?user=v{n}"))).collect();
        assert!(again.iter().all(Result::is_ok), "as many as before");
    }
}

fn the_seat_of_a_closed_connection_is_free_at_once(start: Start) {
    let server = Server::start(start, small());
    let _others = ["a", "b"].map(|user| server.connect(&format!("/ws?user={user}")));
    for _ in 0..100 {
        // No waiting in between: once a client has seen the end, the seat is free.
        server.connect("/ws/small:a?user=c").bye();
    }
}

fn a_refused_or_failed_handshake_takes_no_seat(start: Start) {
    let handshake_timeout = Duration::from_millis(300);
    let server = Server::start(start, ServerSettings { handshake_timeout, ..small() });
    let (status, _) = Client::ask(server.address, request("/ws", "Sec-WebSocket-Key: x\r\n"));
    assert_eq!(status, 400);
    for head in ["", "GET", "GET /ws HTTP/1.1\r\nHost: x\r\n"] {
        Client::dial(server.address).write(head);
    }
    Client::dial(server.address).reset();
    let mut slow = Client::dial(server.address);
    slow.write("GET /ws HTTP/1.1\r\n");
    assert_eq!(slow.response().0, 408);
    let seats: Vec<_> = (0..3).map(|n| server.connect(&format!("/ws?user=u{n}"))).collect();
    assert_eq!(refused(&server, "/ws?user=u3").1, "server_full");
    drop(seats);
}

fn clients_that_vanish_in_the_middle_leave_nothing_behind(start: Start) {
    let server = Server::start(start, with_rooms(small(), "seen:", attentive()));
    for n in 0..500 {
        let mut client = Client::dial(server.address);
        client.write(request(&format!("/ws/seen:a?user=u{n}"), ""));
        if n % 2 == 0 { client.reset() } else { drop(client) }
    }
    let mut seats = Vec::new();
    eventually("all seats are free", || {
        seats.extend(server.attempt("/ws/seen:a?user=late").ok().or_else(|| {
            // One that comes late can still have the seat for a moment.
            server.attempt("/ws/seen:a?user=later").ok()
        }));
        seats.len() == 3
    });
    let members = seats[0].call(&json!({"type": "members", "id": "1"}));
    let of_those_who_vanished = |name: &serde_json::Value| name.as_str().unwrap().starts_with('u');
    assert!(!members["members"].as_array().unwrap().iter().any(of_those_who_vanished), "{members}");
}

fn handshakes_have_one_deadline_however_they_drip(start: Start) {
    let handshake_timeout = Duration::from_millis(300);
    let settings = ServerSettings { handshake_timeout, max_handshakes: 2, ..plain() };
    let server = Server::start(start, settings);
    let mut idle = Client::dial(server.address);
    let mut dripping = Client::dial(server.address);
    let mut bytes = request("/ws", "").repeat(1_000).into_bytes().into_iter();
    dripping.socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    // One byte each time that nothing arrives.
    while dripping.is_silent() {
        dripping.write([bytes.next().unwrap()]);
    }
    assert_eq!(dripping.response().0, 408);
    assert_eq!(idle.response().0, 408);
    server.connect("/ws").bye();
}
