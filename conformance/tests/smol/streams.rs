//! Sockets that another HTTP server has upgraded: `admit` and `adopt`.

use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::runtime::{Builder, Handle, RefuseBy, Server};
use serde_json::json;
use smol::Async;
use switchboard_core::http::{HttpError, HttpRequest, Status};
use switchboard_core::{Limit, Limits, Rate};

use crate::runtime::done;
use crate::shared::harness::{DEADLINE, listen, plain, roomy, with};
use switchboard_conformance::client::{Client, TEXT, frame, request};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn upgrade(target: &str) -> HttpRequest {
    let headers = [
        ("Host", "test"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", KEY),
    ];
    HttpRequest::from_parts("GET", target, headers).unwrap()
}

/// Both ends of a connection.
fn pair() -> (Client, Async<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::dial(listener.local_addr().unwrap());
    let (socket, _) = listener.accept().unwrap();
    (client, Async::new(socket).unwrap())
}

/// Runs `work` beside the server, on its thread, and the server until the test has ended.
fn run_with(
    builder: Builder,
    work: impl AsyncFnOnce(&Server) + Send + 'static,
    test: impl FnOnce(&Handle),
) {
    let server = builder.build().unwrap();
    let handle = server.handle();
    let (sender, ended) = channel();
    let thread = thread::spawn(move || {
        let both = async {
            let (run, _) = smol::future::zip(server.run(), work(&server)).await;
            run
        };
        let _ = sender.send(smol::block_on(both));
    });
    test(&handle);
    done(handle.drain(Duration::ZERO, Duration::ZERO));
    ended.recv_timeout(DEADLINE).expect("`run` returns").unwrap();
    thread.join().unwrap();
}

#[test]
fn a_socket_from_elsewhere_is_served_with_what_was_read_of_it() {
    let (mut client, socket) = pair();
    let join = |n: usize| json!({"type": "join", "id": format!("{n}"), "room": "more"}).to_string();
    // More than one turn's worth has been read already, and ends in the middle of a frame.
    let ahead: Vec<u8> = (0..2_000).flat_map(|n| frame(TEXT, join(n).as_bytes())).collect();
    let (read, unread) = ahead.split_at(ahead.len() - 10);
    let (read, unread) = (read.to_vec(), unread.to_vec());
    client.write(unread);
    run_with(
        plain(),
        async move |server| {
            let admission = server.admit(upgrade("/ws/lobby?user=alice")).await.unwrap();
            assert_eq!(admission.upgrade().accept_key, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
            server.adopt(admission, socket, &read).unwrap();
        },
        |handle| {
            assert_eq!(client.expect("connected")["user"], "alice");
            for n in 0..2_000 {
                assert_eq!(client.expect("joined")["id"], format!("{n}"));
            }
            assert!(handle.is_online("alice"));
            client.bye();
        },
    );
}

#[test]
fn an_admission_that_is_dropped_gives_its_seat_back() {
    let limits = Limits { max_connections: Limit::at_most(1), ..roomy() };
    run_with(
        with(|settings| settings.config.limits = limits),
        async |server| {
            for _ in 0..3 {
                let seat = server.admit(upgrade("/ws/lobby")).await.unwrap();
                let refused = server.admit(upgrade("/ws/lobby")).await.unwrap_err();
                assert_eq!(refused.status(), Status::Unavailable);
                drop(seat);
            }
        },
        |handle| {
            crate::shared::harness::eventually("three were refused", || {
                handle.stats().rejected[0] == 3
            });
            assert_eq!(handle.stats().reserved, 0);
        },
    );
}

#[test]
fn an_admission_counts_as_a_connection_of_its_address() {
    let here = || upgrade("/ws/lobby").with_address(Some("192.0.2.1".parse().unwrap()));
    let there = || upgrade("/ws/lobby").with_address(Some("192.0.2.2".parse().unwrap()));
    let builder = with(|settings| {
        settings.connections_per_address = Limit::at_most(1);
        settings.connects_per_address = Rate { per_second: 1, burst: 5 };
    });
    let (mut client, socket) = pair();
    run_with(
        builder,
        async move |server| {
            let admission = server.admit(here()).await.unwrap();
            let refused = server.admit(here()).await.unwrap_err();
            assert_eq!(refused.status(), Status::TooManyRequests);
            let other = server.admit(there()).await.unwrap();
            drop(admission);
            let admission = server.admit(here()).await.unwrap();
            server.adopt(admission, socket, b"").unwrap();
            assert!(server.admit(here()).await.is_err(), "the connection counts, too");
            drop(other);
        },
        |handle| {
            client.expect("connected");
            crate::shared::harness::eventually("two were refused", || {
                handle.refused_requests() == [("address_limit", 2)]
            });
            client.bye();
        },
    );
}

#[test]
fn a_seat_that_is_not_taken_in_time_is_given_back_and_adopting_fails() {
    let (mut client, socket) = pair();
    let (sender, result) = channel();
    run_with(
        with(|settings| settings.handshake_timeout = Duration::from_millis(100)),
        async move |server| {
            let admission = server.admit(upgrade("/ws/lobby")).await.unwrap();
            let handle = server.handle();
            while handle.stats().reserved > 0 {
                smol::Timer::after(Duration::from_millis(5)).await;
            }
            let _ = sender.send(server.adopt(admission, socket, b""));
        },
        |_| {
            let error = result.recv_timeout(DEADLINE).unwrap().unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
            client.ended();
        },
    );
}

#[test]
fn a_refusal_is_a_response_for_the_other_server_to_send() {
    let builder = with(|settings| settings.auth_answer = RefuseBy::Close)
        .authenticate(|_| async { Err(HttpError::forbidden("forbidden", "not you")) });
    run_with(
        builder,
        async |server| {
            let refused = server.admit(upgrade("/ws")).await.unwrap_err();
            assert_eq!(refused.status(), Status::Forbidden);
            let refused = server.admit(upgrade("/elsewhere")).await.unwrap_err();
            assert_eq!(refused.status(), Status::NotFound);
        },
        |handle| assert_eq!(handle.stats().accepted, 0),
    );
}

#[test]
fn one_server_can_serve_two_listeners() {
    let server = with(|settings| settings.max_handshakes = 1).build().unwrap();
    let handle = server.handle();
    let [(one, first), (other, second)] = [(); 2].map(|()| listen());
    let (sender, ended) = channel();
    thread::spawn(move || {
        let both = smol::future::zip(server.serve(first), server.serve(second));
        let _ = sender.send(smol::block_on(both));
    });
    for n in 0..20 {
        let mut clients = [one, other].map(|address| {
            let mut client = Client::open(address, &format!("/ws/lobby?user=u{n}"));
            client.expect("connected");
            client
        });
        clients[0].json(&json!({"type": "chat", "payload": n}));
        assert!(clients.iter_mut().all(|client| client.expect("chat")["payload"] == n));
        clients.into_iter().for_each(Client::bye);
    }
    done(handle.drain(Duration::ZERO, Duration::ZERO));
    let (one, other) = ended.recv_timeout(DEADLINE).expect("both return");
    one.and(other).unwrap();
}

#[test]
fn a_server_that_is_dropped_lets_go_of_its_sockets() {
    let built = plain().build().unwrap();
    let handle = built.handle();
    let (address, listener) = listen();
    let (stop, stopped) = smol::channel::bounded::<()>(1);
    let serving = thread::spawn(move || {
        let stopped = async {
            let _ = stopped.recv().await;
            Ok(())
        };
        smol::block_on(smol::future::or(built.serve(listener), stopped))
    });
    let mut open = Client::open(address, "/ws/lobby");
    open.expect("connected");
    let mut half = Client::dial(address);
    half.write(&request("/ws", "")[..20]);
    drop(stop);
    serving.join().unwrap().unwrap();
    // The handle is still alive; it must not keep the sockets open.
    open.ended();
    half.rest();
    assert_eq!(handle.stats().connections, 0);
}
