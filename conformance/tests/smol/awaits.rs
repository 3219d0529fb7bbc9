//! Handlers that await: what happens meanwhile, and how they end.

use std::io::Write;
use std::sync::Mutex;
use std::sync::mpsc::{TryRecvError, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::runtime::{Context, gate, wait_at};
use crate::shared::harness::{DEADLINE, Running, plain};
use switchboard_conformance::client::{CLOSE, TEXT, closing, frame};
use switchboard_core::Refusal;

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

struct Tell(std::sync::mpsc::Sender<()>);

impl Drop for Tell {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[test]
fn a_handler_that_takes_too_long_fails_its_message_alone_and_is_dropped() {
    let builder = plain().handler_timeout(Duration::from_millis(100));
    let (dropped, is_dropped) = channel();
    let server = Running::start(
        builder
            .on("stuck", move |_: Context, (): ()| {
                let tell = Tell(dropped.clone());
                async move {
                    let _tell = tell;
                    std::future::pending::<Result<(), Refusal>>().await
                }
            })
            .on("fine", |_: Context, (): ()| async { Ok(()) }),
    );
    let mut client = server.connect("/ws");
    client.json(&json!({"type": "stuck", "id": "1"}));
    client.json(&json!({"type": "fine", "id": "2"}));
    let error = client.expect("error");
    assert_eq!((&error["id"], &error["code"]), (&json!("1"), &json!("timeout")));
    is_dropped.recv_timeout(DEADLINE).unwrap();
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
fn a_connection_is_lost_while_its_handler_waits_and_the_handler_goes_on() {
    let (release, gate) = gate();
    let (begun, has_begun) = channel();
    let (ended, has_ended) = channel();
    let server = Running::start(plain().on("wait", move |_: Context, (): ()| {
        let (gate, ended) = (gate.clone(), ended.clone());
        let _ = begun.send(());
        async move {
            wait_at!(gate);
            let _ = ended.send(());
            Ok(())
        }
    }));
    let mut client = server.connect("/ws");
    client.json(&json!({"type": "wait"}));
    has_begun.recv_timeout(DEADLINE).unwrap();
    client.reset();
    assert_eq!(server.ending().1.as_str(), "lost");
    assert_eq!(has_ended.try_recv(), Err(TryRecvError::Empty), "it waits, and is not dropped");
    drop(release);
    has_ended.recv_timeout(DEADLINE).unwrap();
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
    // As when a page is left.
    client.half_close();
    assert_eq!(client.expect("ack")["payload"], "heard");
    assert_eq!(client.closed().0, 1000);
    client.ended();
    assert_eq!(server.ending().1.as_str(), "closed_by_peer");
}
