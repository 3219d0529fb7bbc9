//! Which requests the program answers, by their host, their origin and their token.
#![cfg(test)]

mod program;

use std::io::{Read, Write};
use std::net::TcpStream;

use program::{Server, UPGRADE};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The status of an upgrade that a page asks for.
fn page(server: &Server, host: &str, origin: &str) -> u16 {
    server.ask("/ws", &format!("Host: {host}\r\nOrigin: {origin}\r\n{UPGRADE}")).0
}

#[test]
fn a_local_server_is_for_this_machines_pages_and_names() {
    let server = Server::start(&[("SWITCHBOARD_ORIGINS_HOSTS", "chat.test")]);
    let own = server.address.as_str();
    assert_eq!(page(&server, own, "http://localhost:5173"), 101, "a development server");
    assert_eq!(page(&server, own, "https://evil.test"), 403);
    assert_eq!(page(&server, "evil.test:80", "http://evil.test:80"), 403, "DNS rebinding");
    assert_eq!(page(&server, "chat.test", "https://chat.test"), 101, "a proxy that keeps the host");
    let program = server.ask("/ws", &format!("Host: my_service:8080\r\n{UPGRADE}"));
    assert_eq!(program.0, 101, "{}", program.1);
    for (path, expected) in [("/", 403), ("/healthz", 200), ("/readyz", 200)] {
        let (status, text) = server.ask(path, "Host: evil.test\r\n");
        assert_eq!(status, expected, "{path}: {text}");
        let no_host = if expected == 200 { 200 } else { 400 };
        assert_eq!(server.ask(path, "").0, no_host, "{path}");
        assert_eq!(server.ask(path, "Host: a\r\nHost: a\r\n").0, no_host, "{path}");
    }
    assert_eq!(server.ask("/", "Host: chat.test:8443\r\n").0, 200);
}

#[test]
fn a_server_with_tokens_is_for_its_own_pages_under_any_name() {
    let server = Server::start(&[
        ("SWITCHBOARD_AUTH_MODE", "jwt"),
        ("SWITCHBOARD_AUTH_HS256_SECRET", SECRET),
    ]);
    assert_eq!(server.ask("/", "Host: chat.test\r\n").0, 200);
    assert_eq!(page(&server, &server.address, "http://localhost:5173"), 403);
    let own = format!("http://{}", server.address);
    assert_eq!(page(&server, &server.address, &own), 101, "closed with 4001 after the upgrade");
    assert_eq!(server.ask("/ws", &format!("Host: chat.test\r\n{UPGRADE}")).0, 401);
    assert_eq!(server.ask("/ws", "Host: chat.test\r\n").0, 401);
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
        let program = server.ask("/ws", &format!("Host: a\r\n{UPGRADE}"));
        assert_eq!(program.0, otherwise, "{answer}");
    }
}

#[test]
fn the_numbers_are_for_this_machine_unless_a_proxy_asks() {
    let server = Server::start(&[("SWITCHBOARD_ORIGINS_HOSTS", "chat.test")]);
    let own = format!("Host: {}\r\n", server.address);
    let (status, text) = server.ask("/api/stats", &own);
    assert_eq!(status, 200, "{text}");
    assert_eq!(server.ask("/api/stats", "Host: chat.test\r\n").0, 403);
    let forwarded = server.ask("/api/stats", &format!("{own}X-Forwarded-For: 127.0.0.1\r\n"));
    assert_eq!(forwarded.0, 403, "{}", forwarded.1);
    assert_eq!(opening_of_the_room(&server, &own), TEXT);
    assert_eq!(opening_of_the_room(&server, &format!("{own}Via: 1.1 proxy\r\n")), CLOSE);
    let off = Server::start(&[("SWITCHBOARD_DASHBOARD_STATS", "off")]);
    assert_eq!(off.ask("/api/stats", &format!("Host: {}\r\n", off.address)).0, 404);
}

#[test]
fn the_numbers_can_be_for_holders_of_a_token() {
    let server = Server::start(&[
        ("SWITCHBOARD_AUTH_MODE", "jwt"),
        ("SWITCHBOARD_AUTH_HS256_SECRET", SECRET),
        ("SWITCHBOARD_DASHBOARD_STATS", "token"),
    ]);
    let status = |claims: &str| {
        let token = token(claims);
        let headers = format!("Host: a\r\nAuthorization: Bearer {token}\r\n");
        server.ask("/api/stats", &headers).0
    };
    assert_eq!(status(r#"{"sub":"alice","stats":true}"#), 200);
    for claims in
        [r#"{"sub":"a"}"#, r#"{"sub":"a","stats":false}"#, r#"{"sub":"a","stats":"true"}"#]
    {
        assert_eq!(status(claims), 403, "{claims}");
    }
    assert_eq!(status(r#"{"stats":true}"#), 401, "it names no user");
    for (claims, opening) in [(r#"{"sub":"a","stats":true}"#, TEXT), (r#"{"sub":"a"}"#, CLOSE)] {
        let headers = format!("Host: a\r\nAuthorization: Bearer {}\r\n", token(claims));
        assert_eq!(opening_of_the_room(&server, &headers), opening, "{claims}");
    }
    assert_eq!(server.ask("/api/stats", &format!("Host: {}\r\n", server.address)).0, 401);
}

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;

/// The first byte of the first frame for a client that asks for the room of the statistics.
fn opening_of_the_room(server: &Server, headers: &str) -> u8 {
    let mut socket = TcpStream::connect(&server.address).unwrap();
    let target = "/ws/switchboard%3Astats";
    write!(socket, "GET {target} HTTP/1.1\r\n{headers}{UPGRADE}\r\n").unwrap();
    let mut last = [0; 4];
    while last != *b"\r\n\r\n" {
        last.rotate_left(1);
        socket.read_exact(&mut last[3..]).unwrap();
    }
    let mut first = [0];
    socket.read_exact(&mut first).unwrap();
    first[0]
}

/// Signs these claims as the issuer would.
fn token(claims: &str) -> String {
    let claims: serde_json::Value = serde_json::from_str(claims).unwrap();
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}
