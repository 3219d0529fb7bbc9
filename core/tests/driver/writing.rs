//! Between the hub and the sockets: what is written, when, and in which order.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use switchboard_core::{Codec, Driver, Output, Overflow, Payload};

use crate::outlets::*;

#[test]
fn frames_arrive_whole_and_in_order_however_the_socket_takes_them() {
    let sizes = [0, 1, 125, 126, 1_013, 1_023, 1_024, 5_000, 65_535, 65_536, 3];
    let sent: Vec<Vec<u8>> =
        sizes.iter().enumerate().map(|(n, &size)| vec![n as u8; size]).collect();
    let total: usize = sizes.iter().sum();
    for (step, room) in [
        (usize::MAX, usize::MAX),
        (usize::MAX, 1),
        (1, usize::MAX),
        (2, 3),
        (7, 100),
        (1_024, 1_025),
        (65_540, 65_541),
    ] {
        let mut driver = driver(config());
        let (id, socket) = raw(&mut driver);
        socket.takes(step, room);
        for payload in &sent {
            send(&mut driver, id, payload.clone());
        }
        while socket.bytes().len() < total {
            let before = socket.bytes().len();
            while driver.flush(NOW, 10) {}
            driver.writable(NOW, id);
            socket.takes(step, room);
            driver.writable(NOW, id);
            assert!(socket.bytes().len() > before, "{step} {room}");
        }
        socket.takes(step, usize::MAX);
        settle(&mut driver, id, &socket);
        assert!(payloads(&socket) == sent, "{step} {room}");
        assert_eq!(driver.stats().bytes_out, socket.bytes().len() as u64);
    }
}

#[test]
fn a_broadcast_is_encoded_once_and_its_payload_never_copied() {
    let mut driver = driver(config());
    let sockets = [(); 3].map(|()| open(&mut driver, Codec::Json, &["lobby"]).1);
    let raw = open(&mut driver, Codec::Raw, &["lobby"]).1;
    while driver.flush(NOW, 10) {}
    let before = sockets.each_ref().map(|socket| socket.pieces().len());

    let payload = Bytes::from(vec![7; 40_000]);
    publish(&mut driver, "lobby", Payload::Binary(payload.clone()));
    while driver.flush(NOW, 10) {}
    let json = switchboard_core::Json::of(&"x".repeat(40_000)).expect("a string");
    publish(&mut driver, "lobby", Payload::Json(json));
    while driver.flush(NOW, 10) {}

    let pieces = |at: usize| sockets[at].pieces().split_off(before[at]);
    let first = pieces(0);
    assert!(first.contains(&(payload.as_ptr() as usize, payload.len())), "shared with the sender");
    assert_eq!(first.len(), 3, "a header and a payload, and a text");
    assert_eq!(first, pieces(1));
    assert_eq!(first, pieces(2));
    assert!(raw.bytes().is_empty(), "its codec has no way to say it");
}

#[test]
fn over_the_high_mark_it_is_blocked_and_at_the_low_mark_it_is_not() {
    let mut driver = driver(low_marks());
    let (id, socket) = raw(&mut driver);
    socket.takes(usize::MAX, 0);
    let is_blocked =
        |driver: &Driver<Fake>| driver.hub().connection(id).is_some_and(|c| c.is_blocked());
    // Four bytes of header each: 1,000 in all.
    send(&mut driver, id, vec![1; 496]);
    send(&mut driver, id, vec![2; 496]);
    driver.flush(NOW, 10);
    assert!(!is_blocked(&driver), "at the mark");
    send(&mut driver, id, vec![]);
    driver.flush(NOW, 10);
    assert!(is_blocked(&driver), "over the mark");
    send(&mut driver, id, vec![3; 10]);
    assert_eq!(driver.hub().connection(id).expect("open").waiting().0, 1);

    socket.takes(usize::MAX, 901);
    driver.writable(NOW, id);
    assert!(is_blocked(&driver), "101 bytes are left");
    socket.takes(usize::MAX, 1);
    driver.writable(NOW, id);
    assert!(!is_blocked(&driver), "100 bytes are left");
    socket.takes(usize::MAX, usize::MAX);
    settle(&mut driver, id, &socket);
    assert_eq!(payloads(&socket), [vec![1; 496], vec![2; 496], vec![], vec![3; 10]]);
}

#[test]
fn more_than_the_high_mark_is_written_before_its_turn_so_that_a_round_has_a_bound() {
    let mut driver = driver(low_marks());
    let (id, socket) = raw(&mut driver);
    send(&mut driver, id, vec![1; 996]);
    assert_eq!(socket.writes(), 0);
    send(&mut driver, id, vec![]);
    assert_eq!(payloads(&socket), [vec![1; 996], vec![]]);
}

#[test]
fn nothing_is_written_before_the_flush_and_then_in_one_call() {
    let mut driver = driver(config());
    let (id, socket) = raw(&mut driver);
    for n in 0..10 {
        send(&mut driver, id, vec![n]);
    }
    driver.ping(NOW, id, b"hi");
    driver.tick(NOW);
    assert_eq!((socket.writes(), driver.unflushed()), (0, 1));
    assert!(!driver.flush(NOW, 1));
    assert_eq!((socket.writes(), socket.frames().len()), (1, 11));
}

#[test]
fn a_flush_writes_to_a_bounded_number_of_sockets() {
    let mut driver = driver(config());
    let sockets: Vec<_> = (0..10).map(|_| open(&mut driver, Codec::Json, &[]).1).collect();
    let written = || sockets.iter().filter(|socket| socket.writes() > 0).count();
    assert_eq!(driver.unflushed(), 10);
    assert!(driver.flush(NOW, 3));
    assert_eq!((written(), driver.unflushed()), (3, 7));
    assert!(driver.flush(NOW, 6));
    assert!(!driver.flush(NOW, 100));
    assert_eq!(written(), 10);
}

#[test]
fn a_pong_passes_what_waits_but_never_cuts_a_frame() {
    for cut in 1..12 {
        let mut driver = driver(config());
        let (id, socket) = raw(&mut driver);
        send(&mut driver, id, b"first".to_vec());
        send(&mut driver, id, b"other".to_vec());
        socket.takes(usize::MAX, cut);
        driver.flush(NOW, 10);
        driver.ping(NOW, id, b"one");
        driver.ping(NOW, id, b"two");
        socket.takes(usize::MAX, usize::MAX);
        settle(&mut driver, id, &socket);
        let (one, two) = ((PONG, b"one".to_vec()), (PONG, b"two".to_vec()));
        let (first, other) = ((BINARY, b"first".to_vec()), (BINARY, b"other".to_vec()));
        let expected = if cut <= 7 { [first, one, two, other] } else { [first, other, one, two] };
        assert_eq!(socket.frames(), expected, "cut after {cut} bytes");
    }
}

#[test]
fn a_text_is_read_as_the_connection_agreed() {
    let mut driver = driver(config());
    let (id, socket) = open(&mut driver, Codec::Json, &[]);
    driver.text(NOW, id, r#"{"type":"health_ping","timestamp":7}"#);
    while driver.flush(NOW, 10) {}
    let answer = payloads(&socket).pop().expect("an answer");
    assert_eq!(String::from_utf8_lossy(&answer), r#"{"type":"health_pong","timestamp":7}"#);
}

#[test]
fn every_ping_of_a_peer_that_reads_is_answered() {
    let mut driver = driver(config());
    let (id, socket) = raw(&mut driver);
    let pings: Vec<_> = (0..100).map(|n: u8| (PONG, vec![n])).collect();
    for (_, payload) in &pings {
        driver.ping(NOW, id, payload);
        driver.flush(NOW, 10);
    }
    assert_eq!(socket.frames(), pings);
}

#[test]
fn a_probe_passes_what_waits_and_its_pong_comes_back() {
    let mut driver = driver(config());
    let (id, socket) = raw(&mut driver);
    send(&mut driver, id, vec![1; 10]);
    let ticket = driver.probe(NOW, named("alice"), None).expect("it is open");
    settle(&mut driver, id, &socket);
    let (opcode, nonce) = socket.frames()[0].clone();
    assert_eq!(opcode, PING);
    let later = NOW + Duration::from_millis(30);
    driver.pong(later, id, b"no number");
    driver.pong(later, id, b"\xff");
    driver.pong(later, id, &nonce);
    let probed = std::iter::from_fn(|| driver.take_output())
        .find(|output| matches!(output, Output::Probed { .. }));
    let answers = vec![(id, Some(Duration::from_millis(30)))];
    assert_eq!(probed, Some(Output::Probed { ticket, answers }));
}

#[test]
fn what_one_codec_cannot_say_does_not_block_its_connection_for_ever() {
    let mut config = low_marks();
    config.limits.outbox_messages = 1_000;
    let mut driver = driver(config);
    let (id, socket) = open(&mut driver, Codec::Raw, &["lobby"]);
    socket.takes(usize::MAX, 0);
    send(&mut driver, id, vec![1; 2_000]);
    // Much waits that this connection will never be sent, and then something that it will.
    for _ in 0..100 {
        publish(&mut driver, "lobby", Payload::Binary(vec![0; 100].into()));
    }
    send(&mut driver, id, b"end".to_vec());
    socket.takes(usize::MAX, usize::MAX);
    settle(&mut driver, id, &socket);
    assert!(driver.hub().connection(id).is_some_and(|c| !c.is_blocked()));
    assert_eq!(payloads(&socket), [vec![1; 2_000], b"end".to_vec()]);
}

#[derive(Clone, Debug)]
enum Step {
    Publish(usize),
    /// Lets the socket take this many more bytes, if it is asked.
    Room(usize),
    Flush(usize),
    Ping,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..600usize).prop_map(Step::Publish),
        1 => Just(Step::Publish(3_000)),
        4 => (0..900usize).prop_map(Step::Room),
        3 => (1..3usize).prop_map(Step::Flush),
        1 => Just(Step::Ping),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    /// Whatever the two sockets take and when: once they take everything, each has each publication
    /// once and in order, or a gap where one is missing.
    #[test]
    fn a_socket_that_reads_again_gets_everything(
        steps in prop::collection::vec((any::<bool>(), step()), 1..60),
        drops in any::<bool>(),
    ) {
        let mut config = low_marks();
        config.limits.outbox_messages = if drops { 3 } else { 1_000 };
        config.rooms[0].1.overflow = Overflow::DropOldest;
        let mut driver = driver(config);
        let sockets = [(); 2].map(|()| open(&mut driver, Codec::Json, &["lobby"]));
        for (_, socket) in &sockets {
            socket.takes(97, 0);
        }
        let mut published = 0;
        for (which, step) in steps {
            let (id, socket) = &sockets[usize::from(which)];
            match step {
                Step::Publish(size) => {
                    published += 1;
                    publish(&mut driver, "lobby", Payload::Binary(vec![0; size].into()));
                }
                Step::Room(room) => {
                    socket.takes(97, room);
                    if socket.is_watched() {
                        driver.writable(NOW, *id);
                    }
                }
                Step::Flush(max) => {
                    driver.flush(NOW, max);
                }
                Step::Ping => driver.ping(NOW, *id, b"x"),
            }
        }
        for (id, socket) in &sockets {
            socket.takes(usize::MAX, usize::MAX);
            settle(&mut driver, *id, socket);
            prop_assert!(driver.hub().connection(*id).is_some_and(|c| !c.is_blocked()));
            let mut last = 0;
            for (opcode, payload) in socket.frames() {
                if opcode == BINARY {
                    let offset = u64::from_be_bytes(payload[16..24].try_into().expect("8 bytes"));
                    prop_assert_eq!(offset, last + 1);
                    last = offset;
                } else if let Some(gap) = crate::outlets::gap_of(&payload) {
                    prop_assert!(drops);
                    prop_assert_eq!(gap.0, last);
                    last = gap.1;
                }
            }
            prop_assert_eq!(last, published);
        }
    }
}
