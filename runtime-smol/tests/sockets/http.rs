//! Plain requests on the same port.

use crate::runtime::core::http::{Refusal, Response, Status};

use crate::client::Client;
use crate::harness::{Running, plain};
use crate::runtime::later;

fn body(text: &str) -> &str {
    text.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn the_application_answers_what_is_no_upgrade() {
    let server = Running::start(plain().http(|request| {
        later! {
            match (request.method(), request.path()) {
                ("GET" | "HEAD", "/healthz") => Response::new(Status::Ok, "text/plain", "ok\n"),
                _ => Refusal::not_found().to_response(),
            }
        }
    }));
    let get = |method: &str, path: &str| {
        Client::ask(server.address, format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
    };
    let (status, text) = get("GET", "/healthz");
    assert_eq!((status, body(&text)), (200, "ok\n"));
    let (status, text) = get("HEAD", "/healthz");
    assert_eq!((status, body(&text)), (200, ""));
    assert!(text.contains("\r\nContent-Length: 3\r\n"), "{text}");
    let (status, text) = get("GET", "/nowhere");
    assert_eq!(status, 404);
    assert!(body(&text).contains(r#""code":"not_found""#), "{text}");
    server.connect("/ws").bye();
}

#[test]
fn without_a_service_there_is_nothing_but_sockets() {
    let server = Running::start(plain());
    for (method, path, status) in
        [("GET", "/", 404), ("GET", "/wsx", 404), ("GET", "/ws", 426), ("HEAD", "/ws", 405)]
    {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        let (got, text) = Client::ask(server.address, request);
        assert_eq!(got, status, "{text}");
        assert_eq!(body(&text).is_empty(), method == "HEAD", "{text}");
    }
}

#[test]
fn the_path_of_upgrades_can_be_another() {
    let server = Running::start(plain().path("/socket/"));
    server.connect("/socket").bye();
    let mut client = Client::open(server.address, "/socket/a%20room");
    assert_eq!(client.expect("connected")["rooms"][0]["room"], "a room");
    client.bye();
    let (status, _) = Client::ask(server.address, crate::client::request("/ws", ""));
    assert_eq!(status, 404);
}
