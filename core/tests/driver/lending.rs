//! Sockets whose writes are lent to another thread, and what happens to them meanwhile.

use proptest::prelude::*;
use switchboard_core::{
    Attempt, CloseReason, Codec, Command, ConnectionId, Driver, Ending, LentSocket,
};

use crate::outlets::*;

fn lend(driver: &mut Driver<Fake>) -> Vec<LentSocket<Fake>> {
    driver.lend(NOW, usize::MAX)
}

fn write(sockets: &mut [LentSocket<Fake>]) {
    for socket in sockets {
        socket.write(&mut Vec::new());
    }
}

fn close(driver: &mut Driver<Fake>, connection: ConnectionId) {
    let reason = CloseReason::Normal;
    driver.command(NOW, Command::Close { connection, reason }).expect("it is open");
}

#[test]
fn what_is_sent_meanwhile_follows() {
    let mut driver = driver(config());
    let (id, socket) = raw(&mut driver);
    send(&mut driver, id, "first");
    let mut lent = lend(&mut driver);
    send(&mut driver, id, "second");
    assert_eq!((driver.lent(), driver.unflushed()), (1, 0), "it is written to by somebody else");
    driver.flush(NOW, 10);
    assert_eq!(socket.bytes(), b"");
    write(&mut lent);
    assert_eq!(payloads(&socket), [b"first"]);
    driver.take_back(NOW, lent);
    assert_eq!((driver.lent(), driver.unflushed()), (0, 1));
    driver.flush(NOW, 10);
    assert_eq!(payloads(&socket), [&b"first"[..], b"second"]);
    assert_eq!(driver.stats().bytes_out, socket.bytes().len() as u64);
}

#[test]
fn a_socket_that_has_nothing_to_be_written_is_not_lent() {
    let mut driver = driver(config());
    let (id, socket) = raw(&mut driver);
    assert!(lend(&mut driver).is_empty());
    socket.takes(1, 0);
    send(&mut driver, id, "first");
    driver.flush(NOW, 10);
    send(&mut driver, id, "second");
    assert!(lend(&mut driver).is_empty(), "it is full");
}

#[test]
fn a_socket_that_becomes_writable_meanwhile_is_written_to_when_it_is_back() {
    let mut driver = driver(config());
    let (id, socket) = raw(&mut driver);
    socket.takes(1, 0);
    send(&mut driver, id, "first");
    let mut lent = lend(&mut driver);
    write(&mut lent);
    socket.takes(usize::MAX, usize::MAX);
    driver.writable(NOW, id);
    driver.take_back(NOW, lent);
    driver.flush(NOW, 10);
    assert_eq!(payloads(&socket), [b"first"]);
}

#[test]
fn the_goodbye_comes_behind_the_messages_and_the_end_comes_once() {
    for written in [false, true] {
        let mut driver = driver(config());
        let (id, socket) = raw(&mut driver);
        send(&mut driver, id, "first");
        let mut lent = lend(&mut driver);
        send(&mut driver, id, "second");
        close(&mut driver, id);
        driver.peer_closed(NOW, id, Some(1000));
        assert_eq!(socket.ends(), 0, "it is in somebody's hands");
        if written {
            write(&mut lent);
        }
        driver.take_back(NOW, lent);
        let opcodes: Vec<_> = socket.frames().into_iter().map(|(opcode, _)| opcode).collect();
        assert_eq!(opcodes, [BINARY, BINARY, CLOSE]);
        assert_eq!((socket.ends(), driver.lent()), (1, 0));
    }
}

#[test]
fn nothing_follows_a_close_frame_that_is_lent() {
    let mut driver = driver(config());
    let (id, socket) = raw(&mut driver);
    close(&mut driver, id);
    let mut lent = lend(&mut driver);
    driver.ping(NOW, id, b"late");
    driver.peer_closed(NOW, id, Some(1_000));
    write(&mut lent);
    driver.take_back(NOW, lent);
    while driver.flush(NOW, 10) {}
    assert_eq!(socket.frames().iter().map(|(opcode, _)| *opcode).collect::<Vec<_>>(), [CLOSE]);
}

#[test]
fn the_next_connection_in_the_same_place_is_another_one() {
    let mut driver = driver(config());
    let (id, socket) = raw(&mut driver);
    send(&mut driver, id, "first");
    let lent = lend(&mut driver);
    driver.lost(NOW, id);
    let (next, other) = raw(&mut driver);
    assert_eq!(next.index(), id.index());
    send(&mut driver, next, "to another");
    driver.take_back(NOW, lent);
    driver.flush(NOW, 10);
    assert_eq!(payloads(&socket), [b"first"]);
    assert_eq!(payloads(&other), [b"to another"]);
    assert_eq!((socket.ends(), other.ends()), (1, 0));
}

#[test]
fn a_socket_that_fails_meanwhile_is_lost_when_it_is_back() {
    let mut driver = driver(config());
    let (id, socket) = raw(&mut driver);
    send(&mut driver, id, "first");
    let mut lent = lend(&mut driver);
    socket.breaks();
    write(&mut lent);
    assert!(endings(&mut driver).is_empty());
    driver.take_back(NOW, lent);
    assert_eq!(endings(&mut driver), [Ending::Lost]);
}

#[test]
fn what_waits_meanwhile_is_bounded_as_ever() {
    let mut driver = driver(low_marks());
    let (id, socket) = raw(&mut driver);
    send(&mut driver, id, "first");
    let mut lent = lend(&mut driver);
    for _ in 0..20 {
        send(&mut driver, id, vec![0; 200]);
    }
    assert!(driver.hub().connection(id).expect("it is open").is_blocked());
    write(&mut lent);
    driver.take_back(NOW, lent);
    settle(&mut driver, id, &socket);
    assert_eq!(payloads(&socket).len(), 21);
    assert!(!driver.hub().connection(id).expect("it is open").is_blocked());
}

#[derive(Clone, Debug)]
enum Step {
    Send(u8, u16),
    Lend,
    Write,
    BringBack,
    Flush,
    Takes(u16),
    Ping,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3u8, 0..3_000u16).prop_map(|(to, size)| Step::Send(to, size)),
        2 => Just(Step::Lend),
        2 => Just(Step::Write),
        2 => Just(Step::BringBack),
        1 => Just(Step::Flush),
        1 => (0..4_000u16).prop_map(Step::Takes),
        1 => Just(Step::Ping),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #[test]
    fn whoever_writes_everything_arrives_once_and_in_order(steps in steps()) {
        let mut driver = driver(low_marks());
        let connections = [(); 3].map(|()| raw(&mut driver));
        let mut sent = [const { Vec::new() }; 3];
        let mut lent = Vec::new();
        let mut count = 0u16;
        for step in steps {
            match step {
                Step::Send(to, size) => {
                    let to = usize::from(to);
                    count += 1;
                    let mut payload = vec![0; usize::from(size) + 2];
                    payload[..2].copy_from_slice(&count.to_be_bytes());
                    send(&mut driver, connections[to].0, payload.clone());
                    sent[to].push(payload);
                }
                Step::Lend => lent.extend(lend(&mut driver)),
                Step::Write => write(&mut lent),
                Step::BringBack => driver.take_back(NOW, lent.drain(..)),
                Step::Flush => drop(driver.flush(NOW, 2)),
                Step::Takes(room) => connections[0].1.takes(700, usize::from(room)),
                Step::Ping => {
                    for (id, socket) in &connections {
                        driver.ping(NOW, *id, b"now");
                        if socket.is_watched() {
                            driver.writable(NOW, *id);
                        }
                    }
                }
            }
        }
        driver.take_back(NOW, lent);
        for ((id, socket), sent) in connections.iter().zip(sent) {
            socket.takes(usize::MAX, usize::MAX);
            driver.writable(NOW, *id);
            settle(&mut driver, *id, socket);
            let frames = socket.frames().into_iter();
            let arrived: Vec<_> =
                frames.filter(|(opcode, _)| *opcode != PONG).map(|(_, payload)| payload).collect();
            prop_assert!(arrived == sent, "{} of {}", arrived.len(), sent.len());
        }
        prop_assert_eq!(driver.lent(), 0);
    }
}

#[test]
fn the_answer_to_the_upgrade_goes_out_with_what_the_connection_is_told_first() {
    let mut driver = driver(config());
    let rooms = vec![(named("lobby"), None)];
    let id = driver.connect(NOW, Attempt { rooms, ..attempt("alice") }).expect("a seat");
    let (fake, socket) = Fake::new();
    assert!(driver.answer_and_open(NOW, id, Codec::Json, fake, b"HTTP/1.1 101\r\n\r\n".to_vec()));
    driver.ping(NOW, id, b"early");
    assert_eq!(socket.writes(), 0);
    driver.flush(NOW, 10);
    assert_eq!(socket.writes(), 1);
    let bytes = socket.bytes();
    let rest = bytes.strip_prefix(b"HTTP/1.1 101\r\n\r\n\x8a\x05early\x81").expect("in this order");
    assert!(String::from_utf8_lossy(rest).contains("connected"));
}

#[test]
fn no_more_are_lent_than_asked_for() {
    let mut driver = driver(config());
    for _ in 0..3 {
        let (id, _) = raw(&mut driver);
        send(&mut driver, id, b"x".to_vec());
    }
    let lent = [1, 0, 5].map(|max| driver.lend(NOW, max));
    assert_eq!(lent.each_ref().map(Vec::len), [1, 0, 2]);
    assert_eq!((driver.lent(), driver.unflushed()), (3, 0));
}
