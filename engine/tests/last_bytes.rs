//! What is read of a peer after we have said our last, and for how long it may read that.
#![cfg(test)]

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use switchboard_core::http::HttpError;
use switchboard_core::{CloseReason, Command, ConnectionId, Outlet, Rate, Stall, Timestamp};
use switchboard_engine::server::{
    self, Engine, LINGER, LINGER_BYTES, ServerSettings, Stop, Task, write_parts,
};

const START: Timestamp = Timestamp::ZERO;

/// A socket that takes everything.
#[derive(Clone, Default)]
struct Peer(Arc<Mutex<Vec<u8>>>);

impl Outlet for Peer {
    fn write(&mut self, parts: &[&[u8]]) -> Result<usize, Stall> {
        write_parts(&mut *self.0.lock().expect("no panic"), parts)
    }

    fn watch(&mut self) {}
}

struct Open {
    engine: Engine<Peer>,
    key: usize,
    heard: Weak<Mutex<Vec<u8>>>,
}

impl Open {
    /// A peer that has sent this.
    fn new(request: &str) -> Self {
        let mut settings = ServerSettings::default();
        settings.config.limits.messages = Rate::NONE;
        let mut engine = Engine::new(settings, Vec::new(), 1).expect("good settings");
        let peer = Peer::default();
        let heard = Arc::downgrade(&peer.0);
        let key = engine.accepted(START, peer, None).expect("there is room");
        engine.received(START, key, &mut request.as_bytes().to_vec());
        let mut open = Self { engine, key, heard };
        open.perform();
        open
    }

    /// A connection.
    fn upgraded() -> Self {
        Self::new(
            "GET /ws HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
    }

    fn perform(&mut self) {
        while let Some(task) = self.engine.next_task() {
            match task {
                Task::Authenticate(handshake, credentials) => {
                    let verdict = server::anonymous(&credentials);
                    self.engine.authenticated(START, handshake, verdict);
                }
                Task::Respond(handshake, _) => {
                    let not_found = HttpError::not_found().to_response();
                    self.engine.respond(START, handshake, not_found);
                }
                Task::Output(_) => {}
                Task::Stop(id, stop) => stop.tell(self.engine.driver(), START, id),
            }
        }
        self.engine.flush(START, usize::MAX);
    }

    fn id(&mut self) -> ConnectionId {
        self.engine.connection(self.key).expect("it is open")
    }

    /// What it was sent, if its socket is not closed.
    fn heard(&self) -> Option<Vec<u8>> {
        Some(self.heard.upgrade()?.lock().expect("no panic").clone())
    }

    fn is_read(&mut self) -> bool {
        self.engine.socket(self.key).is_some()
    }

    fn tick(&mut self, now: Timestamp) {
        self.engine.tick(now);
        while self.engine.next_task().is_some() {}
        self.engine.flush(now, usize::MAX);
    }

    /// It sends on, and is read up to the bound exactly; then it has a while to read.
    fn sends_on(mut self, piece: &[u8]) {
        let mut sent = 0;
        while sent + piece.len() < LINGER_BYTES {
            self.engine.received(START, self.key, &mut piece.to_vec());
            self.perform();
            sent += piece.len();
            assert!(self.is_read(), "{sent} bytes");
        }
        self.engine.received(START, self.key, &mut piece.to_vec());
        self.perform();
        assert!(!self.is_read());
        self.tick(START + (LINGER - Duration::from_micros(1)));
        assert!(self.heard().is_some(), "it has the time to read what we said");
        self.tick(START + LINGER);
        assert_eq!(self.heard(), None, "its socket is closed");
    }
}

/// A masked frame of 1,024 bytes in all, with a message that makes no sense.
fn message() -> Vec<u8> {
    let text = [0x81, 0xfe, 0x03, 0xf8, 0, 0, 0, 0];
    [&text[..], &[b' '; 1_016]].concat()
}

#[test]
fn a_peer_that_broke_a_rule_is_read_no_more_after_the_bound() {
    let mut open = Open::upgraded();
    let not_masked = [0x81, 0x01, b'x'];
    open.engine.received(START, open.key, &mut not_masked.to_vec());
    let stop = open.engine.next_task();
    assert!(matches!(stop, Some(Task::Stop(_, Stop::Violation(_)))), "{stop:?}");
    let Some(Task::Stop(id, stop)) = stop else { return };
    stop.tell(open.engine.driver(), START, id);
    open.perform();
    let heard = open.heard().expect("it is open");
    assert!(heard.windows(4).any(|bytes| bytes[0] == 0x88 && bytes[2..] == [0x03, 0xea]));
    open.sends_on(&[0; 1_024]);
}

#[test]
fn a_peer_that_is_closed_is_read_no_more_after_the_bound() {
    let mut open = Open::upgraded();
    let connection = open.id();
    let close = Command::Close { connection, reason: CloseReason::RateLimited };
    open.engine.driver().command(START, close).expect("it is open");
    open.perform();
    open.sends_on(&message());
}

#[test]
fn a_peer_that_is_refused_is_read_no_more_after_the_bound() {
    Open::new("GET /elsewhere HTTP/1.1\r\nHost: test\r\n\r\n").sends_on(&[0; 1_000]);
}

#[test]
fn an_open_connection_is_read_without_end() {
    let mut open = Open::upgraded();
    let id = open.id();
    for _ in 0..2 * LINGER_BYTES / 1_024 {
        open.engine.received(START, open.key, &mut message());
        open.perform();
    }
    assert!(open.is_read());
    let connection = open.engine.as_driver().hub().connection(id);
    assert!(connection.is_some_and(|connection| connection.is_open()));
}

#[test]
fn the_answer_to_our_close_frame_is_heard_within_the_bound() {
    let mut open = Open::upgraded();
    let connection = open.id();
    let close = Command::Close { connection, reason: CloseReason::RateLimited };
    open.engine.driver().command(START, close).expect("it is open");
    open.perform();
    for _ in 0..LINGER_BYTES / 1_024 - 1 {
        open.engine.received(START, open.key, &mut message());
    }
    let goodbye = [0x88, 0x82, 0, 0, 0, 0, 0x0f, 0xbd];
    open.engine.received(START, open.key, &mut goodbye.to_vec());
    open.perform();
    open.engine.ended(START, open.key);
    open.perform();
    assert_eq!(open.heard(), None, "both ends are closed");
}
