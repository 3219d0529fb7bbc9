//! All connections, in one loop on one thread.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use polling::{Event, Events, Poller};
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::connection::{Connection, Ended, Flow, Stage};
use crate::figures::Times;
use crate::target::{Place, Target};
use crate::template::Step;
use crate::{frame, template};

/// Bytes per read; all connections share one buffer.
const READ: usize = 256 * 1024;

/// The most bytes buffered for a connection whose server does not read.
const MAX_UNSENT: usize = 1024 * 1024;

/// Sockets per poll: few, so that publishing stays on schedule.
const EVENTS: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// Number of foreign messages to keep as samples.
const SAMPLES: usize = 3;

/// Nanoseconds since the start of the run.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> u64 {
        nanos(self.0.elapsed())
    }
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Callbacks for events of connections.
pub(crate) trait Watcher {
    fn opened(&mut self, at: usize, now: u64);
    /// Returns whether the message was one of ours.
    fn heard(&mut self, at: usize, message: &[u8], now: u64) -> bool;
    fn ended(&mut self, at: usize, ended: &Ended, now: u64);
}

/// Statistics of the connections.
#[derive(Default)]
pub(crate) struct Tally {
    /// Connections that never opened, by reason.
    pub(crate) failed: BTreeMap<String, u64>,
    /// Connections that the server closed, by reason.
    pub(crate) dropped: BTreeMap<String, u64>,
    pub(crate) pings: u64,
    /// Messages that were answered by a rule of the template.
    pub(crate) replies: u64,
    /// Number of messages without a marker; `samples` has the first of them.
    pub(crate) others: u64,
    pub(crate) samples: Vec<String>,
    /// Time from dialing to the end of the template's hello.
    pub(crate) connect: Times,
}

pub(crate) struct Crowd<'t> {
    target: &'t Target,
    pub(crate) clock: Clock,
    /// Declared before the connections, so that it is dropped before their sockets.
    poller: Poller,
    events: Events,
    ready: Vec<Event>,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
    connections: Vec<Connection>,
    free: Vec<usize>,
    /// When to give up connections that are not open, soonest first.
    deadlines: VecDeque<(u64, usize, u32)>,
    patience: u64,
    pub(crate) opening: usize,
    pub(crate) open: usize,
    pub(crate) leaving: usize,
    pub(crate) tally: Tally,
    random: u64,
}

impl<'t> Crowd<'t> {
    pub(crate) fn new(target: &'t Target, patience: Duration) -> io::Result<Self> {
        Ok(Self {
            target,
            clock: Clock::start(),
            poller: Poller::new()?,
            events: Events::with_capacity(EVENTS),
            ready: Vec::new(),
            buffer: vec![0; READ],
            scratch: Vec::new(),
            connections: Vec::new(),
            free: Vec::new(),
            deadlines: VecDeque::new(),
            patience: nanos(patience),
            opening: 0,
            open: 0,
            leaving: 0,
            tally: Tally::default(),
            random: 0x9e37_79b9_7f4a_7c15 ^ u64::from(std::process::id()),
        })
    }

    /// Returns the most connections that were ever in use at once.
    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }

    pub(crate) fn is_open(&self, at: usize) -> bool {
        self.connections[at].stage == Stage::Open
    }

    pub(crate) fn begun(&self, at: usize) -> u64 {
        self.connections[at].begun
    }

    /// Starts a connection. A slow one gets a small receive buffer.
    pub(crate) fn dial(
        &mut self,
        place: Place,
        is_slow: bool,
        watcher: &mut impl Watcher,
    ) -> usize {
        let now = self.clock.now();
        let at = self.free.pop().unwrap_or(self.connections.len());
        let generation = self.connections.get(at).map_or(0, |last| last.generation.wrapping_add(1));
        let dialed = Connection::dial(self.target, place, is_slow, now, generation);
        let (connection, failure) = match dialed {
            Ok(connection) => {
                let watched = connection.watch(&self.poller, at);
                (connection, watched.err().map(|error| error.to_string()))
            }
            Err(why) => (Connection::none(place, now, generation), Some(why)),
        };
        if at == self.connections.len() {
            self.connections.push(connection);
        } else {
            self.connections[at] = connection;
        }
        self.opening += 1;
        match failure {
            Some(why) => self.end(at, Ended::Failed(why), watcher),
            None => self.deadlines.push_back((now + self.patience, at, generation)),
        }
        at
    }

    /// Handles events until there was at least one, for at most `longest`.
    pub(crate) fn turn(&mut self, longest: Duration, watcher: &mut impl Watcher) -> io::Result<()> {
        self.events.clear();
        self.poller.wait(&mut self.events, Some(longest))?;
        let mut ready = std::mem::take(&mut self.ready);
        ready.extend(self.events.iter());
        for event in ready.drain(..) {
            if event.writable {
                self.writable(event.key, watcher);
            }
            if event.readable {
                self.read(event.key, watcher);
            }
        }
        self.ready = ready;
        self.give_up(watcher);
        Ok(())
    }

    fn give_up(&mut self, watcher: &mut impl Watcher) {
        let now = self.clock.now();
        while let Some(&(due, at, generation)) = self.deadlines.front() {
            let connection = &self.connections[at];
            let is_settled = connection.generation != generation
                || matches!(connection.stage, Stage::Open | Stage::Over);
            if !is_settled && due > now {
                return;
            }
            self.deadlines.pop_front();
            if !is_settled {
                let stage = connection.stage;
                self.end(at, Ended::Late(stage), watcher);
            }
        }
    }

    /// Sends a message, unless the connection is not open or too much is already buffered for it.
    pub(crate) fn send(&mut self, at: usize, payload: &[u8]) -> bool {
        let connection = &self.connections[at];
        if connection.stage != Stage::Open || connection.unsent() > MAX_UNSENT {
            return false;
        }
        let data = if self.target.template.binary { Data::Binary } else { Data::Text };
        self.put(at, OpCode::Data(data), payload);
        true
    }

    /// Sends a close frame.
    pub(crate) fn leave(&mut self, at: usize) {
        if self.connections[at].stage != Stage::Open {
            return;
        }
        self.connections[at].stage = Stage::Leaving;
        self.open -= 1;
        self.leaving += 1;
        self.put(at, OpCode::Control(Control::Close), &1000_u16.to_be_bytes());
        let generation = self.connections[at].generation;
        self.deadlines.push_back((self.clock.now() + self.patience, at, generation));
    }

    /// Frees the slot of a closed connection.
    pub(crate) fn recycle(&mut self, at: usize) {
        self.free.push(at);
    }

    /// Stops reading from a connection, or reads everything that has arrived meanwhile.
    pub(crate) fn set_deaf(&mut self, at: usize, is_deaf: bool, watcher: &mut impl Watcher) {
        self.connections[at].is_deaf = is_deaf;
        if !is_deaf {
            self.read(at, watcher);
        }
    }

    fn put(&mut self, at: usize, opcode: OpCode, payload: &[u8]) {
        // Xorshift: the mask only has to look random.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let [_, _, _, _, mask @ ..] = self.random.to_ne_bytes();
        self.scratch.clear();
        frame::put(&mut self.scratch, opcode, payload, mask);
        self.connections[at].write(&self.scratch);
    }

    fn writable(&mut self, at: usize, watcher: &mut impl Watcher) {
        if self.connections[at].stage == Stage::Dialing {
            match self.connections[at].connected() {
                Ok(false) => return,
                Ok(true) => self.connections[at].ask(self.target),
                Err(why) => return self.end(at, Ended::Failed(why), watcher),
            }
        }
        self.connections[at].flush();
    }

    fn read(&mut self, at: usize, watcher: &mut impl Watcher) {
        let mut buffer = std::mem::take(&mut self.buffer);
        loop {
            let flow = self.connections[at].read(&mut buffer, READ);
            match flow {
                Flow::Read { filled, more } => {
                    let used = self.digest(at, &buffer[..filled], watcher);
                    let connection = &mut self.connections[at];
                    if connection.stage == Stage::Over {
                        break;
                    }
                    connection.keep(&buffer[used..filled]);
                    connection.flush();
                    if !more {
                        break;
                    }
                }
                Flow::Nothing => break,
                Flow::Ended(how) => {
                    let how = self.last_words(at, how);
                    self.end(at, how, watcher);
                    break;
                }
            }
        }
        // Release the memory of an unusually large message.
        buffer.truncate(READ);
        self.buffer = buffer;
    }

    /// A refusing server may end its response by closing the connection.
    fn last_words(&mut self, at: usize, how: Ended) -> Ended {
        let connection = &mut self.connections[at];
        if connection.stage == Stage::Upgrading
            && matches!(how, Ended::HungUp)
            && let Some(Err(why)) = connection.answer(&[], true)
        {
            return Ended::Refused(why);
        }
        how
    }

    /// Handles complete frames. Returns the number of bytes consumed.
    fn digest(&mut self, at: usize, bytes: &[u8], watcher: &mut impl Watcher) -> usize {
        let now = self.clock.now();
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            match self.connections[at].stage {
                Stage::Over | Stage::Dialing => return used,
                Stage::Upgrading => match self.connections[at].answer(rest, false) {
                    None => return bytes.len(),
                    Some(Ok(behind)) => {
                        used = bytes.len() - behind.len();
                        self.connections[at].stage = Stage::Greeting(0);
                        self.greet(at, watcher);
                    }
                    Some(Err(why)) => {
                        self.end(at, Ended::Refused(why), watcher);
                        return used;
                    }
                },
                Stage::Greeting(_) | Stage::Open | Stage::Leaving => match frame::find(rest) {
                    Ok(None) => return used,
                    Ok(Some(found)) => {
                        let payload = &rest[found.header..found.whole];
                        used += found.whole;
                        self.frame(at, found.opcode, found.is_last, payload, now, watcher);
                    }
                    Err(why) => {
                        self.end(at, Ended::Failed(why), watcher);
                        return used;
                    }
                },
            }
        }
    }

    fn frame(
        &mut self,
        at: usize,
        opcode: OpCode,
        is_last: bool,
        payload: &[u8],
        now: u64,
        watcher: &mut impl Watcher,
    ) {
        match opcode {
            OpCode::Data(Data::Text | Data::Binary) if is_last => {
                self.message(at, payload, now, watcher);
            }
            OpCode::Data(_) => {
                let mut parts = std::mem::take(&mut self.connections[at].parts);
                parts.extend_from_slice(payload);
                if parts.len() > frame::MAX_MESSAGE {
                    let why = format!("a message is longer than {} bytes", frame::MAX_MESSAGE);
                    self.end(at, Ended::Failed(why), watcher);
                } else if is_last {
                    self.message(at, &parts, now, watcher);
                } else {
                    self.connections[at].parts = parts;
                }
            }
            OpCode::Control(Control::Ping) => {
                self.tally.pings += 1;
                self.put(at, OpCode::Control(Control::Pong), payload);
            }
            OpCode::Control(Control::Close) => {
                if self.connections[at].stage != Stage::Leaving {
                    let code = payload.get(..2).unwrap_or_default();
                    self.put(at, OpCode::Control(Control::Close), code);
                }
                let (code, reason) = frame::close(payload);
                self.end(at, Ended::Closed { code, reason }, watcher);
            }
            OpCode::Control(_) => {}
        }
    }

    fn message(&mut self, at: usize, payload: &[u8], now: u64, watcher: &mut impl Watcher) {
        if let Stage::Greeting(step) = self.connections[at].stage
            && let Some(Step::Wait(text)) = self.target.template.hello.get(step)
            && memchr::memmem::find(payload, text.as_bytes()).is_some()
        {
            self.connections[at].stage = Stage::Greeting(step + 1);
            self.greet(at, watcher);
            return;
        }
        if !watcher.heard(at, payload, now) {
            self.other(at, payload);
        }
    }

    /// Performs the template's hello up to its next wait or its end.
    fn greet(&mut self, at: usize, watcher: &mut impl Watcher) {
        let data = if self.target.template.binary { Data::Binary } else { Data::Text };
        while let Stage::Greeting(step) = self.connections[at].stage {
            match self.target.template.hello.get(step) {
                Some(template::Step::Wait(_)) => return,
                Some(template::Step::Send(text)) => {
                    let text = self.target.fill(text, self.connections[at].place);
                    self.put(at, OpCode::Data(data), text.as_bytes());
                    self.connections[at].stage = Stage::Greeting(step + 1);
                }
                None => {
                    let now = self.clock.now();
                    self.connections[at].stage = Stage::Open;
                    self.tally.connect.record(now - self.connections[at].begun);
                    self.opening -= 1;
                    self.open += 1;
                    watcher.opened(at, now);
                }
            }
        }
    }

    /// Handles a foreign message.
    fn other(&mut self, at: usize, payload: &[u8]) {
        let text = String::from_utf8_lossy(payload);
        let target = self.target;
        if let Some(answer) = target.template.replies.iter().find_map(|reply| reply.to(&text)) {
            self.tally.replies += 1;
            let data = if target.template.binary { Data::Binary } else { Data::Text };
            self.put(at, OpCode::Data(data), answer.as_bytes());
            return;
        }
        self.tally.others += 1;
        let is_error = text.contains("error");
        if self.tally.samples.len() < SAMPLES
            || (is_error && self.tally.samples.len() < 2 * SAMPLES)
        {
            self.tally.samples.push(text.chars().take(200).collect());
        }
    }

    fn end(&mut self, at: usize, how: Ended, watcher: &mut impl Watcher) {
        let stage = std::mem::replace(&mut self.connections[at].stage, Stage::Over);
        self.connections[at].hang_up(&self.poller);
        match stage {
            Stage::Over => return,
            Stage::Dialing | Stage::Upgrading | Stage::Greeting(_) => {
                self.opening -= 1;
                *self.tally.failed.entry(how.to_string()).or_default() += 1;
            }
            Stage::Open => {
                self.open -= 1;
                *self.tally.dropped.entry(how.to_string()).or_default() += 1;
            }
            Stage::Leaving => self.leaving -= 1,
        }
        watcher.ended(at, &how, self.clock.now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_exact_to_less_than_a_millisecond() {
        let poller = Poller::new().unwrap();
        let mut events = Events::with_capacity(EVENTS);
        // The fastest of several, because the machine may be busy.
        let waits = (0..20).map(|_| {
            let start = Instant::now();
            poller.wait(&mut events, Some(Duration::from_micros(200))).unwrap();
            start.elapsed()
        });
        let shortest = waits.min().unwrap();
        assert!((150..950).contains(&shortest.as_micros()), "{shortest:?}");
    }
}
