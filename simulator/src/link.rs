//! One connection of a client, from the dial to the end: bytes with a delay and a bounded buffer to the client,
//! messages with a delay to the server, always in order.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use switchboard_core::{ConnectionId, Outlet, Stall, Timestamp};

use crate::chance::Chance;
use crate::checks::Who;
use crate::frames::FrameReader;

/// Which link, counted over the whole run.
pub(crate) type LinkId = u64;

/// One link.
#[derive(Debug)]
pub(crate) struct Link {
    /// Whose; an index into the world's people.
    pub(crate) person: usize,
    /// As whom it dialled.
    pub(crate) who: Who,
    /// Which of the servers it leads to, counted by their lives; 0 until it is known.
    pub(crate) life: u64,
    /// The node that this one runs on, or ran.
    pub(crate) node: usize,
    /// The rest of the address.
    pub(crate) session: Option<String>,
    /// What the server sees of it.
    pub(crate) server: ServerEnd,
    /// Whether the client still has its socket.
    pub(crate) client_has_it: bool,
    /// Nothing passes any more.
    pub(crate) cut: bool,
    /// Nothing passes until then.
    pub(crate) stalled_until: Timestamp,
    /// On the way to the server.
    pub(crate) up: VecDeque<(Timestamp, Upward)>,
    up_last: Timestamp,
    /// On the way to the client.
    pub(crate) wire: Rc<RefCell<Wire>>,
    /// When the world looks at what arrives at the client next.
    pub(crate) down_at: Timestamp,
    /// What has arrived at the client and is not a whole frame yet.
    pub(crate) frames: FrameReader,
    chance: Chance,
    latency: Duration,
    jitter: Duration,
}

/// The server's end of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ServerEnd {
    /// Nobody has knocked yet.
    None,
    /// There is a seat, and the upgrade is under way.
    Reserved(ConnectionId),
    /// It is the driver's.
    Open(ConnectionId),
    /// It is over.
    Gone,
}

/// What a client sends.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "said by the names")]
pub(crate) enum Upward {
    Text(String),
    Pong(Vec<u8>),
    Close(Option<u16>),
}

/// How a link is between two ends.
#[derive(Clone, Debug)]
pub(crate) struct Quality {
    /// One way.
    pub(crate) latency: Duration,
    /// On top of it.
    pub(crate) jitter: Duration,
    /// Bytes on their way to the client, at most.
    pub(crate) buffer: usize,
    /// Bytes that one write takes, at most.
    pub(crate) bite: usize,
}

/// What all wires of a world share.
#[derive(Clone, Default, Debug)]
pub(crate) struct Air {
    /// The time.
    pub(crate) now: Rc<Cell<Timestamp>>,
    /// Links on which the server has written or ended something.
    pub(crate) news: Rc<RefCell<Vec<LinkId>>>,
}

impl Link {
    /// A link on which nothing has been sent.
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

    /// When something that is sent now arrives at the server; never before what was sent earlier.
    pub(crate) fn arrival(&mut self, now: Timestamp) -> Timestamp {
        let way = delay(&mut self.chance, self.latency, self.jitter);
        self.up_last = self.up_last.max(now + way).max(self.stalled_until);
        self.up_last
    }

    /// Sends to the server. Answers when it arrives.
    pub(crate) fn send(&mut self, now: Timestamp, what: Upward) -> Timestamp {
        let at = self.arrival(now);
        self.up.push_back((at, what));
        at
    }

    /// Whether nobody has anything to do with it any more.
    pub(crate) fn is_over(&self) -> bool {
        !self.client_has_it && self.server == ServerEnd::Gone
    }
}

fn delay(chance: &mut Chance, latency: Duration, jitter: Duration) -> Duration {
    latency + Duration::from_micros(chance.between(0, jitter.as_micros() as u64))
}

/// Bytes on their way to a client.
#[derive(Debug)]
pub(crate) struct Wire {
    id: LinkId,
    air: Air,
    chunks: VecDeque<(Timestamp, Vec<u8>)>,
    written_at: Timestamp,
    held: usize,
    quality: Quality,
    chance: Chance,
    /// The driver wants to hear when there is room.
    pub(crate) watched: bool,
    finished: bool,
    /// The server has ended it: behind the last byte there is nothing.
    pub(crate) ended: bool,
    /// The server's side of it is broken, and the next write will tell.
    pub(crate) broken: bool,
    /// Something that a driver must not do.
    pub(crate) misuse: Option<&'static str>,
}

impl Wire {
    /// When the next bytes arrive.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.chunks.front().map(|(at, _)| *at)
    }

    /// Takes what has arrived, at most so many bytes.
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

    /// Whether everything has been taken, and nothing more will come.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.ended && self.chunks.is_empty()
    }

    fn news(&self) {
        self.air.news.borrow_mut().push(self.id);
    }
}

/// What the driver has of a link.
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
        // What a broken one ends is up to the network.
        if !wire.broken {
            wire.ended = true;
            wire.news();
        }
    }
}
