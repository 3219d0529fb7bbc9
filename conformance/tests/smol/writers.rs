//! Several writing threads.

use smol::future::FutureExt;
use switchboard_conformance::client::{CLOSE, Client};

use crate::runtime::done;
use crate::shared::harness::{Running, listen, plain, roomy, with};
use switchboard_core::{CloseReason, Limits};

const MEMBERS: usize = 400;
const MESSAGES: usize = 100;

/// What a member receives until it has everything or is closed: the numbers, and the close code.
fn read(mut client: Client) -> (Vec<u64>, Option<u16>) {
    let mut numbers = Vec::new();
    while numbers.len() < MESSAGES {
        if client.peek().head == CLOSE {
            return (numbers, Some(client.closed().0));
        }
        numbers.extend(client.expect("number")["payload"].as_u64());
    }
    (numbers, None)
}

#[test]
fn a_large_room_gets_everything_in_order_from_several_threads() {
    let server = Running::start(plain().threads(3));
    let members: Vec<_> =
        (0..MEMBERS).map(|n| server.connect(&format!("/ws/lobby?user=u{n}"))).collect();
    let mut pacer = server.connect("/ws/lobby?user=pacer");
    for n in 0..MESSAGES {
        server.handle.publish("lobby", "number", &n).unwrap();
        if n == MESSAGES / 2 {
            for user in 0..MEMBERS / 4 {
                server.handle.kick(&format!("u{user}"), CloseReason::Normal).unwrap();
            }
        }
        if n % 10 == 9 {
            // This makes several rounds, in which other sockets are lent.
            for _ in 0..10 {
                pacer.expect("number");
            }
        }
    }
    for (user, client) in members.into_iter().enumerate() {
        let (numbers, code) = read(client);
        assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "{user}: {numbers:?}");
        let (expected, closed) =
            if user < MEMBERS / 4 { (MESSAGES / 2 + 1, Some(1000)) } else { (MESSAGES, None) };
        assert_eq!((numbers.len(), code), (expected, closed), "{user}");
    }
}

#[test]
fn serving_can_be_given_up_and_taken_up_again() {
    // The publisher is faster than a member that has just joined.
    let patient = Limits { outbox_messages: 1_000_000, outbox_bytes: usize::MAX, ..roomy() };
    let server = with(|settings| settings.config.limits = patient).build().unwrap();
    let handle = server.handle();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let publisher = std::thread::spawn(move || {
        let mut published = 0;
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            published += handle.publish("lobby", "number", &published).unwrap().recipients;
        }
        published
    });
    let mut members = Vec::new();
    for round in 0..50 {
        let (address, listener) = listen();
        let join = async {
            // A member joins, receives one more message, leaves, and asks something just when
            // serving ends.
            let member = smol::unblock(move || {
                let mut member = Client::open(address, &format!("/ws/lobby?user=u{round}"));
                member.expect("connected");
                member.expect("number");
                member.text(r#"{"type":"leave","room":"lobby"}"#);
                member.until("left");
                member.text(r#"{"type":"health_ping","timestamp":1}"#);
                member
            });
            members.push(member.await);
        };
        done(async {
            let serving = async { server.serve(listener).await.unwrap() };
            serving.or(join).await;
        });
    }
    drop(stop);
    assert!(publisher.join().unwrap() >= 50, "everybody has heard of something");
    // When it is served again, every question is answered.
    let (_, listener) = listen();
    let serving = async {
        server.serve(listener).await.unwrap();
        unreachable!("nobody drains it")
    };
    let answered = smol::unblock(move || {
        members.iter_mut().for_each(|member| drop(member.expect("health_pong")));
        members
    });
    let members = done(serving.or(answered));
    drop(server);
    for mut member in members {
        member.rest();
    }
}
