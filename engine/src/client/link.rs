//! One connection: from a socket that does not block to messages, and back.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tungstenite::error::Error;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Message, protocol};

use super::address::Address;
use super::setup::Setup;
use super::shell::DialOrder;
use super::stream::Stream;
use super::upgrade::{self, ClientUpgrade, Upgraded};
use std::io::{self, Read, Write};
use switchboard_core::client::{CloseFrame, Outbound, ServerMessage};

const READ_BYTES: usize = 16 * 1024;

/// Bytes read in one turn.
const TURN_BYTES: usize = 64 * 1024;

/// While more bytes than this wait to be written, nothing is read: the answers to pings would add
/// to them.
const MAX_UNWRITTEN: usize = 256 * 1024;

/// A connection from its first byte on.
pub struct Link {
    stream: Stream,
    stage: Stage,
    frames: WebSocketContext,
    waiting: VecDeque<Outbound>,
    max_waiting: usize,
    out: Vec<u8>,
    written: usize,
    buffer: Vec<u8>,
}

enum Stage {
    Upgrading(ClientUpgrade),
    Open,
}

/// What came in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Arrived {
    /// The connection is open.
    Opened,
    /// A message.
    Message(ServerMessage),
    /// A ping or pong.
    Alive,
}

/// Why a connection has ended, or could not be opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Over {
    /// The server sent a close frame.
    Closed(CloseFrame),
    /// The upgrade was refused.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The error code of the body, if it is Switchboard's own.
        code: Option<String>,
        /// The time that `Retry-After` gives.
        retry_after: Option<Duration>,
        /// A message for people.
        why: String,
    },
    /// Something failed; the text says what.
    Failed(String),
}

impl Link {
    /// Begins the upgrade on a socket that has been connected.
    ///
    /// # Errors
    /// If TLS is needed and not available.
    pub fn new(setup: &Setup, dial: &DialOrder) -> Result<Self, Over> {
        let address: &Address = &setup.address;
        let stream = Stream::new(address, &setup.settings.tls)
            .map_err(|error| Over::Failed(error.to_string()))?;
        let (upgrade, head) = ClientUpgrade::ask(address, dial);
        // All writes go into memory at once, so that tungstenite's own buffer stays empty.
        let config = WebSocketConfig::default()
            .read_buffer_size(256)
            .write_buffer_size(0)
            .max_write_buffer_size(usize::MAX)
            .max_message_size(Some(setup.settings.max_message_bytes))
            .max_frame_size(Some(setup.settings.max_message_bytes));
        Ok(Self {
            stream,
            stage: Stage::Upgrading(upgrade),
            frames: WebSocketContext::new(Role::Client, Some(config)),
            waiting: VecDeque::new(),
            max_waiting: setup.max_waiting(),
            out: head,
            written: 0,
            buffer: vec![0; READ_BYTES],
        })
    }

    /// Queues messages.
    pub fn send(&mut self, messages: impl IntoIterator<Item = Outbound>) {
        self.waiting.extend(messages);
    }

    /// Sends a close frame after everything that is queued.
    pub fn close(&mut self, code: u16) {
        if let Stage::Upgrading(_) = self.stage {
            return;
        }
        while self.encode() {}
        let frame = protocol::CloseFrame { code: code.into(), reason: "".into() };
        let mut pipe = Pipe { input: &[], out: &mut self.out };
        // Into memory this cannot fail, and a second close frame is not sent.
        let _ = self.frames.close(&mut pipe, Some(frame));
    }

    /// Whether the upgrade has succeeded.
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    /// Whether [`turn`](Self::turn) must be called when the socket takes bytes again.
    pub fn wants_write(&self) -> bool {
        self.written < self.out.len() || !self.waiting.is_empty() || self.stream.wants_write()
    }

    /// Reads and writes as much as is possible without waiting, up to a limit. Returns whether
    /// there is more to read at once; otherwise, wait until the socket is ready.
    ///
    /// # Errors
    /// If the connection is over.
    pub fn turn<S: Read + Write>(
        &mut self,
        socket: &mut S,
        found: &mut dyn FnMut(Arrived),
    ) -> Result<bool, Over> {
        if self.waiting.len() > self.max_waiting {
            return Err(Over::Failed("the server does not read".to_string()));
        }
        let more = self.read(socket, found)?;
        if let Err(error) = self.write(socket) {
            // What the server sent before it hung up tells more.
            while self.read(socket, found)? {}
            return Err(Over::Failed(error.to_string()));
        }
        Ok(more)
    }

    fn read<S: Read + Write>(
        &mut self,
        socket: &mut S,
        found: &mut dyn FnMut(Arrived),
    ) -> Result<bool, Over> {
        let mut buffer = mem::take(&mut self.buffer);
        let result = self.read_with(socket, &mut buffer, found);
        self.buffer = buffer;
        result
    }

    fn read_with<S: Read + Write>(
        &mut self,
        socket: &mut S,
        buffer: &mut [u8],
        found: &mut dyn FnMut(Arrived),
    ) -> Result<bool, Over> {
        let mut left = TURN_BYTES;
        while self.out.len() - self.written <= MAX_UNWRITTEN {
            match self.stream.read(socket, buffer) {
                Ok(0) => {
                    self.parse(&[], true, found)?;
                    return Err(Over::Failed("the server hung up".to_string()));
                }
                Ok(taken) => {
                    if let Err(over) = self.parse(&buffer[..taken], false, found) {
                        // The answer to a close frame; whether it arrives no longer matters.
                        let _ = self.write(socket);
                        return Err(over);
                    }
                    left = left.saturating_sub(taken);
                    if left == 0 {
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Over::Failed(error.to_string())),
            }
        }
        Ok(false)
    }

    fn parse(
        &mut self,
        bytes: &[u8],
        ended: bool,
        found: &mut dyn FnMut(Arrived),
    ) -> Result<(), Over> {
        let Stage::Upgrading(upgrade) = &mut self.stage else {
            return self.frames(bytes, found);
        };
        match upgrade.feed(bytes, ended) {
            None => Ok(()),
            Some(Upgraded::Open(rest)) => {
                self.stage = Stage::Open;
                found(Arrived::Opened);
                self.frames(&rest, found)
            }
            Some(Upgraded::Refused { status, retry_after, body, .. }) => {
                let (code, why) = upgrade::explain(status, &body);
                Err(Over::Refused { status, code, retry_after, why })
            }
            Some(Upgraded::Failed(why)) => Err(Over::Failed(why)),
        }
    }

    fn frames(&mut self, bytes: &[u8], found: &mut dyn FnMut(Arrived)) -> Result<(), Over> {
        let mut pipe = Pipe { input: bytes, out: &mut self.out };
        loop {
            match self.frames.read(&mut pipe) {
                Ok(Message::Text(text)) => {
                    found(Arrived::Message(ServerMessage::from_text(&text)));
                }
                Ok(Message::Binary(bytes)) => {
                    found(Arrived::Message(ServerMessage::from_binary(&bytes)));
                }
                Ok(Message::Ping(_) | Message::Pong(_)) => found(Arrived::Alive),
                Ok(Message::Close(frame)) => {
                    let _ = self.frames.flush(&mut pipe);
                    // Without a code, nothing says that the server wants no new connection.
                    let Some(frame) = frame else {
                        return Err(Over::Failed("the server closed without a code".to_string()));
                    };
                    let reason = frame.reason.as_str();
                    return Err(Over::Closed(CloseFrame {
                        code: frame.code.into(),
                        reason: (!reason.is_empty()).then(|| Arc::from(reason)),
                    }));
                }
                // Only frames that are written have this kind.
                Ok(Message::Frame(_)) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => {
                    return Err(Over::Failed(format!(
                        "what the server sent makes no sense: {error}"
                    )));
                }
            }
        }
    }

    /// Encodes the next message. Returns whether there was one.
    fn encode(&mut self) -> bool {
        let Some(message) = self.waiting.pop_front() else { return false };
        let message = match message {
            Outbound::Text(text) => Message::Text((&*text).into()),
            Outbound::Binary(bytes) => Message::Binary(bytes),
        };
        let mut pipe = Pipe { input: &[], out: &mut self.out };
        // Into memory this cannot fail; after a close frame nothing is sent any more.
        let _ = self.frames.write(&mut pipe, message);
        true
    }

    fn write<S: Read + Write>(&mut self, socket: &mut S) -> io::Result<()> {
        loop {
            if self.written == self.out.len() {
                self.out.clear();
                self.written = 0;
                // The memory of one large message is not kept for ever.
                self.out.shrink_to(TURN_BYTES);
                while self.is_open() && self.out.len() < TURN_BYTES && self.encode() {}
            }
            let result = if self.out.is_empty() {
                return match self.stream.flush(socket) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
                    done => done,
                };
            } else {
                self.stream.write(socket, &self.out[self.written..])
            };
            match result {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => self.written += taken,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}

/// Bytes that were read, and those to be written, as tungstenite wants them.
struct Pipe<'a> {
    input: &'a [u8],
    out: &'a mut Vec<u8>,
}

impl Read for Pipe<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.input.read(buffer)
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
