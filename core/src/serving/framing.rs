//! From bytes to messages: tungstenite's parser between a socket that is read and the driver.

use alloc::string::ToString;

use tungstenite::Message;
use tungstenite::error::{CapacityError, Error};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

use super::std::io::{self, Read, Write};
use crate::{CloseReason, ConnectionId, Driver, Outlet, Timestamp};

/// The parser of one connection. Between two calls it holds what there is of a message that is not complete, and 256
/// bytes.
#[derive(Debug)]
pub struct Framing(WebSocketContext);

/// Why nothing more is parsed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The peer said goodbye, with this code if it gave one. What it sent before is handled first; then
    /// [`Driver::peer_closed`] follows.
    Goodbye(Option<u16>),
    /// The peer broke this rule. What it sent before is handled first; then [`Driver::fail`] follows.
    Violation(CloseReason),
}

impl Stop {
    /// Tells the driver, when what the peer sent before has been handled.
    pub fn tell<O: Outlet>(self, driver: &mut Driver<O>, now: Timestamp, id: ConnectionId) {
        match self {
            Self::Goodbye(code) => driver.peer_closed(now, id, code),
            Self::Violation(reason) => driver.fail(now, id, reason),
        }
    }
}

impl Framing {
    /// A parser that allows messages of so many bytes.
    pub fn new(max_message_bytes: usize) -> Self {
        // The driver writes all frames itself, so that tungstenite's write buffer only ever holds one control frame; and it
        // reads from memory, so that a small read buffer costs nothing.
        let config = WebSocketConfig::default()
            .read_buffer_size(256)
            .write_buffer_size(0)
            .max_write_buffer_size(1_024)
            .max_message_size(Some(max_message_bytes))
            .max_frame_size(Some(max_message_bytes));
        Self(WebSocketContext::new(Role::Server, Some(config)))
    }

    /// Gives everything that is complete to the driver. After a [`Stop`] there must be no other call.
    pub fn feed<O: Outlet>(
        &mut self,
        driver: &mut Driver<O>,
        now: Timestamp,
        id: ConnectionId,
        bytes: &[u8],
    ) -> Option<Stop> {
        let mut piece = Piece(bytes);
        let stop = loop {
            match self.0.read(&mut piece) {
                Ok(Message::Text(text)) => driver.text(now, id, &text),
                Ok(Message::Binary(bytes)) => driver.binary(now, id, bytes),
                Ok(Message::Ping(payload)) => driver.ping(now, id, &payload),
                Ok(Message::Pong(payload)) => driver.pong(now, id, &payload),
                Ok(Message::Close(frame)) => {
                    break Some(Stop::Goodbye(frame.map(|frame| frame.code.into())));
                }
                // Only what is written has this kind.
                Ok(Message::Frame(_)) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break None,
                Err(error) => break Some(Stop::Violation(self.reason_of(error))),
            }
        };
        driver.after_read(now, id, bytes.len());
        stop
    }

    fn reason_of(&self, error: Error) -> CloseReason {
        if let Error::Capacity(CapacityError::MessageTooLong { .. }) = error {
            CloseReason::TooBig(self.0.get_config().max_message_size.unwrap_or(usize::MAX))
        } else if let Error::Utf8(_) = error {
            CloseReason::InvalidText
        } else {
            CloseReason::Protocol(error.to_string().into())
        }
    }
}

/// Bytes that were read, as tungstenite wants them. What it wants to write are the answers to pings and close frames;
/// the driver sends those itself, in their right place.
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
