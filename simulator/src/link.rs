//! One connection of a client, from the dial to the end: bytes with a delay and a bounded buffer to
//! the client, messages with a delay to the server, always in order.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use switchboard_core::{ConnectionId, Outlet, Stall, Timestamp};

use crate::chance::Chance;
use crate::checks::Who;
use crate::frames::FrameReader;

/// Identifies a link across the whole run.
pub(crate) type LinkId = u64;

#[derive(Debug)]
pub(crate) struct Link {
    /// The index of its person in the world.
    pub(crate) person: usize,
    /// The client that dialled.
    pub(crate) who: Who,
    /// The life of the server that it leads to; 0 until that is known.
    pub(crate) life: u64,
    /// The node that this server runs on, or ran.
    pub(crate) node: usize,
    /// The session in the address.
    pub(crate) session: Option<String>,
    /// The server's view of it.
    pub(crate) server: ServerEnd,
    pub(crate) client_has_it: bool,
    /// Nothing passes any more.
    pub(crate) cut: bool,
    /// Nothing passes until this time.
    pub(crate) stalled_until: Timestamp,
    /// In transit to the server.
    pub(crate) up: VecDeque<(Timestamp, Upward)>,
    up_last: Timestamp,
    /// In transit to the client.
    pub(crate) wire: Rc<RefCell<Wire>>,
    /// When the world next delivers to the client.
    pub(crate) down_at: Timestamp,
    /// What has arrived at the client and does not fill a frame yet.
    pub(crate) frames: FrameReader,
    chance: Chance,
    latency: Duration,
    jitter: Duration,
}

/// The server's end of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ServerEnd {
    /// The dial has not arrived.
    None,
    /// There is a seat, and the upgrade is in progress.
    Reserved(ConnectionId),
    /// The driver has it.
    Open(ConnectionId),
    /// The connection has ended.
    Gone,
}

/// What a client sends.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) enum Upward {
    Text(String),
    Pong(Vec<u8>),
    Close(Option<u16>),
}

/// The network between two ends.
#[derive(Clone, Debug)]
pub(crate) struct Quality {
    /// The delay in one direction.
    pub(crate) latency: Duration,
    /// The largest random delay on top of it.
    pub(crate) jitter: Duration,
    /// Bytes in transit to the client, at most.
    pub(crate) buffer: usize,
    /// Bytes accepted by one write, at most.
    pub(crate) bite: usize,
}

/// What all wires of a world share.
#[derive(Clone, Default, Debug)]
pub(crate) struct Air {
    /// The world's time.
    pub(crate) now: Rc<Cell<Timestamp>>,
    /// Links on which the server has written or ended something.
    pub(crate) news: Rc<RefCell<Vec<LinkId>>>,
}

impl Link {
    /// Makes a link on which nothing has been sent.
    pub(crate) fn new(
        id: LinkId,
        person: usize,
        quality: &Quality,
        air: &Air,
        chance: Chance,
    ) -> Self {
        let wire = Wire {
            id,
            air: air.clone(),
            chunks: VecDeque::new(),
            written_at: Timestamp::ZERO,
            held: 0,
            quality: quality.clone(),
            chance: chance.clone(),
            watched: false,
            finished: false,
            ended: false,
            broken: false,
            misuse: None,
        };
        let Quality { latency, jitter, .. } = *quality;
        Self {
            person,
            who: (person, 0),
            life: 0,
            node: 0,
            session: None,
            server: ServerEnd::None,
            client_has_it: true,
            cut: false,
            stalled_until: Timestamp::ZERO,
            up: VecDeque::new(),
            up_last: Timestamp::ZERO,
            wire: Rc::new(RefCell::new(wire)),
            down_at: Timestamp::MAX,
            frames: FrameReader::default(),
            chance,
            latency,
            jitter,
        }
    }

    /// Returns when something that is sent now arrives at the server; never before what was sent
    /// earlier.
    pub(crate) fn arrival(&mut self, now: Timestamp) -> Timestamp {
        let way = delay(&mut self.chance, self.latency, self.jitter);
        self.up_last = self.up_last.max(now + way).max(self.stalled_until);
        self.up_last
    }

    /// Sends to the server. Returns the time of arrival.
    pub(crate) fn send(&mut self, now: Timestamp, what: Upward) -> Timestamp {
        let at = self.arrival(now);
        self.up.push_back((at, what));
        at
    }

    /// Returns whether both ends are done with it.
    pub(crate) fn is_over(&self) -> bool {
        !self.client_has_it && self.server == ServerEnd::Gone
    }
}

fn delay(chance: &mut Chance, latency: Duration, jitter: Duration) -> Duration {
    latency + Duration::from_micros(chance.between(0, jitter.as_micros() as u64))
}

/// Bytes in transit to a client.
#[derive(Debug)]
pub(crate) struct Wire {
    id: LinkId,
    air: Air,
    chunks: VecDeque<(Timestamp, Vec<u8>)>,
    written_at: Timestamp,
    held: usize,
    quality: Quality,
    chance: Chance,
    /// The driver wants to be told when there is room.
    pub(crate) watched: bool,
    finished: bool,
    /// The server has ended it: nothing follows the last byte.
    pub(crate) ended: bool,
    /// The server's side is broken, and the next write will fail.
    pub(crate) broken: bool,
    /// A mistake of the driver.
    pub(crate) misuse: Option<&'static str>,
}

impl Wire {
    /// Returns when the next bytes arrive.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.chunks.front().map(|(at, _)| *at)
    }

    /// Takes what has arrived, at most `most` bytes.
    pub(crate) fn take(&mut self, now: Timestamp, most: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        while let Some((at, chunk)) = self.chunks.front_mut()
            && *at <= now
            && taken.len() < most
        {
            let piece = chunk.len().min(most - taken.len());
            taken.extend(chunk.drain(..piece));
            if chunk.is_empty() {
                self.chunks.pop_front();
            }
        }
        self.held -= taken.len();
        taken
    }

    /// Returns whether everything has been taken, and nothing more will arrive.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.ended && self.chunks.is_empty()
    }

    fn news(&self) {
        self.air.news.borrow_mut().push(self.id);
    }
}

/// The driver's handle of a link.
#[derive(Debug)]
pub(crate) struct Socket(pub(crate) Rc<RefCell<Wire>>);

impl Outlet for Socket {
    fn write(&mut self, parts: &[&[u8]]) -> Result<usize, Stall> {
        let wire = &mut *self.0.borrow_mut();
        if wire.ended || wire.finished {
            wire.misuse = Some("a write after the end");
        }
        if wire.broken {
            return Err(Stall::Broken);
        }
        let room = wire.quality.buffer.saturating_sub(wire.held).min(wire.quality.bite);
        if room == 0 {
            return Err(Stall::Full);
        }
        let now = wire.air.now.get();
        if wire.chunks.is_empty() || wire.written_at != now {
            let way = delay(&mut wire.chance, wire.quality.latency, wire.quality.jitter);
            let last = wire.chunks.back().map_or(now, |(at, _)| *at);
            wire.chunks.push_back((last.max(now + way), Vec::new()));
            wire.written_at = now;
        }
        let mut taken = 0;
        if let Some((_, chunk)) = wire.chunks.back_mut() {
            for part in parts {
                let piece = &part[..part.len().min(room - taken)];
                chunk.extend_from_slice(piece);
                taken += piece.len();
            }
        }
        wire.held += taken;
        wire.news();
        Ok(taken)
    }

    fn watch(&mut self) {
        self.0.borrow_mut().watched = true;
    }

    fn finish(&mut self) {
        self.0.borrow_mut().finished = true;
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let wire = &mut *self.0.borrow_mut();
        // The network decides what happens to a broken one.
        if !wire.broken {
            wire.ended = true;
            wire.news();
        }
    }
}
