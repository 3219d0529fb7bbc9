//! Requests that are not upgrades, and the checks on those that are.

use switchboard_core::http::{Hosts, Origins};
use switchboard_engine::server::ServerSettings;

use super::scenarios;
use crate::Start;
use crate::client::{Client, request};
use crate::harness::{Server, plain};

scenarios![
    there_is_nothing_but_sockets,
    the_path_of_upgrades_can_be_another,
    everybody_is_believed_and_guests_differ,
    a_page_with_a_name_of_its_own_is_kept_out,
    pages_of_this_machine_may_come_from_any_port,
    a_request_names_exactly_one_host,
];

fn there_is_nothing_but_sockets(start: Start) {
    let server = Server::start(start, plain());
    for (method, path, status) in
        [("GET", "/", 404), ("GET", "/wsx", 404), ("GET", "/ws", 426), ("HEAD", "/ws", 405)]
    {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        let (got, text) = Client::ask(server.address, request);
        assert_eq!(got, status, "{text}");
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.is_empty(), method == "HEAD", "{text}");
    }
}

fn the_path_of_upgrades_can_be_another(start: Start) {
    let mut settings = ServerSettings { ..plain() };
    settings.path = "/socket".into();
    let server = Server::start(start, settings);
    server.connect("/socket").bye();
    let mut client = Client::open(server.address, "/socket/a%20room");
    assert_eq!(client.expect("connected")["rooms"][0]["room"], "a room");
    client.bye();
    let (status, _) = Client::ask(server.address, request("/ws", ""));
    assert_eq!(status, 404);
}

fn everybody_is_believed_and_guests_differ(start: Start) {
    let server = Server::start(start, plain());
    let name = |target: &str| {
        let mut client = Client::open(server.address, target);
        client.expect("connected")["user"].as_str().unwrap().to_owned()
    };
    assert_eq!(name("/ws?user=Zo%C3%AB"), "Zoë");
    let (one, two) = (name("/ws"), name("/ws"));
    assert!(one.starts_with("guest-") && one != two, "{one} {two}");
    let (status, text) = Client::ask(server.address, request("/ws?user=a%00b", ""));
    assert_eq!(status, 400, "{text}");
}

/// The upgrade that a page asks for at a host.
fn page(host: &str, origin: &str) -> String {
    request("/ws", &format!("Origin: {origin}\r\n")).replacen(
        "Host: test",
        &format!("Host: {host}"),
        1,
    )
}

fn a_page_with_a_name_of_its_own_is_kept_out(start: Start) {
    let hosts = Hosts::LoopbackOr(vec!["chat.test".parse().unwrap()]);
    let server = Server::start(start, ServerSettings { hosts, ..plain() });
    let port = server.address.port();
    let evil = format!("evil.test:{port}");
    let (status, text) = Client::ask(server.address, page(&evil, &format!("http://{evil}")));
    assert_eq!(status, 403, "{text}");
    assert!(text.contains(r#""code":"host_not_allowed""#) && text.contains(&evil), "{text}");
    let plain = format!("GET /ws HTTP/1.1\r\nHost: {evil}\r\n\r\n");
    assert_eq!(Client::ask(server.address, plain).0, 403);
    for host in [format!("localhost:{port}"), server.address.to_string(), "chat.test".into()] {
        let mut client = Client::dial(server.address);
        client.write(page(&host, &format!("http://{host}")));
        assert!(client.head().starts_with("HTTP/1.1 101 "), "{host}");
        client.expect("connected");
        client.bye();
    }
    // A program without an origin could claim any host: here `test`.
    server.connect("/ws").bye();
}

fn pages_of_this_machine_may_come_from_any_port(start: Start) {
    for (origins, expected) in [(Origins::SameHost, 403), (Origins::SameHostOrLoopback, 101)] {
        let server = Server::start(start, ServerSettings { origins, ..plain() });
        let mut client = Client::dial(server.address);
        client.write(page(&server.address.to_string(), "http://localhost:5173"));
        let head = client.head();
        assert!(head.starts_with(&format!("HTTP/1.1 {expected} ")), "{head}");
    }
}

fn a_request_names_exactly_one_host(start: Start) {
    let server = Server::start(start, plain());
    let asked = request("/ws", "");
    for (hosts, code) in [("", "bad_host"), ("Host: x\r\nHost: x\r\n", "repeated_header")] {
        let (status, text) =
            Client::ask(server.address, asked.replacen("Host: test\r\n", hosts, 1));
        assert_eq!(status, 400, "{text}");
        assert!(text.contains(&format!(r#""code":"{code}""#)), "{text}");
    }
}
