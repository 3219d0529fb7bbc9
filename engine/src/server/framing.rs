//! From bytes to messages, for the driver.
//!
//! Nearly every message is one whole frame that came in one piece. These are unmasked where they
//! were read, and passed on without a copy. Messages in fragments and close frames go to
//! tungstenite's parser, which is there only as long as it is needed, so that an idle connection
//! has none.

use bytes::Bytes;
use tungstenite::Message;
use tungstenite::error::{CapacityError, Error};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

use super::header::{HEADER_MAX, Header, Kind};
use std::io::{self, Read, Write};
use switchboard_core::{CloseReason, ConnectionId, Driver, Limits, Outlet, Timestamp};

/// The parser of one connection. Between two calls it holds the beginning of a frame and of a
/// message in fragments, if these are not complete.
#[derive(Debug)]
pub struct Framing {
    max_message_bytes: usize,
    /// Bytes of all frames of one message in fragments.
    max_fragmented_bytes: usize,
    /// The beginning of a frame.
    partial: Vec<u8>,
    /// There while a message comes in fragments.
    fragments: Option<Box<Fragments>>,
}

/// A message that is not complete.
#[derive(Debug)]
struct Fragments {
    parser: WebSocketContext,
    /// Bytes of its frames so far, headers included.
    bytes: usize,
}

/// Why nothing more is parsed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The peer said goodbye, with this code if it gave one. What it sent before is handled first;
    /// then [`Driver::peer_closed`] follows.
    Goodbye(Option<u16>),
    /// The peer broke this rule. What it sent before is handled first; then [`Driver::fail`]
    /// follows.
    Violation(CloseReason),
}

impl Stop {
    /// Tells the driver; to be called when what the peer sent before has been handled.
    pub fn tell<O: Outlet>(self, driver: &mut Driver<O>, now: Timestamp, id: ConnectionId) {
        match self {
            Self::Goodbye(code) => driver.peer_closed(now, id, code),
            Self::Violation(reason) => driver.fail(now, id, reason),
        }
    }
}

/// Where messages go.
struct Sink<'d, O> {
    driver: &'d mut Driver<O>,
    now: Timestamp,
    id: ConnectionId,
}

impl Framing {
    /// A parser that allows messages of [`max_message_bytes`](Limits::max_message_bytes), in about
    /// [`max_fragments`](Limits::max_fragments) frames.
    pub fn new(limits: &Limits) -> Self {
        let max_message_bytes = limits.max_message_bytes;
        let headers = limits.max_fragments.saturating_mul(HEADER_MAX);
        let max_fragmented_bytes = max_message_bytes.saturating_add(headers);
        Self { max_message_bytes, max_fragmented_bytes, partial: Vec::new(), fragments: None }
    }

    /// Gives everything that is complete to the driver. The bytes are unmasked in place. After a
    /// [`Stop`] there must be no other call.
    pub fn feed<O: Outlet>(
        &mut self,
        driver: &mut Driver<O>,
        now: Timestamp,
        id: ConnectionId,
        bytes: &mut [u8],
    ) -> Option<Stop> {
        let mut sink = Sink { driver, now, id };
        if self.partial.is_empty() {
            let (taken, stop) = self.frames(&mut sink, bytes);
            self.partial.extend_from_slice(&bytes[taken..]);
            stop
        } else {
            let mut all = std::mem::take(&mut self.partial);
            all.extend_from_slice(bytes);
            let (taken, stop) = self.frames(&mut sink, &mut all);
            // A buffer that has served is given back; one that is still being filled goes on.
            if taken == 0 {
                self.partial = all;
            } else {
                self.partial.extend_from_slice(&all[taken..]);
            }
            stop
        }
    }

    /// Handles whole frames. Returns the number of their bytes.
    fn frames<O: Outlet>(
        &mut self,
        sink: &mut Sink<'_, O>,
        bytes: &mut [u8],
    ) -> (usize, Option<Stop>) {
        let mut taken = 0;
        while let Some(header) = Header::read(&bytes[taken..]) {
            let rest = &mut bytes[taken..];
            // Its header is enough, so that the end does not depend on how much of it has come.
            let fault = header.fault(self.max_message_bytes);
            if let Some(reason) = fault.or_else(|| self.endless(&header)) {
                return (bytes.len(), Some(Stop::Violation(reason)));
            }
            let Some(frame) = rest.get_mut(..header.frame_len()) else { break };
            taken += frame.len();
            let stop = self.frame(sink, &header, frame);
            if stop.is_some() {
                return (taken, stop);
            }
        }
        (taken, None)
    }

    /// A message in fragments that does not end is too big, however small its frames are. Control
    /// frames between them do not count.
    fn endless(&self, header: &Header) -> Option<CloseReason> {
        let bytes = self.fragments.as_ref()?.bytes.saturating_add(header.frame_len());
        let is_endless = !header.kind.is_control() && bytes > self.max_fragmented_bytes;
        is_endless.then_some(CloseReason::TooBig(self.max_message_bytes))
    }

    fn frame<O: Outlet>(
        &mut self,
        sink: &mut Sink<'_, O>,
        header: &Header,
        frame: &mut [u8],
    ) -> Option<Stop> {
        let is_whole = header.is_final && self.fragments.is_none();
        match header.kind {
            Kind::Text if is_whole => match std::str::from_utf8(header.unmask(frame)) {
                Ok(text) => sink.driver.text(sink.now, sink.id, text),
                Err(_) => return Some(Stop::Violation(CloseReason::InvalidText)),
            },
            Kind::Binary if is_whole => {
                let payload = Bytes::copy_from_slice(header.unmask(frame));
                sink.driver.binary(sink.now, sink.id, payload);
            }
            Kind::Ping => sink.driver.ping(sink.now, sink.id, header.unmask(frame)),
            Kind::Pong => sink.driver.pong(sink.now, sink.id, header.unmask(frame)),
            Kind::Text | Kind::Binary | Kind::Continuation | Kind::Close => {
                let stop = self.by_the_book(sink, frame);
                if header.is_final && header.kind == Kind::Continuation {
                    self.fragments = None;
                }
                return stop;
            }
        }
        None
    }

    /// Lets tungstenite have these bytes, and gives the driver what it makes of them.
    fn by_the_book<O: Outlet>(&mut self, sink: &mut Sink<'_, O>, bytes: &[u8]) -> Option<Stop> {
        let max = self.max_message_bytes;
        let fragments = self.fragments.get_or_insert_with(|| {
            // The driver writes all frames itself, so tungstenite's write buffer never holds more
            // than one control frame; and it reads from memory, so a small read buffer costs
            // nothing.
            let config = WebSocketConfig::default()
                .read_buffer_size(256)
                .write_buffer_size(0)
                .max_write_buffer_size(1_024)
                .max_message_size(Some(max))
                .max_frame_size(Some(max));
            let parser = WebSocketContext::new(Role::Server, Some(config));
            Box::new(Fragments { parser, bytes: 0 })
        });
        fragments.bytes += bytes.len();
        let mut piece = Piece(bytes);
        loop {
            match fragments.parser.read(&mut piece) {
                Ok(Message::Text(text)) => sink.driver.text(sink.now, sink.id, &text),
                Ok(Message::Binary(bytes)) => sink.driver.binary(sink.now, sink.id, bytes),
                Ok(Message::Ping(payload)) => sink.driver.ping(sink.now, sink.id, &payload),
                Ok(Message::Pong(payload)) => sink.driver.pong(sink.now, sink.id, &payload),
                Ok(Message::Close(frame)) => {
                    return Some(Stop::Goodbye(frame.map(|frame| frame.code.into())));
                }
                // Only frames that are written have this kind.
                Ok(Message::Frame(_)) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) => return Some(Stop::Violation(reason_of(error, max))),
            }
        }
    }
}

fn reason_of(error: Error, max_message_bytes: usize) -> CloseReason {
    if let Error::Capacity(CapacityError::MessageTooLong { .. }) = error {
        CloseReason::TooBig(max_message_bytes)
    } else if let Error::Utf8(_) = error {
        CloseReason::InvalidText
    } else {
        CloseReason::Protocol(error.to_string().into())
    }
}

/// Bytes that were read, for tungstenite. It writes only the answers to pings and close frames,
/// which are thrown away here: the driver sends those itself, in the right place.
struct Piece<'a>(&'a [u8]);

impl Read for Piece<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.read(buffer)
    }
}

impl Write for Piece<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
