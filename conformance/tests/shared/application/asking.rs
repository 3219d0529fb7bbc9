//! The application's requests to clients, and its provider of room states for clients that resume.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use crate::runtime::{Builder, RequestError, done, later, take_too_long};
use crate::shared::harness::{DEADLINE, Running, crowd, plain, roomy, with};
use switchboard_core::{ConnectionId, History, Limits, RoomClass};

type Answer = Result<u32, RequestError>;

fn ask(server: &Running, to: ConnectionId, timeout: Duration) -> JoinHandle<Answer> {
    let handle = server.handle.clone();
    thread::spawn(move || done(handle.request(to, "add", &json!([1, 2]), timeout)))
}

#[test]
fn a_client_is_asked_and_answers() {
    let server = Running::start(plain());
    let mut client = server.connect("/ws");
    let id = server.opened();
    let asked = ask(&server, id, DEADLINE);
    let request = client.expect("request");
    assert_eq!((&request["method"], &request["payload"]), (&json!("add"), &json!([1, 2])));
    client.json(&json!({"type": "reply", "id": request["id"], "payload": 3}));
    assert_eq!(asked.join().unwrap(), Ok(3));
    client.bye();
}

#[test]
fn every_way_of_not_answering_has_its_name() {
    let server = Running::start(plain());
    let mut client = server.connect("/ws");
    let id = server.opened();

    let asked = ask(&server, id, DEADLINE);
    let request = client.expect("request");
    let error = json!({"code": "busy", "message": "not now"});
    client.json(&json!({"type": "reply", "id": request["id"], "error": error}));
    let refused = RequestError::Refused { code: "busy".into(), message: "not now".into() };
    assert_eq!(asked.join().unwrap(), Err(refused));

    let asked = ask(&server, id, DEADLINE);
    let request = client.expect("request");
    client.json(&json!({"type": "reply", "id": request["id"], "payload": "three"}));
    let Err(RequestError::Unexpected(how)) = asked.join().unwrap() else { panic!("a number?") };
    assert!(how.contains("expected u32"), "{how}");

    let asked = ask(&server, id, Duration::from_millis(10));
    client.expect("request");
    assert_eq!(asked.join().unwrap(), Err(RequestError::TimedOut));

    let asked = ask(&server, id, DEADLINE);
    client.expect("request");
    client.reset();
    assert_eq!(asked.join().unwrap(), Err(RequestError::Gone));

    let asked = ask(&server, id, DEADLINE);
    assert!(matches!(asked.join().unwrap(), Err(RequestError::NotAsked(_))));
}

/// Rooms that keep no history, with their state provided by the application.
fn with_state() -> RoomClass {
    RoomClass { history: History::NONE, provides_state: true, ..crowd() }
}

fn telling() -> Builder {
    with(|settings| settings.config.rooms.push(("told:".into(), with_state())))
}

#[test]
fn who_cannot_get_what_was_missed_gets_the_state_and_then_what_is_new() {
    let (asked, answer) = (Arc::new(AtomicUsize::new(0)), channel::<Value>());
    let (count, answer_from) = (asked.clone(), std::sync::Mutex::new(answer.1));
    let server = Running::start(telling().state(move |room| {
        count.fetch_add(1, Ordering::SeqCst);
        let answer = answer_from.lock().unwrap().recv_timeout(DEADLINE).unwrap();
        later! { Some(json!({"of": room.as_str(), "is": answer})) }
    }));
    // The answer is prepared, because one of the runtimes waits for it on the serving thread.
    answer.0.send(json!("full")).unwrap();
    let mut alice = server.connect("/ws/told:lobby?user=alice");
    let say = |n: u32| json!({"type": "chat", "room": "told:lobby", "payload": n});
    alice.json(&say(1));
    alice.expect("chat");
    let mut bob = server.connect("/ws?user=bob");
    let since = "0123456789abcdef:7";
    bob.json(&json!({"type": "join", "room": "told:lobby", "last_event_id": since}));
    assert_eq!(bob.expect("joined")["recovered"], false);
    let refresh = bob.expect("refresh");
    assert_eq!(refresh["payload"], json!({"of": "told:lobby", "is": "full"}));
    assert_eq!(refresh["reason"], "unknown_epoch");
    alice.json(&say(2));
    assert_eq!(bob.expect("chat")["payload"], 2);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    alice.bye();
    bob.bye();
}

#[test]
fn an_application_that_fails_or_takes_too_long_keeps_nobody_waiting() {
    let limits = Limits { state_timeout: Duration::from_millis(50), ..roomy() };
    let builder = with(|settings| {
        settings.config.limits = limits;
        settings.config.rooms.push(("told:".into(), with_state()));
    });
    let server = Running::start(builder.state(|room| {
        assert_ne!(room.as_str(), "told:panic", "as it should be");
        later! {
            take_too_long!();
            Some(1)
        }
    }));
    let mut client = server.connect("/ws");
    for room in ["told:panic", "told:slow"] {
        let since = "0123456789abcdef:7";
        client.json(&json!({"type": "join", "room": room, "last_event_id": since}));
        assert_eq!(client.expect("joined")["recovered"], false);
        assert_eq!(client.expect("refresh").get("payload"), None, "{room}");
    }
    client.bye();
}
