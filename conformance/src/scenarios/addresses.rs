//! What one address takes from others. (This machine has more than one on Linux.)

use std::time::{Duration, Instant};

use switchboard_core::{Limit, Loopback, Rate};
use switchboard_engine::server::ServerSettings;

use super::scenarios;
use crate::Start;
use crate::client::{Client, request};
use crate::harness::{Server, eventually, plain};

scenarios![
    an_honest_address_is_in_beside_silent_sockets_of_another,
    an_address_connects_at_its_rate_and_other_requests_are_answered,
    an_address_has_a_limit_of_connections,
    refused_sockets_that_stay_keep_nobody_out,
];

/// Addresses of this machine count here, and there are several.
fn counted() -> ServerSettings {
    let mut settings = plain();
    settings.config.limits.loopback = Loopback::Count;
    settings
}

fn open_from(host: u8, server: &Server, target: &str) -> Client {
    let mut client = Client::dial_from(host, server.address);
    client.upgrade(target);
    client.expect("connected");
    client
}

fn ask_from(host: u8, server: &Server, request: impl AsRef<[u8]>) -> (u16, String) {
    let mut client = Client::dial_from(host, server.address);
    client.write(request);
    client.response()
}

fn an_honest_address_is_in_beside_silent_sockets_of_another(start: Start) {
    for loopback in [Loopback::Exempt, Loopback::Count] {
        let mut settings = counted();
        settings.config.limits.loopback = loopback;
        let server = Server::start(start, ServerSettings { max_handshakes: 64, ..settings });
        let _silent: Vec<_> = (0..300).map(|_| Client::dial_from(2, server.address)).collect();
        let begun = Instant::now();
        open_from(3, &server, "/ws?user=honest").bye();
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        let get = "GET /elsewhere HTTP/1.1\r\nHost: test\r\n\r\n";
        assert_eq!(ask_from(2, &server, get).0, 404, "a health check of the silent address");
    }
}

fn an_address_connects_at_its_rate_and_other_requests_are_answered(start: Start) {
    let connects_per_address = Rate { per_second: 1, burst: 3 };
    let server = Server::start(start, ServerSettings { connects_per_address, ..counted() });
    let begun = Instant::now();
    // Each would be refused with 403, but that is found out only within the rate.
    let page = request("/ws", "Origin: https://evil.example\r\n");
    let mut passed = 0;
    let head = loop {
        let mut client = Client::dial_from(2, server.address);
        client.write(&page);
        let head = client.head();
        if !head.starts_with("HTTP/1.1 403 ") {
            break head;
        }
        passed += 1;
    };
    assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    assert!(head.contains("\r\nRetry-After: 1\r\n"), "{head}");
    assert!((3..=3 + begun.elapsed().as_secs()).contains(&passed), "{passed}");
    let get = "GET /elsewhere HTTP/1.1\r\nHost: test\r\n\r\n";
    assert_eq!(ask_from(2, &server, get).0, 404);
    open_from(3, &server, "/ws?user=another").bye();
}

fn an_address_has_a_limit_of_connections(start: Start) {
    let connections_per_address = Limit::at_most(2);
    let connects_per_address = Rate::NONE;
    let settings = ServerSettings { connections_per_address, connects_per_address, ..counted() };
    let server = Server::start(start, settings);
    let [first, _second] =
        ["a", "b"].map(|user| open_from(2, &server, &format!("/ws?user={user}")));
    let (status, text) = ask_from(2, &server, request("/ws?user=c", ""));
    assert_eq!(status, 429, "{text}");
    assert!(text.contains("address_limit"), "{text}");
    open_from(3, &server, "/ws?user=another").bye();
    first.bye();
    eventually("the place of the first is free", || {
        let mut client = Client::dial_from(2, server.address);
        client.write(request("/ws?user=c", ""));
        client.head().starts_with("HTTP/1.1 101 ")
    });
}

fn refused_sockets_that_stay_keep_nobody_out(start: Start) {
    let server = Server::start(start, ServerSettings { max_handshakes: 8, ..plain() });
    let get = "GET /elsewhere HTTP/1.1\r\nHost: test\r\n\r\n";
    let mut refused = Vec::new();
    for _ in 0..100 {
        let mut client = Client::dial_from(2, server.address);
        client.write(get);
        assert_eq!(client.response().0, 404);
        refused.push(client);
    }
    open_from(3, &server, "/ws?user=honest").bye();
}
