//! Lost connections, and servers that restart.

use std::collections::BTreeSet;
use std::time::Duration;

use super::proxy::Proxy;
use super::{hasty, next_number, plain, until, until_open, with};
use crate::runtime::{Builder, ClientEvent, Delivery, RoomChange, answer, done, post};
use crate::shared::harness::Running;
use switchboard_core::RoomClass;
use switchboard_core::client::State;

fn keeping(class: RoomClass) -> Builder {
    with(|settings| settings.config.rooms.push((String::new(), class)))
}

#[test]
fn nothing_is_lost_and_nothing_comes_twice_however_often_the_wire_is_cut() {
    const MESSAGES: u32 = 300;
    let keep_all = RoomClass::default();
    let mut history = keep_all.history;
    history.events = MESSAGES as usize;
    let server = Running::start(keeping(RoomClass { history, ..keep_all }));
    let proxy = Proxy::to(server.address);
    let (alice, mut hers) = hasty(&proxy.url()).start().unwrap();
    let (bob, mut events) = hasty(&proxy.url()).user("bob").start().unwrap();
    let (said, heard) = (alice.room("lobby").unwrap(), bob.room("lobby").unwrap());
    done(said.join()).unwrap();
    done(heard.join()).unwrap();
    // Usually in the middle of a frame.
    proxy.cut_after(25, 1_500);
    let mut offsets = BTreeSet::new();
    let mut waiting = std::collections::VecDeque::new();
    for n in 0..MESSAGES {
        waiting.push_back(post!(said, "n", &n));
        if waiting.len() > 50 {
            offsets.insert(answer(waiting.pop_front().unwrap()).unwrap().event_id.unwrap().offset);
        }
    }
    for call in waiting {
        offsets.insert(answer(call).unwrap().event_id.unwrap().offset);
    }
    assert_eq!(proxy.cuts_left(), 0);
    assert_eq!(offsets, (1..=u64::from(MESSAGES)).collect());
    for n in 0..MESSAGES {
        assert_eq!(next_number(&mut events), n);
    }
    for n in 0..MESSAGES {
        assert_eq!(next_number(&mut hers), n);
    }
}

#[test]
fn who_comes_back_gets_exactly_what_was_missed() {
    let server = Running::start(plain());
    let proxy = Proxy::to(server.address);
    let (client, mut events) = hasty(&proxy.url()).start().unwrap();
    let room = client.room("lobby").unwrap();
    let position = done(room.join()).unwrap().position;
    for round in 0..5 {
        proxy.cut();
        for n in 0..20 {
            server.handle.publish("lobby", "n", &(round * 20 + n)).unwrap();
        }
        for n in 0..20 {
            assert_eq!(next_number(&mut events), round * 20 + n);
        }
    }
    assert_eq!(room.position().unwrap().offset, position.offset + 100);
    // Another client, with a stored position.
    let (other, mut events) = hasty(&server.url()).start().unwrap();
    let joined = done(other.room("lobby").unwrap().join_since(position)).unwrap();
    assert_eq!(joined.recovered, Some(true));
    assert_eq!(next_number(&mut events), 0);
}

#[test]
fn a_room_of_the_address_goes_on_too() {
    let server = Running::start(plain());
    let proxy = Proxy::to(server.address);
    let (client, mut events) = hasty(&format!("{}/lobby", proxy.url())).start().unwrap();
    until(&mut events, |event| {
        matches!(event, ClientEvent::Room { change: RoomChange::Joined(_), .. }).then_some(())
    });
    for round in 0..3 {
        proxy.cut();
        for n in 0..5 {
            server.handle.publish("lobby", "n", &(round * 5 + n)).unwrap();
        }
        for n in 0..5 {
            assert_eq!(next_number(&mut events), round * 5 + n);
        }
    }
    assert_eq!(client.rooms().len(), 1);
}

#[test]
fn where_history_ends_there_is_a_refresh() {
    let class = RoomClass::default();
    let mut history = class.history;
    history.events = 3;
    let server = Running::start(keeping(RoomClass { history, ..class }));
    let proxy = Proxy::to(server.address);
    let (client, mut events) = hasty(&proxy.url()).start().unwrap();
    done(client.room("lobby").unwrap().join()).unwrap();
    let since = client.position("lobby").unwrap();
    for n in 0..10 {
        server.handle.publish("lobby", "n", &n).unwrap();
    }
    for n in 0..10 {
        assert_eq!(next_number(&mut events), n);
    }
    let (late, mut events) = hasty(&proxy.url()).user("late").start().unwrap();
    let joined = done(late.room("lobby").unwrap().join_since(since)).unwrap();
    assert_eq!(joined.recovered, Some(false));
    let (reason, position) = until(&mut events, |event| match event {
        ClientEvent::Delivery(Delivery::Refresh { reason, position, .. }) => {
            Some((reason, position))
        }
        _ => None,
    });
    assert_eq!((&*reason, position.offset), ("too_old", since.offset + 10));
}

#[test]
fn a_server_that_drains_and_returns_is_found_again() {
    let server = Running::start(plain());
    let address = server.address;
    let (client, mut events) = hasty(&server.url()).start().unwrap();
    let room = client.room("lobby").unwrap();
    done(room.join()).unwrap();
    done(room.send("n", &1)).unwrap();
    server.drain(Duration::from_millis(200));
    let retry_in = until(&mut events, |event| match event {
        ClientEvent::State { state: State::Waiting { retry_in }, .. } => Some(retry_in),
        _ => None,
    });
    assert!(retry_in <= Duration::from_millis(200), "{retry_in:?}");
    let waiting = post!(room, "n", &2);
    let _server = Running::at(address, plain());
    until_open(&mut events);
    let reason = until(&mut events, |event| match event {
        ClientEvent::Delivery(Delivery::Refresh { reason, .. }) => Some(reason),
        _ => None,
    });
    assert_eq!(&*reason, "unknown_epoch");
    assert_eq!(answer(waiting).unwrap().event_id.unwrap().offset, 1);
    assert_eq!(next_number(&mut events), 2);
}
