//! The application's authenticator: its input, and the effects of its answers.

use std::time::Duration;

use crate::runtime::{
    Builder, Claims, Context, Credentials, Identity, RefuseBy, ServerSettings, later, take_too_long,
};
use serde_json::json;
use switchboard_core::http::HttpError;
use switchboard_core::{Limit, RoomClass, RoomName, UserName};

use crate::shared::harness::{DEADLINE, Running, crowd, plain, with};
use switchboard_conformance::client::{Client, request};

struct Tier(&'static str);

fn check(credentials: &Credentials) -> Result<Identity, HttpError> {
    match credentials.token.as_ref().map(|token| token.expose()) {
        Some("good") => Ok(Identity {
            rooms: vec![RoomName::new("news").unwrap(), RoomName::new("lobby").unwrap()],
            claims: Claims::new(Tier("gold")),
            ..Identity::new(UserName::new("alice").unwrap())
        }),
        Some("early") => Err(HttpError::too_many_requests(1)),
        Some("banned") => Err(HttpError::forbidden("forbidden", "not you")),
        Some(_) | None => Err(HttpError::unauthorized("invalid token")),
    }
}

fn guarded() -> Builder {
    guarded_with(|_| {})
}

fn guarded_with(change: impl FnOnce(&mut ServerSettings)) -> Builder {
    with(change).authenticate(|credentials| {
        later! {
            if credentials.token.as_ref().is_some_and(|token| token.expose() == "slow") {
                take_too_long!();
            }
            check(&credentials)
        }
    })
}

#[test]
fn a_refusal_is_http_before_the_upgrade() {
    let server = Running::start(guarded());
    for (target, status, code) in [
        ("/ws", 401, "unauthorized"),
        ("/ws?token=wrong", 401, "unauthorized"),
        ("/ws/lobby?token=banned", 403, "forbidden"),
    ] {
        let (got, text) = Client::ask(server.address, request(target, ""));
        assert_eq!(got, status, "{text}");
        assert!(text.contains(&format!(r#""code":"{code}""#)), "{text}");
        assert_eq!(text.contains("\r\nWWW-Authenticate: Bearer\r\n"), status == 401, "{text}");
    }
    assert_eq!(server.handle.stats().accepted, 0);
}

#[test]
fn a_refusal_can_be_a_close_code_that_a_page_sees() {
    let server = Running::start(guarded_with(|settings| settings.auth_answer = RefuseBy::Close));
    for (target, code) in [("/ws?token=wrong", 4001), ("/ws?token=banned", 4003)] {
        let mut client = Client::open(server.address, target);
        assert_eq!(client.closed().0, code);
        client.ended();
    }
    // This has no close code of its own.
    let (status, _) = Client::ask(server.address, request("/ws?token=early", ""));
    assert_eq!(status, 429);
    assert_eq!(server.handle.stats().accepted, 0);
}

#[test]
fn a_page_is_refused_by_a_close_code_and_a_program_by_http() {
    let server = Running::start(guarded());
    let page = format!("Origin: http://{}\r\n", server.address);
    for (target, code, status) in [("/ws?token=wrong", 4001, 401), ("/ws?token=banned", 4003, 403)]
    {
        let mut client = Client::dial(server.address);
        let request_of_page =
            request(target, &page).replacen("Host: test", &format!("Host: {}", server.address), 1);
        client.write(request_of_page);
        assert!(client.head().starts_with("HTTP/1.1 101 "));
        assert_eq!(client.closed().0, code);
        client.ended();
        assert_eq!(Client::ask(server.address, request(target, "")).0, status);
    }
    let http = Running::start(guarded_with(|settings| settings.auth_answer = RefuseBy::Http));
    let (status, _) =
        Client::ask(http.address, request("/ws?token=wrong", "Origin: http://test\r\n"));
    assert_eq!(status, 401);
}

#[test]
fn an_identity_brings_its_name_rooms_and_claims() {
    let server = Running::start(guarded().on("tier", |context: Context, (): ()| {
        later! {
            let tier = context.claims().get::<Tier>().map(|tier| tier.0);
            let mistaken = context.claims().get::<String>().is_some();
            Ok(json!({"tier": tier, "mistaken": mistaken, "user": context.user().as_str()}))
        }
    }));
    let header = "Authorization: Bearer good\r\n";
    let mut client = Client::dial(server.address);
    client.write(request("/ws/lobby?user=mallory", header));
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    let connected = client.expect("connected");
    assert_eq!(connected["user"], "alice");
    let rooms = connected["rooms"].as_array().unwrap().iter().map(|room| room["room"].clone());
    assert_eq!(rooms.collect::<Vec<_>>(), ["lobby", "news"], "the path's room is there once");
    let answer = client.call(&json!({"type": "tier", "id": "1"}));
    assert_eq!(answer["payload"], json!({"tier": "gold", "mistaken": false, "user": "alice"}));
    client.bye();
}

#[test]
fn the_address_of_the_peer_is_known() {
    let (sender, seen) = std::sync::mpsc::channel();
    let asked = sender.clone();
    let builder = plain().authenticate(move |credentials| {
        let _ = sender.send((credentials.address, credentials.request.address()));
        later! { Ok(Identity::new(UserName::new("alice").unwrap())) }
    });
    let server = Running::start(builder.http(move |request| {
        let _ = asked.send((request.address(), request.address()));
        later! { HttpError::not_found().to_response() }
    }));
    let here = Some(server.address.ip());
    server.connect("/ws").bye();
    assert_eq!(seen.recv_timeout(DEADLINE).unwrap(), (here, here));
    assert_eq!(Client::ask(server.address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").0, 404);
    assert_eq!(seen.recv_timeout(DEADLINE).unwrap(), (here, here));
}

#[test]
fn a_full_room_of_the_identity_keeps_nobody_out_and_that_of_the_path_does() {
    let server = Running::start(guarded_with(|settings| {
        let class = RoomClass { max_members: Limit::at_most(1), ..crowd() };
        settings.config.rooms.push(("news".into(), class));
    }));
    let mut first = server.connect("/ws?token=good");
    let mut second = Client::open(server.address, "/ws?token=good");
    let rooms = second.expect("connected")["rooms"].clone();
    assert_eq!((&rooms[0]["room"], rooms.as_array().unwrap().len()), (&json!("lobby"), 1));
    let full = second.expect("error");
    assert_eq!((&full["code"], &full["room"]), (&json!("lobby_full"), &json!("news")));
    assert!(full.get("id").is_none(), "{full}");
    let mut refused = Client::open(server.address, "/ws/news?token=good");
    assert_eq!(refused.closed(), (4002, "lobby_full".into()));
    refused.ended();
    // When the seat is free again, the identity brings the room again.
    assert_eq!(first.call(&json!({"type": "leave", "id": "1", "room": "news"}))["type"], "left");
    let mut third = Client::open(server.address, "/ws?token=good");
    assert_eq!(third.expect("connected")["rooms"].as_array().unwrap().len(), 2);
    [first, second, third].into_iter().for_each(Client::bye);
}

#[test]
fn a_token_can_come_as_a_subprotocol() {
    let server = Running::start(guarded());
    let mut client = Client::dial(server.address);
    client.write(request("/ws", "Sec-WebSocket-Protocol: switchboard, bearer.good\r\n"));
    let head = client.head();
    assert!(head.contains("\r\nSec-WebSocket-Protocol: switchboard\r\n"), "{head}");
    assert_eq!(client.expect("connected")["user"], "alice");
    client.bye();
}

#[test]
fn an_authenticator_that_takes_too_long_holds_up_nobody_else() {
    let timeout = Duration::from_millis(300);
    let server = Running::start(guarded_with(|settings| settings.handshake_timeout = timeout));
    let mut slow = Client::dial(server.address);
    slow.write(request("/ws?token=slow", ""));
    server.connect("/ws?token=good").bye();
    let (status, text) = slow.response();
    assert_eq!(status, 408, "{text}");
}
