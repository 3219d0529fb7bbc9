//! Who gets a seat, who does not and hears why, and that no seat is lost.

use std::net::SocketAddr;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use crate::runtime::core::{Limit, Limits, RoomClass};
use crate::runtime::{Answer, Builder};

use crate::client::{Client, request};
use crate::harness::{Running, plain, roomy};

/// Three in all, two in a room, two of a user.
fn small() -> Builder {
    let limits =
        Limits { max_connections: Limit::at_most(3), max_per_user: Limit::at_most(2), ..roomy() };
    let class = RoomClass { max_members: Limit::at_most(2), presence: false, ..Default::default() };
    plain().limits(limits).rooms("small:", class)
}

/// `connected`, or the close frame instead.
fn attempt(address: SocketAddr, target: &str) -> Result<Client, (u16, String)> {
    let mut client = Client::open(address, target);
    let first = client.peek();
    if first.head == crate::client::CLOSE {
        let refused = client.closed();
        client.ended();
        return Err(refused);
    }
    client.expect("connected");
    Ok(client)
}

fn refused(server: &Running, target: &str) -> (u16, String) {
    attempt(server.address, target).err().unwrap_or_else(|| panic!("{target} has got a seat"))
}

#[test]
fn the_right_one_is_refused_for_the_right_reason() {
    let server = Running::start(small());
    let first = attempt(server.address, "/ws/small:a?user=alice").unwrap();
    let second = attempt(server.address, "/ws/small:b?user=alice").unwrap();
    let full = |reason: &str| (4002, reason.to_owned());
    assert_eq!(refused(&server, "/ws/small:c?user=alice"), full("user_limit"));
    let third = attempt(server.address, "/ws/small:a?user=bob").unwrap();
    assert_eq!(refused(&server, "/ws/small:d?user=carol"), full("server_full"));
    second.bye();
    assert_eq!(refused(&server, "/ws/small:a?user=carol"), full("lobby_full"));
    attempt(server.address, "/ws/small:b?user=alice").unwrap().bye();
    first.bye();
    third.bye();
    assert_eq!(server.handle.stats().accepted, 4);
    assert_eq!(server.handle.stats().rejected, [1, 1, 1, 0, 0]);
}

#[test]
fn a_full_server_can_answer_by_http() {
    let server = Running::start(small().capacity_answer(Answer::Http));
    let _seats = ["a", "b"].map(|user| server.connect(&format!("/ws/small:a?user={user}")));
    let (status, text) = Client::ask(server.address, request("/ws/small:a?user=c", ""));
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("\r\nRetry-After: 5\r\n"), "{text}");
    assert!(text.contains(r#""code":"lobby_full""#), "{text}");
}

#[test]
fn of_fifty_at_the_same_instant_exactly_as_many_as_fit_get_seats() {
    for (target, seats, reason) in [("/ws/small:a", 2, "lobby_full"), ("/ws", 3, "server_full")] {
        let server = Running::start(small());
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
        drop(seated);
        server.until("the seats are free again", |stats| stats.connections == 0);
        let again = (0..seats).map(|n| attempt(address, &format!("{target}?user=v{n}")));
        let again: Vec<_> = again.collect();
        assert!(again.iter().all(Result::is_ok), "as many as before");
    }
}

#[test]
fn the_seat_of_a_closed_connection_is_free_at_once() {
    let server = Running::start(small());
    let _others = ["a", "b"].map(|user| server.connect(&format!("/ws?user={user}")));
    for _ in 0..100 {
        // No waiting in between: when a client has seen the end, the seat is free.
        attempt(server.address, "/ws/small:a?user=c").unwrap().bye();
    }
}

#[test]
fn a_refused_or_failed_handshake_takes_no_seat() {
    let server = Running::start(small().handshake_timeout(Duration::from_millis(300)));
    let (status, _) = Client::ask(server.address, request("/ws", "Sec-WebSocket-Key: x\r\n"));
    assert_eq!(status, 400);
    for head in ["", "GET", "GET /ws HTTP/1.1\r\nHost: x\r\n"] {
        Client::dial(server.address).write(head);
    }
    let vanished = Client::dial(server.address);
    vanished.reset();
    let mut slow = Client::dial(server.address);
    slow.write("GET /ws HTTP/1.1\r\n");
    assert_eq!(slow.response().0, 408);
    let stats = server.handle.stats();
    assert_eq!((stats.accepted, stats.reserved), (0, 0));
    let seats: Vec<_> =
        (0..3).map(|n| attempt(server.address, &format!("/ws?user=u{n}")).unwrap()).collect();
    assert_eq!(refused(&server, "/ws?user=u3").1, "server_full");
    drop(seats);
}

#[test]
fn clients_that_vanish_in_the_middle_leave_nothing_behind() {
    let server = Running::start(small());
    for n in 0..500 {
        let mut client = Client::dial(server.address);
        client.write(request(&format!("/ws/small:a?user=u{n}"), ""));
        if n % 2 == 0 { client.reset() } else { drop(client) }
    }
    server.until("all are gone", |stats| {
        let ended: u64 = stats.ended.iter().sum();
        stats.accepted == ended && stats.connections + stats.reserved + stats.closing == 0
    });
    server.until("a seat is free", |_| attempt(server.address, "/ws/small:a?user=late").is_ok());
}

#[test]
fn handshakes_beyond_the_bound_wait_for_their_turn() {
    let server = Running::start(plain().max_handshakes(2));
    let idle = [Client::dial(server.address), Client::dial(server.address)];
    // Its request waits in the kernel until one of the others is done.
    let mut waiting = Client::dial(server.address);
    waiting.write(request("/ws?user=patient", ""));
    waiting.expect_silence();
    assert_eq!(server.handle.stats().accepted, 0);
    drop(idle);
    assert!(waiting.head().starts_with("HTTP/1.1 101 "));
    waiting.expect("connected");
    waiting.bye();
}
