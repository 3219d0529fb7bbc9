//! How connections end between the hub and the sockets.

use std::time::Duration;

use bytes::Bytes;
use switchboard_core::{CloseReason, Codec, Command, Ending, Limit, Output, Payload, Rejection};

use crate::outlets::*;

#[test]
fn a_broken_socket_ends_in_exactly_one_closed() {
    for early in [false, true] {
        let mut driver = driver(low_marks());
        let (id, socket) = raw(&mut driver);
        socket.breaks();
        // Early, the break is found by the send itself.
        send(&mut driver, id, vec![0; if early { 2_000 } else { 10 }]);
        driver.flush(NOW, 10);
        driver.writable(NOW, id);
        driver.lost(NOW, id);
        driver.flush(NOW, 10);
        assert_eq!(endings(&mut driver), [Ending::Lost]);
        assert_eq!((socket.ends(), driver.unflushed()), (1, 0));
        assert!(driver.hub().is_empty());
    }
}

#[test]
fn a_broadcast_over_a_broken_socket_reaches_the_others() {
    let mut driver = driver(low_marks());
    let members = [(); 3].map(|()| open(&mut driver, Codec::Json, &["lobby"]));
    while driver.flush(NOW, 10) {}
    members[1].1.breaks();
    let before = [0, 2].map(|at| members[at].1.frames().len());
    publish(&mut driver, "lobby", Payload::Binary(vec![0; 2_000].into()));
    publish(&mut driver, "lobby", Payload::Binary(vec![0; 10].into()));
    while driver.flush(NOW, 10) {}
    let after = [0, 2].map(|at| members[at].1.frames().len());
    assert_eq!(after, before.map(|n| n + 2));
    assert_eq!(endings(&mut driver), [Ending::Lost]);
}

#[test]
fn a_socket_that_takes_no_byte_and_does_not_say_why_is_broken() {
    let mut driver = driver(config());
    let (id, socket) = raw(&mut driver);
    socket.takes(0, usize::MAX);
    send(&mut driver, id, vec![1]);
    driver.flush(NOW, 10);
    assert_eq!(endings(&mut driver), [Ending::Lost]);
}

#[test]
fn one_that_never_reads_is_a_slow_consumer_and_dropped_at_the_deadline() {
    let mut config = low_marks();
    config.limits.outbox_messages = 10;
    let mut driver = driver(config);
    let (id, socket) = raw(&mut driver);
    socket.takes(usize::MAX, 5);
    send(&mut driver, id, vec![1; 2_000]);
    for _ in 0..11 {
        assert!(driver.hub().connection(id).is_some_and(|c| c.is_open()));
        send(&mut driver, id, vec![2; 10]);
    }
    driver.flush(NOW, 10);
    assert!(driver.hub().connection(id).is_some_and(|c| c.is_closing()));
    assert_eq!((driver.stats().dropped, endings(&mut driver)), (11, vec![]));
    let deadline = driver.next_deadline().expect("the close's");
    assert_eq!(deadline, NOW + Duration::from_secs(5));
    driver.tick(deadline);
    assert_eq!(endings(&mut driver), [Ending::Closed(CloseReason::SlowConsumer)]);
    assert_eq!((socket.ends(), socket.bytes().len()), (1, 5));
}

#[test]
fn a_slow_consumer_that_reads_again_gets_its_half_frame_and_the_reason() {
    let mut config = low_marks();
    config.limits.outbox_messages = 1;
    let mut driver = driver(config);
    let (id, socket) = raw(&mut driver);
    socket.takes(usize::MAX, 5);
    for n in 1..4 {
        send(&mut driver, id, vec![n; 2_000]);
    }
    socket.takes(usize::MAX, usize::MAX);
    driver.writable(NOW, id);
    let close = [&4008u16.to_be_bytes()[..], b"slow_consumer"].concat();
    assert_eq!(socket.frames(), [(BINARY, vec![1; 2_000]), (CLOSE, close)]);
}

#[test]
fn opening_a_seat_that_was_lost_ends_the_socket() {
    let mut driver = driver(config());
    let id = driver.connect(NOW, attempt("alice")).expect("a seat");
    driver.tick(NOW + Duration::from_secs(10));
    assert_eq!(endings(&mut driver), [Ending::HandshakeFailed]);
    // Another connection has taken the slot meanwhile.
    let (other, theirs) = raw(&mut driver);
    assert_eq!(id.index(), other.index());
    let (fake, socket) = Fake::new();
    assert!(!driver.open(NOW, id, Codec::Json, fake));
    driver.abandon(NOW, id);
    driver.text(NOW, id, "{}");
    send(&mut driver, other, b"x".to_vec());
    while driver.flush(NOW, 10) {}
    assert_eq!((socket.writes(), socket.ends()), (0, 1));
    assert_eq!((payloads(&theirs), theirs.ends()), (vec![b"x".to_vec()], 0));
}

#[test]
fn opening_twice_ends_the_second_socket() {
    let mut driver = driver(config());
    let (id, first) = raw(&mut driver);
    let (fake, second) = Fake::new();
    assert!(!driver.open(NOW, id, Codec::Json, fake));
    assert_eq!((first.ends(), second.ends()), (0, 1));
}

#[test]
fn a_refused_or_abandoned_attempt_leaves_nothing() {
    let mut config = config();
    config.limits.max_connections = Limit::at_most(1);
    let mut driver = driver(config);
    let id = driver.connect(NOW, attempt("alice")).expect("a seat");
    let refused = driver.connect(NOW, attempt("bob"));
    assert_eq!(refused, Err(Rejection::ServerFull));
    driver.abandon(NOW, id);
    assert!(driver.hub().is_empty());
    assert!(driver.connect(NOW, attempt("bob")).is_ok());
}

#[test]
fn a_peers_close_is_answered_after_what_waits_and_nothing_follows() {
    let mut driver = driver(config());
    let (id, socket) = raw(&mut driver);
    send(&mut driver, id, b"x".to_vec());
    driver.peer_closed(NOW, id, Some(3_000));
    let close = (CLOSE, 3_000u16.to_be_bytes().to_vec());
    assert_eq!(socket.frames(), [(BINARY, b"x".to_vec()), close]);
    driver.peer_closed(NOW, id, Some(3_000));
    driver.ping(NOW, id, b"late");
    driver.lost(NOW, id);
    driver.flush(NOW, 10);
    assert_eq!(endings(&mut driver), [Ending::ByPeer(Some(3_000))]);
    assert_eq!((socket.frames().len(), socket.ends()), (2, 1));
}

#[test]
fn there_is_one_close_frame_whoever_began() {
    let mut driver = driver(config());
    let (id, socket) = raw(&mut driver);
    let command = Command::Close { connection: id, reason: CloseReason::Normal };
    driver.command(NOW, command).expect("it is open");
    driver.fail(NOW, id, CloseReason::Internal);
    driver.ping(NOW, id, b"late");
    assert!(!socket.is_finished());
    while driver.flush(NOW, 10) {}
    assert!(socket.is_finished());
    driver.peer_closed(NOW, id, Some(1_000));
    while driver.flush(NOW, 10) {}
    let opcodes: Vec<_> = socket.frames().iter().map(|(opcode, _)| *opcode).collect();
    assert_eq!(opcodes, [CLOSE]);
    assert_eq!(endings(&mut driver), [Ending::Closed(CloseReason::Normal)]);
}

#[test]
fn everybody_can_be_cut_off_at_once() {
    let mut config = low_marks();
    // However little of it one tick does.
    config.limits.work_per_tick = 1;
    let mut driver = driver(config);
    let members = [(); 3].map(|()| raw(&mut driver));
    driver.connect(NOW, attempt("bob")).expect("a seat");
    // One of them reads nothing.
    members[1].1.takes(usize::MAX, 0);
    send(&mut driver, members[1].0, vec![0; 2_000]);
    driver.cut_off(NOW);
    assert!(driver.has_output());
    let outputs: Vec<_> = std::iter::from_fn(|| driver.take_output()).collect();
    let closed = outputs.iter().filter(|output| matches!(output, Output::Closed { .. })).count();
    assert_eq!((closed, outputs.last()), (4, Some(&Output::Drained)));
    assert!(driver.hub().is_empty() && !driver.has_output());
    let sent: usize = members.iter().map(|(_, socket)| socket.bytes().len()).sum();
    assert_eq!(driver.stats().bytes_out, sent as u64);
    assert_eq!(members.map(|(_, socket)| socket.ends()), [1; 3]);
}

#[test]
fn what_is_due_is_done_and_no_more() {
    let mut driver = driver(config());
    driver.connect(NOW, attempt("alice")).expect("a seat");
    let due = driver.next_deadline().expect("the handshake's");
    assert_eq!(driver.tick_if_due(NOW), Some(due));
    assert_eq!(endings(&mut driver), []);
    assert_eq!(driver.tick_if_due(due), None);
    assert_eq!(endings(&mut driver), [Ending::HandshakeFailed]);
    let (_, socket) = raw(&mut driver);
    driver.drain(due, Duration::from_secs(10), Duration::ZERO);
    while driver.next_deadline().is_some_and(|next| next <= due) {
        driver.tick_if_due(due);
    }
    while driver.flush(due, 10) {}
    assert_eq!(socket.frames().last().map(|(opcode, _)| *opcode), Some(CLOSE));
    assert_eq!(driver.tick_if_due(due), Some(due + config().limits.close_timeout));
}

#[test]
fn a_request_has_a_ticket_of_its_own_and_a_message_its_connection() {
    let mut driver = driver(config());
    let (id, _) = open(&mut driver, Codec::Json, &[]);
    let (other, _) = raw(&mut driver);
    let mut ask = |method| {
        let payload = Payload::Binary(Bytes::new());
        driver.request(NOW, id, named(method), payload, Duration::from_secs(1)).expect("asked")
    };
    let tickets = [ask("one"), ask("two")];
    assert_ne!(tickets[0], tickets[1]);
    driver.binary(NOW, other, Bytes::from_static(b"x"));
    driver.tick(NOW + Duration::from_secs(1));
    let outputs: Vec<_> = std::iter::from_fn(|| driver.take_output())
        .filter(|output| !matches!(output, Output::Notice(_)))
        .collect();
    let of = |id| outputs.iter().filter(|output| output.is_message_of(id)).count();
    assert_eq!((of(other), of(id)), (1, 0));
    let answered = outputs.iter().filter_map(|output| {
        if let Output::Answered { ticket, .. } = output { Some(*ticket) } else { None }
    });
    assert_eq!(answered.collect::<Vec<_>>(), tickets);
}

#[test]
fn the_end_of_a_connection_is_no_stale_event() {
    // What the driver finds out while it ends a connection concerns no connection any more.
    for breaks in [false, true] {
        let mut driver = driver(low_marks());
        let (id, socket) = raw(&mut driver);
        send(&mut driver, id, vec![0; 996]);
        socket.takes(usize::MAX, 0);
        if breaks {
            socket.breaks();
        }
        driver.peer_closed(NOW, id, Some(1_000));
        let all: Vec<_> = endings(&mut driver);
        assert_eq!((all, driver.stats().stale_events), (vec![Ending::ByPeer(Some(1_000))], 0));
    }
}

#[test]
fn the_driver_keeps_nothing_of_ten_thousand_that_came_and_went() {
    let mut driver = driver(config());
    for n in 0..10_000 {
        let (id, socket) = open(&mut driver, Codec::Json, &["lobby"]);
        if n % 3 == 0 {
            driver.flush(NOW, 1);
        }
        driver.lost(NOW, id);
        assert_eq!(socket.ends(), 1);
    }
    while driver.flush(NOW, 100) {}
    assert_eq!(endings(&mut driver).len(), 10_000);
    // The room is kept for members that resume, but not forever.
    while let Some(deadline) = driver.next_deadline() {
        driver.tick(deadline);
    }
    assert!(driver.hub().is_empty());
    assert_eq!(driver.unflushed(), 0);
}
