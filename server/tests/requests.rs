//! Which requests the program answers, by their host, their origin and their token.
#![cfg(test)]

mod program;

use std::io::{Read, Write};
use std::net::TcpStream;

use program::Server;

/// Sends a request and returns the status and everything else that arrives first.
fn ask(server: &Server, path: &str, headers: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(&server.address).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\n{headers}\r\n").unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
        let mut piece = [0; 4096];
        match socket.read(&mut piece).unwrap() {
            0 => break,
            taken => answer.extend_from_slice(&piece[..taken]),
        }
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no answer: {text:?}")), text)
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// The status of an upgrade that a page asks for.
fn page(server: &Server, host: &str, origin: &str) -> u16 {
    ask(server, "/ws", &format!("Host: {host}\r\nOrigin: {origin}\r\n{UPGRADE}")).0
}

#[test]
fn a_local_server_is_for_this_machines_pages_and_names() {
    let server = Server::start(&[("SWITCHBOARD_ORIGINS_HOSTS", "chat.test")]);
    let own = server.address.as_str();
    assert_eq!(page(&server, own, "http://localhost:5173"), 101, "a development server");
    assert_eq!(page(&server, own, "https://evil.test"), 403);
    assert_eq!(page(&server, "evil.test:80", "http://evil.test:80"), 403, "DNS rebinding");
    assert_eq!(page(&server, "chat.test", "https://chat.test"), 101, "a proxy that keeps the host");
    let program = ask(&server, "/ws", &format!("Host: my_service:8080\r\n{UPGRADE}"));
    assert_eq!(program.0, 101, "{}", program.1);
    for (path, expected) in [("/", 403), ("/healthz", 200), ("/readyz", 200)] {
        let (status, text) = ask(&server, path, "Host: evil.test\r\n");
        assert_eq!(status, expected, "{path}: {text}");
        let no_host = if expected == 200 { 200 } else { 400 };
        assert_eq!(ask(&server, path, "").0, no_host, "{path}");
        assert_eq!(ask(&server, path, "Host: a\r\nHost: a\r\n").0, no_host, "{path}");
    }
    assert_eq!(ask(&server, "/", "Host: chat.test:8443\r\n").0, 200);
}

#[test]
fn a_server_with_tokens_is_for_its_own_pages_under_any_name() {
    let server = Server::start(&[
        ("SWITCHBOARD_AUTH_MODE", "jwt"),
        ("SWITCHBOARD_AUTH_HS256_SECRET", SECRET),
    ]);
    assert_eq!(ask(&server, "/", "Host: chat.test\r\n").0, 200);
    assert_eq!(page(&server, &server.address, "http://localhost:5173"), 403);
    let own = format!("http://{}", server.address);
    assert_eq!(page(&server, &server.address, &own), 101, "closed with 4001 after the upgrade");
    assert_eq!(ask(&server, "/ws", &format!("Host: chat.test\r\n{UPGRADE}")).0, 401);
    assert_eq!(ask(&server, "/ws", "Host: chat.test\r\n").0, 401);
}

#[test]
fn how_a_client_without_a_token_is_refused_is_a_setting() {
    for (answer, from_page, otherwise) in [("http", 401, 401), ("close", 101, 101)] {
        let server = Server::start(&[
            ("SWITCHBOARD_AUTH_MODE", "jwt"),
            ("SWITCHBOARD_AUTH_HS256_SECRET", SECRET),
            ("SWITCHBOARD_AUTH_ANSWER", answer),
        ]);
        let own = format!("http://{}", server.address);
        assert_eq!(page(&server, &server.address, &own), from_page, "{answer}");
        let program = ask(&server, "/ws", &format!("Host: a\r\n{UPGRADE}"));
        assert_eq!(program.0, otherwise, "{answer}");
    }
}
