//! Shutting down: all clients are told, the end comes by the deadline, and nothing is left.

use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use switchboard_core::{CloseReason, Ending};

use crate::runtime::{done, serve};
use crate::shared::harness::{Running, listen, plain, with};
use switchboard_conformance::client::Client;

#[test]
fn a_client_that_never_reads_does_not_hold_up_the_end() {
    let server = Running::start(with(|settings| settings.send_buffer = 4 * 1024));
    let mut stuck = Client::dial_narrow(server.address);
    stuck.upgrade("/ws/lobby");
    server.opened();
    let payload = "x".repeat(10_000);
    while server.handle.stats().blocked == 0 {
        server.handle.publish("lobby", "fill", &payload).unwrap();
    }
    let begun = Instant::now();
    done(server.handle.drain(Duration::from_millis(300), Duration::ZERO));
    assert!(begun.elapsed() >= Duration::from_millis(300));
    server.result().unwrap();
    assert_eq!(server.ending().1, Ending::Closed(CloseReason::Draining));
    // The server has ended and closed the socket: what had been sent arrives, then the end.
    stuck.rest();
}

#[test]
fn a_drain_without_connections_is_over_at_once() {
    let server = Running::start(plain());
    done(server.handle.drain(Duration::from_secs(3_600), Duration::ZERO));
    server.result().unwrap();
}

#[test]
fn a_drain_can_be_asked_for_twice_and_before_serving() {
    let built = plain().build().unwrap();
    let handle = built.handle();
    done(handle.drain(Duration::ZERO, Duration::ZERO));
    done(handle.drain(Duration::ZERO, Duration::ZERO));
    let (_sender, outputs) = channel();
    Running::serve(built, outputs).result().unwrap();
}

#[test]
fn a_listener_that_ends_ends_serve_with_an_error() {
    let built = plain().build().unwrap();
    let (_, listener) = listen();
    let other = socket2::SockRef::from(&listener).try_clone().unwrap();
    let (sender, result) = channel();
    thread::spawn(move || sender.send(serve(&built, listener)));
    // On Linux this makes a waiting accept fail.
    other.shutdown(std::net::Shutdown::Both).unwrap();
    let error = result.recv_timeout(crate::shared::harness::DEADLINE).unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}
