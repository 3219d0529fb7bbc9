//! A driver, and sockets under the control of a test.

#![allow(dead_code, reason = "not every file of tests needs everything")]

mod frames;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use switchboard_core::{
    Attempt, Codec, Command, Config, ConnectionId, Driver, Ending, Limit, Message, Outlet, Output,
    Payload, RawFrame, RoomClass, Stall, Timestamp,
};

use frames::frames;

pub(crate) const NOW: Timestamp = Timestamp::ZERO;

pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

pub(crate) fn named<T: for<'t> TryFrom<&'t str>>(name: &str) -> T {
    T::try_from(name).unwrap_or_else(|_| panic!("not a name: {name}"))
}

/// An attempt of this user, without rooms.
pub(crate) fn attempt(name: &str) -> Attempt {
    Attempt::new(named(name))
}

pub(crate) fn config() -> Config {
    let class = RoomClass { presence: false, ..RoomClass::default() };
    let mut config = Config { rooms: vec![(String::new(), class)], ..Config::default() };
    config.limits.max_connections = Limit::NONE;
    config.limits.max_per_user = Limit::NONE;
    config.limits.messages = switchboard_core::Rate::NONE;
    config.heartbeat.interval = Duration::ZERO;
    config
}

/// The marks at 1,000 and 100 bytes.
pub(crate) fn low_marks() -> Config {
    let mut config = config();
    config.limits.outlet_high_water = 1_000;
    config.limits.outlet_low_water = 100;
    config
}

pub(crate) fn driver(config: Config) -> Driver<Fake> {
    Driver::new(config, 1, NOW).expect("sound")
}

/// Opens a connection without the protocol: what it is sent arrives unchanged.
pub(crate) fn open(
    driver: &mut Driver<Fake>,
    codec: Codec,
    rooms: &[&str],
) -> (ConnectionId, Socket) {
    let rooms = rooms.iter().map(|room| (named(room), None)).collect();
    let id = driver.connect(NOW, Attempt { rooms, ..attempt("alice") }).expect("a seat");
    let (fake, socket) = Fake::new();
    assert!(driver.open(NOW, id, codec, fake));
    (id, socket)
}

pub(crate) fn raw(driver: &mut Driver<Fake>) -> (ConnectionId, Socket) {
    open(driver, Codec::Raw, &[])
}

pub(crate) fn send(driver: &mut Driver<Fake>, to: ConnectionId, payload: impl Into<Bytes>) {
    let message = Message::Raw(RawFrame::Binary(payload.into()));
    driver.command(NOW, Command::Send { to, message }).expect("it is open");
}

pub(crate) fn publish(driver: &mut Driver<Fake>, room: &str, payload: Payload) {
    let publish = Command::Publish {
        room: named(room),
        kind: named("chat"),
        from: None,
        id: None,
        key: None,
        payload,
        except: None,
    };
    driver.command(NOW, publish).expect("anybody's");
}

/// Flushes and wakes up the socket until nothing moves any more.
pub(crate) fn settle(driver: &mut Driver<Fake>, id: ConnectionId, socket: &Socket) {
    for _ in 0..100_000 {
        let before = socket.bytes().len();
        while driver.flush(NOW, 1) {}
        if socket.is_watched() {
            driver.writable(NOW, id);
        }
        if socket.bytes().len() == before && driver.unflushed() == 0 {
            return;
        }
    }
    panic!("it never settles");
}

pub(crate) fn endings(driver: &mut Driver<Fake>) -> Vec<Ending> {
    let mut endings = Vec::new();
    while let Some(output) = driver.take_output() {
        if let Output::Closed { ending, .. } = output {
            endings.push(ending);
        }
    }
    endings
}

pub(crate) fn payloads(socket: &Socket) -> Vec<Vec<u8>> {
    socket.frames().into_iter().map(|(_, payload)| payload).collect()
}

#[derive(Default, Debug)]
struct State {
    bytes: Vec<u8>,
    /// The address of each piece that was written, and its length, if it was taken whole.
    pieces: Vec<(usize, usize)>,
    /// The number of bytes taken per call.
    step: usize,
    /// The number of bytes taken until it is full.
    room: usize,
    broken: bool,
    writes: usize,
    is_watched: bool,
    finishes: usize,
    ends: usize,
}

/// The driver's side.
#[derive(Debug)]
pub(crate) struct Fake(Rc<RefCell<State>>);

/// The test's side.
#[derive(Debug)]
pub(crate) struct Socket(Rc<RefCell<State>>);

impl Fake {
    /// A socket that takes everything.
    pub(crate) fn new() -> (Self, Socket) {
        let state = State { step: usize::MAX, room: usize::MAX, ..State::default() };
        let state = Rc::new(RefCell::new(state));
        (Self(state.clone()), Socket(state))
    }
}

impl Outlet for Fake {
    fn write(&mut self, parts: &[&[u8]]) -> Result<usize, Stall> {
        let mut state = self.0.borrow_mut();
        assert_eq!((state.finishes, state.ends), (0, 0), "written to after its end");
        assert!(parts.iter().all(|part| !part.is_empty()), "an empty piece");
        state.writes += 1;
        if state.broken {
            return Err(Stall::Broken);
        }
        if state.room == 0 {
            return Err(Stall::Full);
        }
        let most = state.step.min(state.room);
        let mut taken = 0;
        for part in parts {
            let part_taken = part.len().min(most - taken);
            state.bytes.extend_from_slice(&part[..part_taken]);
            if part_taken == part.len() {
                state.pieces.push((part.as_ptr() as usize, part.len()));
            }
            taken += part_taken;
        }
        if state.room != usize::MAX {
            state.room -= taken;
        }
        Ok(taken)
    }

    fn watch(&mut self) {
        let mut state = self.0.borrow_mut();
        assert_eq!(state.room, 0, "watched although it is not full");
        state.is_watched = true;
    }

    fn finish(&mut self) {
        let mut state = self.0.borrow_mut();
        state.finishes += 1;
        assert_eq!(state.finishes, 1, "finished twice");
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.0.borrow_mut().ends += 1;
    }
}

impl Socket {
    /// From here on it takes `step` bytes per call, until it has taken `room` and is full.
    pub(crate) fn takes(&self, step: usize, room: usize) {
        let mut state = self.0.borrow_mut();
        (state.step, state.room) = (step, room);
    }

    pub(crate) fn breaks(&self) {
        self.0.borrow_mut().broken = true;
    }

    /// Returns whether nothing more will be written.
    pub(crate) fn is_finished(&self) -> bool {
        self.0.borrow().finishes > 0
    }

    /// Returns whether the driver asked to be woken up since the last call, and there is room.
    pub(crate) fn is_watched(&self) -> bool {
        let mut state = self.0.borrow_mut();
        state.room > 0 && std::mem::take(&mut state.is_watched)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.borrow().bytes.clone()
    }

    pub(crate) fn pieces(&self) -> Vec<(usize, usize)> {
        self.0.borrow().pieces.clone()
    }

    pub(crate) fn writes(&self) -> usize {
        self.0.borrow().writes
    }

    pub(crate) fn ends(&self) -> usize {
        self.0.borrow().ends
    }

    /// Returns what arrived, frame by frame: opcode and payload. All must be complete.
    pub(crate) fn frames(&self) -> Vec<(u8, Vec<u8>)> {
        frames(&self.bytes())
    }
}

/// Returns the offsets of a `gap`: after which, and up to which.
pub(crate) fn gap_of(payload: &[u8]) -> Option<(u64, u64)> {
    let text = std::str::from_utf8(payload).ok()?;
    let rest = text.strip_prefix(r#"{"type":"gap","room":"lobby","since":""#)?;
    let mut offsets = rest.split(':').skip(1).map(|part| {
        let digits = part.find('"').map(|end| &part[..end]);
        digits.and_then(|digits| digits.parse().ok())
    });
    let since = offsets.next()??;
    // The field's name is between them.
    let position = offsets.nth(1)??;
    Some((since, position))
}
