//! A client that was stopped for longer than its server may be silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use switchboard_core::Timestamp;
use switchboard_core::client::{ServerMessage, State};
use switchboard_engine::Async;
use switchboard_engine::client::{Arrived, Client, Link, Outside, Setup, Shell};

use crate::link::open;
use crate::socket::Socket;

const SECOND: u64 = 1_000_000;
const PING: [u8; 2] = [0x89, 0];

/// Microseconds, as the test says.
#[derive(Default)]
struct Watch(AtomicU64);

impl Watch {
    fn set(&self, micros: u64) {
        self.0.store(micros, Ordering::Relaxed);
    }
}

impl Outside for Watch {
    fn now(&self) -> Timestamp {
        Timestamp::ZERO + Duration::from_micros(self.0.load(Ordering::Relaxed))
    }

    fn ring(&self) {}
}

struct Stopped {
    watch: Arc<Watch>,
    shell: Arc<Shell>,
    client: Client<Async, ()>,
    link: Link,
    socket: Socket,
}

impl Stopped {
    /// A client whose server may be silent for three seconds, ten seconds after it was heard of.
    fn new() -> Self {
        let (link, socket) = open();
        let watch = Arc::new(Watch::default());
        let setup = Setup::new("ws://localhost/ws").expect("an address");
        let (shell, _) = Shell::new::<Async>(Arc::new(setup), 1, watch.clone());
        let client = Client::new(shell.clone());
        client.connect();
        assert!(shell.orders().dial.is_some());
        shell.arrived(Arrived::Opened);
        let connected = r#"{"type":"connected","heartbeat":{"stale_after_ms":3000}}"#;
        shell.arrived(Arrived::Message(ServerMessage::from_text(connected)));
        watch.set(10 * SECOND);
        Self { watch, shell, client, link, socket }
    }

    fn turn(&mut self) -> bool {
        self.shell.turn(&mut self.link, &mut self.socket).expect("the socket is not over")
    }

    fn is_open_after_a_turn(&mut self) -> bool {
        self.turn();
        self.client.state() == State::Open
    }
}

#[test]
fn what_has_arrived_is_read_before_the_clock_judges() {
    let mut client = Stopped::new();
    client.socket.brings(&PING);
    assert!(client.is_open_after_a_turn());
    client.watch.set(13 * SECOND - 1);
    assert!(client.is_open_after_a_turn());
    client.watch.set(13 * SECOND);
    assert!(!client.is_open_after_a_turn(), "silent for three seconds");
}

#[test]
fn a_client_that_finds_nothing_in_its_socket_judges_at_once() {
    let mut client = Stopped::new();
    assert!(client.turn(), "something was done");
    assert!(matches!(client.client.state(), State::Waiting { .. }));
    assert!(!client.shell.tick(), "and nothing is due any more");
}

/// The beginning of a message of ten megabytes, as much of it as one turn reads.
fn large(is_first: bool) -> Vec<u8> {
    let mut bytes = vec![0; 64 * 1024];
    if is_first {
        bytes[..2].copy_from_slice(&[0x82, 127]);
        bytes[2..10].copy_from_slice(&10_000_000_u64.to_be_bytes());
    }
    bytes
}

#[test]
fn more_than_one_turn_reads_is_read_first_too() {
    let mut client = Stopped::new();
    client.socket.brings(&[0x82, 126, 0xff, 0xff]);
    client.socket.brings(&vec![0; 0xffff]);
    client.socket.brings(&PING);
    let mut turns = 1;
    while client.turn() {
        turns += 1;
    }
    assert!(turns > 1, "it was too much for one turn");
    assert_eq!(client.client.state(), State::Open);
}

#[test]
fn a_message_without_end_is_read_for_a_second() {
    let mut client = Stopped::new();
    client.socket.brings(&large(true));
    assert!(client.is_open_after_a_turn());
    client.watch.set(11 * SECOND - 1);
    client.socket.brings(&large(false));
    assert!(client.is_open_after_a_turn());
    client.watch.set(11 * SECOND);
    client.socket.brings(&large(false));
    assert!(!client.is_open_after_a_turn());
}
