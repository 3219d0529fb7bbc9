//! Requests of clients, and requests to clients.

use std::time::Duration;

use serde_json::{Value, json};

use super::{hasty, impatient, plain, until, until_open, with};
use crate::runtime::{
    CallError, ClientEvent, ClientSettings, Context, Delivery, answer, done, gate, later,
    next_event, post, wait_at,
};
use crate::shared::harness::{DEADLINE, Running};
use switchboard_core::client::Failure;
use switchboard_core::{Command, Kind, Output, Payload};

#[test]
fn two_clients_talk_in_a_room_and_directly() {
    let server = Running::start(plain());
    let (alice, mut events) = hasty(&server.url()).start().unwrap();
    let (bob, mut others) = hasty(&server.url()).user("bob").start().unwrap();
    let (lobby, theirs) = (alice.room("lobby").unwrap(), bob.room("lobby").unwrap());
    assert_eq!(done(lobby.join()).unwrap().recovered, None);
    done(theirs.join()).unwrap();
    let user = until(&mut events, |event| match event {
        ClientEvent::Delivery(Delivery::MemberJoined { user, .. }) => Some(user),
        _ => None,
    });
    assert_eq!(user.as_str(), "bob");
    let sent = done(theirs.send("chat", &"hello")).unwrap();
    let binary = done(theirs.send_binary("image", vec![0xff, 0xd8])).unwrap();
    let mut message = || {
        until(&mut events, |event| match event {
            ClientEvent::Delivery(Delivery::Publication(message)) => Some(message),
            _ => None,
        })
    };
    let (first, second) = (message(), message());
    assert_eq!(first.payload.read::<String>().unwrap(), "hello");
    assert_eq!((first.from.unwrap().as_str(), Some(first.position)), ("bob", sent.event_id));
    assert_eq!(second.payload, Payload::Binary(vec![0xff, 0xd8].into()));
    assert_eq!((second.kind.as_str(), Some(second.position)), ("image", binary.event_id));

    let members = done(lobby.members()).unwrap();
    assert_eq!((members.users.len(), members.total), (2, 2));
    let history = done(lobby.history(sent.event_id, None)).unwrap();
    assert_eq!((history.events.len(), history.more), (1, false));
    done(alice.direct("bob", &json!({"n": 1}))).unwrap();
    let direct = until(&mut others, |event| match event {
        ClientEvent::Delivery(Delivery::Direct(direct)) => Some(direct),
        _ => None,
    });
    assert_eq!(direct.payload.read::<Value>().unwrap(), json!({"n": 1}));
    done(theirs.leave()).unwrap();
    until(&mut events, |event| {
        matches!(event, ClientEvent::Delivery(Delivery::MemberLeft { .. })).then_some(())
    });
    assert_eq!(done(theirs.send("chat", &1)).unwrap_err().code(), "not_a_member");
    assert_eq!(done(alice.direct("nobody", &1)).unwrap_err().code(), "user_offline");
    assert_eq!(alice.user().unwrap().as_str(), "alice");
}

#[test]
fn names_and_payloads_that_are_no_good_are_found_out_at_once() {
    let server = Running::start(plain());
    let (client, _events) = hasty(&server.url()).start().unwrap();
    assert!(matches!(client.room(""), Err(CallError::Name { what: "room", .. })));
    let room = client.room("lobby").unwrap();
    assert!(matches!(done(room.send("", &1)), Err(CallError::Name { what: "type", .. })));
    let keys = std::collections::BTreeMap::from([((1, 2), 3)]);
    assert!(matches!(done(room.send("x", &keys)), Err(CallError::Payload(_))));
    let reserved = done(room.send("joined", &1)).unwrap_err();
    assert_eq!(reserved, CallError::Failed(Failure::ReservedType));
}

#[test]
fn requests_are_answered_refused_or_given_up() {
    let (release, gate) = gate();
    let builder = plain().on("double", |_: Context, n: u32| later! { Ok(n * 2) }).on(
        "stuck",
        move |_: Context, (): ()| {
            let gate = gate.clone();
            later! {
                wait_at!(gate);
                Ok(())
            }
        },
    );
    let server = Running::start(builder);
    let (client, _events) = hasty(&server.url()).start().unwrap();
    assert_eq!(done(client.request("double", &21)).unwrap().read::<u32>().unwrap(), 42);
    assert_eq!(done(client.request("double", &"x")).unwrap_err().code(), "invalid_payload");
    let short = Duration::from_millis(50);
    let late = done(client.request_within(short, "stuck", &())).unwrap_err();
    assert_eq!(late, CallError::Failed(Failure::Timeout));
    drop(release);
}

#[test]
fn a_server_asks_and_is_answered() {
    let server = Running::start(plain());
    let (_client, mut events) = hasty(&server.url()).start().unwrap();
    until_open(&mut events);
    let connection = server.opened();
    for method in ["good", "bad", "dropped"] {
        let ask = Command::Request {
            to: connection,
            method: Kind::new(method).unwrap(),
            payload: Payload::null(),
            timeout: DEADLINE,
        };
        server.handle.command(ask).unwrap();
        let request = until(&mut events, |event| match event {
            ClientEvent::Request(request) => Some(request),
            _ => None,
        });
        assert_eq!(&*request.method, method);
        match method {
            "good" => request.reply(&json!({"yes": true})).unwrap(),
            "bad" => request.refuse("busy", "not now"),
            _ => drop(request),
        }
        let told = loop {
            if let Output::Answered { answer, .. } = server.output() {
                break format!("{answer:?}");
            }
        };
        let expected = match method {
            "good" => "true",
            "bad" => "busy",
            _ => "unanswered",
        };
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn the_buffer_is_bounded_and_what_is_cancelled_is_not_sent() {
    let server = Running::start(plain());
    let address = server.address;
    server.drain(Duration::ZERO);
    let (client, mut events) = hasty(&format!("ws://{address}/ws")).start().unwrap();
    let room = client.room("lobby").unwrap();
    let mut calls: Vec<_> = (0..100).map(|n: u32| post!(room, "n", &n)).collect();
    assert_eq!(answer(post!(room, "n", &100)).unwrap_err().code(), "buffer_full");
    // Dropped, and its place is free again.
    drop(calls.remove(50));
    calls.push(post!(room, "n", &100));
    assert_eq!(client.unanswered(), (100, 0));
    drop(calls.drain(1..));
    assert_eq!(client.unanswered(), (1, 0));
    let server = Running::at(address, plain());
    until_open(&mut events);
    // It is in no room, so the answer is a refusal, but still an answer.
    assert_eq!(answer(calls.remove(0)).unwrap_err().code(), "not_a_member");
    drop(server);
}

#[test]
fn an_application_that_is_slow_hears_what_it_missed_and_nobody_else_waits() {
    let server = Running::start(plain());
    let settings = ClientSettings { max_events: 10, max_event_bytes: 1 << 20, ..impatient() };
    let (client, mut events) = hasty(&server.url()).settings(settings).start().unwrap();
    let room = client.room("lobby").unwrap();
    done(room.join()).unwrap();
    for n in 1..=40 {
        done(room.send("n", &n)).unwrap();
    }
    let mut last = 0;
    let missed = until(&mut events, |event| match event {
        ClientEvent::Delivery(Delivery::Publication(message)) => {
            last = message.position.offset;
            None
        }
        ClientEvent::Lagged(lagged) => Some(lagged.rooms[0].clone()),
        _ => None,
    });
    assert!((1..40).contains(&last));
    assert_eq!((missed.since.offset, missed.position.offset), (last, 40));
    assert_eq!(missed.dropped, 40 - last);
    let history = done(room.history(Some(missed.since), None)).unwrap();
    assert_eq!(history.events.len() as u64, missed.dropped);
    done(room.send("n", &41)).unwrap();
    assert!(matches!(next_event(&mut events),
            Some(ClientEvent::Delivery(Delivery::Publication(m))) if m.position.offset == 41));
}

/// What both ends report about themselves and each other.
#[test]
fn clients_rooms_and_contexts_know_who_and_where_they_are() {
    let builder =
        with(|settings| settings.path = "/ws/".into()).on("who", |context: Context, (): ()| {
            let who = (context.connection().to_string(), context.user().to_string());
            let room = context.room().map(ToString::to_string);
            later! { Ok((who, context.message_id().is_some(), room)) }
        });
    let server = Running::start(builder);
    let settings = ClientSettings { max_message_bytes: 1024 * 1024, ..impatient() };
    let (client, mut events) = hasty(&server.url()).settings(settings).start().unwrap();
    until_open(&mut events);
    assert_eq!(client.address().to_string(), server.url());
    assert_eq!(format!("{:?}", client.address()), server.url());
    assert!(format!("{client:?}").contains("Open"), "{client:?}");
    let lobby = client.room("lobby").unwrap();
    done(lobby.join()).unwrap();
    assert_eq!(lobby.name().as_str(), "lobby");
    assert!(format!("{lobby:?}").contains("\"lobby\""), "{lobby:?}");

    type Answer = ((String, String), bool, Option<String>);
    let told = done(lobby.request("who", &())).unwrap().read::<Answer>().unwrap();
    let id = client.client_id().unwrap();
    assert_eq!(told, ((id, "alice".into()), true, Some("lobby".into())));
    let within = done(lobby.request_within(Duration::from_secs(20), "who", &())).unwrap();
    assert_eq!(within.read::<Answer>().unwrap(), told);

    // An acknowledgement carries nothing.
    let sent = done(lobby.send_with_key("chat", "k", &1)).unwrap();
    sent.read::<()>().unwrap();
    done(client.direct_binary("alice", vec![7])).unwrap();
    let direct = until(&mut events, |event| match event {
        ClientEvent::Delivery(Delivery::Direct(direct)) => Some(direct),
        _ => None,
    });
    assert_eq!(direct.payload, Payload::Binary(vec![7].into()));
    assert_eq!((client.stats().unreadable, client.stats().repeated), (0, 0));
    client.wake();
    assert_eq!(done(lobby.members()).unwrap().total, 1);

    assert!(!server.handle.is_draining());
    let reason = switchboard_core::CloseReason::Forbidden;
    assert_eq!(server.handle.kick("alice", reason).unwrap(), 1);
    assert_eq!(server.handle.kick("nobody", switchboard_core::CloseReason::Idle).unwrap(), 0);
}
