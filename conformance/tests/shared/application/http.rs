//! Plain requests on the same port.

use switchboard_core::http::{HttpError, Response, Status};

use crate::runtime::later;
use crate::shared::harness::{Running, plain};
use switchboard_conformance::client::Client;

fn body(text: &str) -> &str {
    text.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn the_application_answers_what_is_no_upgrade() {
    let server = Running::start(plain().http(|request| {
        later! {
            match (request.method(), request.path()) {
                ("GET" | "HEAD", "/healthz") => Response::new(Status::Ok, "text/plain", "ok\n"),
                _ => HttpError::not_found().to_response(),
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
