//! The application's handlers, and what they do to the connection whose message they handle.

use std::io::Write;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use switchboard_smol::Context;
use switchboard_smol::core::{CloseReason, ErrorCode, Refusal};

use crate::client::{CLOSE, TEXT, closing, frame};
use crate::harness::{DEADLINE, Running, plain};

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
    let server = Running::start(plain().on("move", |_: Context, to: Move| async move {
        Ok(to.to.iter().map(|point| point.x).sum::<u32>())
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
            .on("echo", |_: Context, payload: Value| async move { Ok(payload) })
            .on("nothing", |_: Context, (): ()| async { Ok(()) })
            .on("no", |_: Context, (): ()| async {
                Err::<(), _>(Refusal::new(ErrorCode::Forbidden, "not today"))
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
    let server = Running::start(plain().on("act", |context: Context, (): ()| async move {
        context.join("stage")?;
        let all = context.publish("stage", "cue", &1)?.recipients;
        let others = context.publish_to_others("stage", "cue", &2)?.recipients;
        let direct = context.send_to_user("bob", &3)?;
        context.leave("stage")?;
        Ok(json!([all, others, direct]))
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
fn a_handler_that_panics_fails_its_message_alone() {
    let server = Running::start(
        plain()
            .on("now", |_: Context, (): ()| -> std::future::Ready<Result<(), Refusal>> {
                panic!("on purpose, at once")
            })
            .on("later", |_: Context, (): ()| async {
                smol::future::yield_now().await;
                if true {
                    panic!("on purpose, later");
                }
                Ok(())
            })
            .on("fine", |_: Context, (): ()| async { Ok(()) }),
    );
    let mut client = server.connect("/ws");
    for kind in ["now", "later"] {
        let error = client.call(&json!({"type": kind, "id": "1"}));
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("internal")));
        assert_eq!(client.call(&json!({"type": "fine", "id": "2"}))["type"], "ack");
    }
    client.bye();
}

#[test]
fn a_handler_that_takes_too_long_fails_its_message_alone() {
    let builder = plain().handler_timeout(Duration::from_millis(100));
    let server = Running::start(
        builder
            .on("stuck", |_: Context, (): ()| std::future::pending::<Result<(), Refusal>>())
            .on("fine", |_: Context, (): ()| async { Ok(()) }),
    );
    let mut client = server.connect("/ws");
    client.json(&json!({"type": "stuck", "id": "1"}));
    client.json(&json!({"type": "fine", "id": "2"}));
    let error = client.expect("error");
    assert_eq!((&error["id"], &error["code"]), (&json!("1"), &json!("timeout")));
    assert_eq!(client.expect("ack")["id"], "2");
    client.bye();
}

#[test]
fn messages_of_one_connection_are_handled_in_their_order() {
    static SEEN: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    let server = Running::start(plain().on("n", |_: Context, n: u32| async move {
        for _ in 0..n % 7 {
            smol::future::yield_now().await;
        }
        SEEN.lock().unwrap().push(n);
        Ok(n)
    }));
    let mut client = server.connect("/ws");
    for n in 0..500u32 {
        client.json(&json!({"type": "n", "id": format!("{n}"), "payload": n}));
    }
    for n in 0..500u32 {
        assert_eq!(client.expect("ack")["payload"], n);
    }
    assert!(SEEN.lock().unwrap().iter().copied().eq(0..500));
    client.bye();
}

#[test]
fn a_handler_that_waits_keeps_only_its_own_connection_waiting() {
    let (release, gate) = smol::channel::bounded::<()>(1);
    let server = Running::start(plain().on("wait", move |_: Context, (): ()| {
        let gate = gate.clone();
        async move {
            let _ = gate.recv().await;
            Ok(())
        }
    }));
    let mut waiting = server.connect("/ws");
    waiting.json(&json!({"type": "wait", "id": "1"}));
    let mut other = server.connect("/ws/lobby");
    other.call(&json!({"type": "chat", "id": "1"}));
    release.send_blocking(()).unwrap();
    assert_eq!(waiting.expect("ack")["id"], "1");
    waiting.bye();
    other.bye();
}

#[test]
fn while_too_many_messages_wait_for_a_handler_nothing_is_read() {
    let (release, gate) = smol::channel::bounded::<()>(1);
    let server = Running::start(plain().on("wait", move |_: Context, _: Value| {
        let gate = gate.clone();
        async move {
            let _ = gate.recv().await;
            Ok(())
        }
    }));
    let mut client = server.connect("/ws");
    let message = json!({"type": "wait", "payload": "x".repeat(4_000)}).to_string();
    let bytes = frame(TEXT, message.as_bytes()).repeat(16);
    client.socket.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut rounds = 0;
    while client.socket.write_all(&bytes).is_ok() {
        rounds += 1;
        assert!(rounds < 2_000, "the server has read all of it");
    }
    let handled = server.handle.stats().messages_in;
    assert!(handled < 100, "{handled} messages wait in the server");
    drop(release);
    drop(client);
}

#[test]
fn a_handler_can_close_and_what_was_sent_before_goes_first() {
    let server = Running::start(plain().on("quit", |context: Context, (): ()| async move {
        context.send_to_user(context.user(), &"farewell")?;
        context.close(CloseReason::Application { code: 4321, reason: "as you wish".into() })?;
        // It is on its way out: whatever comes now is unheard, and does no harm.
        let _ = context.send_to_user(context.user(), &"too late");
        Ok("unheard")
    }));
    let mut client = server.connect("/ws?user=alice");
    client.json(&json!({"type": "quit", "id": "1"}));
    assert_eq!(client.expect("direct")["payload"], "farewell");
    assert_eq!(client.closed(), (4321, "as you wish".into()));
    client.send(CLOSE, closing(4321, ""));
    client.ended();
    assert_eq!(
        server.ending().1,
        switchboard_smol::core::Ending::Closed(CloseReason::Application {
            code: 4321,
            reason: "as you wish".into()
        })
    );
}

struct Tell(std::sync::mpsc::Sender<()>);

impl Drop for Tell {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[test]
fn the_handler_of_a_lost_connection_is_dropped() {
    let (begun, has_begun) = channel();
    let (dropped, is_dropped) = channel();
    let server = Running::start(plain().on("forever", move |_: Context, (): ()| {
        let _ = begun.send(());
        let tell = Tell(dropped.clone());
        async move {
            let _tell = tell;
            std::future::pending::<()>().await;
            Ok(())
        }
    }));
    let mut client = server.connect("/ws");
    client.json(&json!({"type": "forever"}));
    has_begun.recv_timeout(DEADLINE).unwrap();
    client.reset();
    is_dropped.recv_timeout(DEADLINE).unwrap();
    assert_eq!(server.ending().1.as_str(), "lost");
}

#[test]
fn a_message_right_before_the_close_is_handled_and_answered() {
    let server = Running::start(plain().on("last", |_: Context, (): ()| async {
        smol::Timer::after(Duration::from_millis(20)).await;
        Ok("heard")
    }));
    let mut client = server.connect("/ws");
    let last = json!({"type": "last", "id": "1"}).to_string();
    client.write([frame(TEXT, last.as_bytes()), frame(CLOSE, &closing(1000, ""))].concat());
    // As a page that is being left does.
    client.half_close();
    assert_eq!(client.expect("ack")["payload"], "heard");
    assert_eq!(client.closed().0, 1000);
    client.ended();
    assert_eq!(server.ending().1.as_str(), "closed_by_peer");
}
