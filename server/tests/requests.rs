//! Which requests the program answers, by their host, their origin and their token.
#![cfg(test)]

mod program;

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
