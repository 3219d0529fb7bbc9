//! The application's code may panic anywhere: that fails the call in question, and never the
//! server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;

use crate::runtime::Identity;
use switchboard_core::UserName;
use switchboard_core::http::{HttpError, Response, Status};

use crate::runtime::later;
use crate::shared::harness::{Running, plain, with};
use switchboard_conformance::client::{Client, TEXT, request};

#[test]
fn an_authenticator_that_panics_refuses_that_one() {
    let server = Running::start(plain().authenticate(|credentials| {
        later! {
            let name = credentials.claimed_user.as_deref().expect("a name, on purpose");
            UserName::new(name).map(Identity::new).map_err(|_| HttpError::not_found())
        }
    }));
    let (status, text) = Client::ask(server.address, request("/ws", ""));
    assert_eq!(status, 500, "{text}");
    assert!(text.contains(r#""code":"internal""#), "{text}");
    server.connect("/ws?user=alice").bye();
}

#[test]
fn an_http_service_that_panics_answers_500() {
    let server = Running::start(plain().http(|request| {
        later! {
            assert_ne!(request.path(), "/bad", "on purpose");
            Response::new(Status::Ok, "text/plain", "fine")
        }
    }));
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(Client::ask(server.address, get("/bad")).0, 500);
    assert_eq!(Client::ask(server.address, get("/good")).0, 200);
}

#[test]
fn a_raw_service_that_panics_closes_that_connection() {
    let server = Running::start(with(|settings| {
        settings.raw = Some(Box::new(|_, frame| {
            assert_ne!(&frame.as_bytes()[..], b"bad", "on purpose");
            Some(frame)
        }));
    }));
    let mut bad = Client::open(server.address, "/ws");
    let mut good = Client::open(server.address, "/ws");
    bad.text("bad");
    assert_eq!(bad.closed().0, 1011);
    bad.ended();
    good.text("good");
    assert_eq!((good.next_frame().head, server.is_serving()), (TEXT, true));
    good.bye();
}

#[test]
fn an_observer_that_panics_is_heard_of_in_the_log_alone() {
    let (sender, outputs) = channel();
    let first = AtomicBool::new(true);
    let observed = plain().on_output(move |output| {
        let _ = sender.send(output.clone());
        assert!(!first.swap(false, Ordering::Relaxed), "on purpose");
    });
    let server = Running::serve(observed.build().unwrap(), outputs);
    server.connect("/ws/lobby").bye();
    server.ending();
    server.connect("/ws/lobby").bye();
}
