//! The application's handlers, and their effects on the connection whose message they handle.

use std::sync::mpsc::channel;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::runtime::{Context, gate, later, wait_at};
use crate::shared::harness::{DEADLINE, Running, plain};
use switchboard_conformance::client::{CLOSE, closing};
use switchboard_core::{CloseReason, Ending, ErrorCode, Refusal};

#[derive(Deserialize)]
struct Move {
    to: Vec<Point>,
}

#[derive(Deserialize)]
struct Point {
    x: u32,
}

#[test]
fn a_payload_that_does_not_fit_is_refused_and_says_where() {
    let server = Running::start(plain().on("move", |_: Context, to: Move| {
        later! {
            Ok(to.to.iter().map(|point| point.x).sum::<u32>())
        }
    }));
    let mut client = server.connect("/ws");
    let call = |payload: Value| json!({"type": "move", "id": "1", "payload": payload});
    assert_eq!(client.call(&call(json!({"to": [{"x": 1}, {"x": 2}]})))["payload"], 3);
    for (payload, field) in [
        (json!({"to": [{"x": 1}, {"x": "two"}]}), "payload.to[1].x"),
        (json!({"to": 5}), "payload.to"),
        (json!({}), "payload"),
        (json!(null), "payload"),
    ] {
        let error = client.call(&call(payload));
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("invalid_payload")));
        assert_eq!(error["field"], field, "{error}");
        assert!(error["message"].as_str().unwrap().contains(field), "{error}");
    }
    client.bye();
}

#[test]
fn what_a_handler_returns_is_the_answer() {
    let server = Running::start(
        plain()
            .on("echo", |_: Context, payload: Value| later! { Ok(payload) })
            .on("nothing", |_: Context, (): ()| later! { Ok(()) })
            .on("no", |_: Context, (): ()| {
                later! {
                    Err::<(), _>(Refusal::new(ErrorCode::Forbidden, "not today"))
                }
            }),
    );
    let mut client = server.connect("/ws");
    let answer = client.call(&json!({"type": "echo", "id": "1", "payload": {"a": [1, null]}}));
    assert_eq!(answer, json!({"type": "ack", "id": "1", "payload": {"a": [1, null]}}));
    let answer = client.call(&json!({"type": "nothing", "id": "2"}));
    assert_eq!(answer, json!({"type": "ack", "id": "2"}));
    let answer = client.call(&json!({"type": "no", "id": "3"}));
    assert_eq!(
        answer,
        json!({"type": "error", "id": "3", "code": "forbidden", "message": "not today"})
    );
    // Without an id only a refusal is answered.
    client.json(&json!({"type": "echo", "payload": 1}));
    client.json(&json!({"type": "no"}));
    assert_eq!(client.expect("error")["code"], "forbidden");
    client.bye();
}

#[test]
fn a_handler_can_publish_send_join_and_leave() {
    let server = Running::start(plain().on("act", |context: Context, (): ()| {
        later! {
            context.join("stage")?;
            let all = context.publish("stage", "cue", &1)?.recipients;
            let others = context.publish_to_others("stage", "cue", &2)?.recipients;
            let direct = context.send_to_user("bob", &3)?;
            context.leave("stage")?;
            Ok(json!([all, others, direct]))
        }
    }));
    let mut bob = server.connect("/ws/stage?user=bob");
    let mut alice = server.connect("/ws?user=alice");
    let counts = alice.call(&json!({"type": "act", "id": "1"}));
    assert_eq!(counts["payload"], json!([2, 1, 1]));
    let seen: Vec<_> = (0..3).map(|_| bob.message()).collect();
    let brief = |message: &Value| json!([message["type"], message["from"], message["payload"]]);
    assert_eq!(
        seen.iter().map(brief).collect::<Vec<_>>(),
        [json!(["cue", "alice", 1]), json!(["cue", "alice", 2]), json!(["direct", "alice", 3])]
    );
    alice.bye();
    bob.bye();
}

#[test]
fn a_handler_can_close_and_what_was_sent_before_goes_first() {
    let server = Running::start(plain().on("quit", |context: Context, (): ()| {
        later! {
            context.send_to_user(context.user(), &"farewell")?;
            context.close(CloseReason::Application { code: 4321, reason: "as you wish".into() })?;
            // It is being closed: further messages are ignored and harmless.
            let _ = context.send_to_user(context.user(), &"too late");
            Ok("unheard")
        }
    }));
    let mut client = server.connect("/ws?user=alice");
    client.json(&json!({"type": "quit", "id": "1"}));
    assert_eq!(client.expect("direct")["payload"], "farewell");
    assert_eq!(client.closed(), (4321, "as you wish".into()));
    client.send(CLOSE, closing(4321, ""));
    client.ended();
    assert_eq!(
        server.ending().1,
        Ending::Closed(CloseReason::Application { code: 4321, reason: "as you wish".into() })
    );
}

/// The message was accepted, so it is handled; if it is sent again over another connection, it is
/// answered there and not handled again.
#[test]
fn a_handler_goes_on_when_its_connection_is_lost_and_answers_on_the_next_one() {
    let (release, gate) = gate();
    let (begun, has_begun) = channel();
    let server = Running::start(plain().on("slow", move |_: Context, n: u32| {
        let gate = gate.clone();
        let _ = begun.send(());
        later! {
            wait_at!(gate);
            Ok(n + 1)
        }
    }));
    let message = json!({"type": "slow", "id": "1", "payload": 41});
    let mut first = server.connect("/ws?user=alice");
    first.json(&message);
    has_begun.recv_timeout(DEADLINE).unwrap();
    first.reset();
    let mut second = server.connect("/ws?user=alice");
    second.json(&message);
    // It has been read once the next message is answered.
    second.json(&json!({"type": "health_ping", "timestamp": 1}));
    second.expect("health_pong");
    drop(release);
    assert_eq!(second.expect("ack")["payload"], 42);
    assert!(has_begun.try_recv().is_err(), "it is handled once");
    assert_eq!(server.ending().1, Ending::Lost);
    second.bye();
}
