//! A server's frame, encoded once and shared by all recipients.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::protocol::close::CloseReason;

/// The kind of a frame (RFC 6455, 5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opcode {
    /// A text message.
    Text,
    /// A binary message.
    Binary,
    /// A close frame, the last of the connection.
    Close,
    /// A ping, which the peer answers with a pong.
    Ping,
    /// A pong, the answer to a ping.
    Pong,
}

impl Opcode {
    const fn bits(self) -> u8 {
        match self {
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    /// Returns whether it is a control frame, which may stand between the frames of other messages
    /// (RFC 6455, 5.5).
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The longest header of an unmasked frame (RFC 6455, 5.2).
const HEADER_MAX: usize = 10;

/// Payloads from this size on are shared with their publication; smaller ones are copied behind the
/// header, because one short piece is cheaper to write than two.
const SHARE_FROM: usize = 1_024;

/// A whole WebSocket message as one unmasked frame, header included. Clones share the bytes.
#[derive(Clone)]
pub struct Frame(Arc<Inner>);

struct Inner {
    opcode: Opcode,
    /// The header, right-aligned in the first ten bytes, and the part of the payload that was
    /// written behind it.
    head: Vec<u8>,
    header_start: u8,
    /// The rest of the payload.
    body: Bytes,
}

impl Frame {
    /// Creates a frame with a payload of one piece.
    pub(crate) fn whole(opcode: Opcode, payload: &Bytes) -> Self {
        FrameBuilder::new(0).finish(opcode, payload)
    }

    /// Creates a close frame (RFC 6455, 5.5.1).
    pub fn close(reason: &CloseReason) -> Self {
        let mut builder = FrameBuilder::new(125);
        builder.0.extend_from_slice(&reason.code().to_be_bytes());
        builder.0.extend_from_slice(reason.text().as_bytes());
        builder.finish(Opcode::Close, &Bytes::new())
    }

    /// Creates the answer to a peer's close frame: its code if it had one, or 1002 if that code
    /// must not be sent (RFC 6455, 7.4).
    pub(crate) fn close_reply(code: Option<u16>) -> Self {
        let mut builder = FrameBuilder::new(2);
        if let Some(code) = code {
            let allowed = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            let code = if allowed { code } else { 1002 };
            builder.0.extend_from_slice(&code.to_be_bytes());
        }
        builder.finish(Opcode::Close, &Bytes::new())
    }

    /// Creates a ping that carries a number, in decimal digits.
    pub(crate) fn ping(nonce: u64) -> Self {
        let mut builder = FrameBuilder::new(20);
        builder.0.extend_from_slice(alloc::format!("{nonce}").as_bytes());
        builder.finish(Opcode::Ping, &Bytes::new())
    }

    /// Creates the answer to a peer's ping (RFC 6455, 5.5.3). A payload over the 125 bytes of a
    /// control frame, which the framing does not let through, is cut.
    pub(crate) fn pong(payload: &[u8]) -> Self {
        let payload = &payload[..payload.len().min(125)];
        let mut builder = FrameBuilder::new(payload.len());
        builder.0.extend_from_slice(payload);
        builder.finish(Opcode::Pong, &Bytes::new())
    }

    /// Wraps bytes that are not a frame: the response to the upgrade, which precedes all frames.
    pub(crate) fn answer(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Inner {
            opcode: Opcode::Text,
            head: bytes,
            header_start: 0,
            body: Bytes::new(),
        }))
    }

    /// Returns the frame's kind.
    pub fn opcode(&self) -> Opcode {
        self.0.opcode
    }

    /// Returns the bytes for the socket, in one or two pieces; the second may be empty.
    pub fn parts(&self) -> [&[u8]; 2] {
        [&self.0.head[usize::from(self.0.header_start)..], &self.0.body]
    }

    /// Returns the payload alone, for drivers with another framing; the second piece may be empty.
    pub fn payload(&self) -> [&[u8]; 2] {
        [&self.0.head[HEADER_MAX..], &self.0.body]
    }

    /// Returns the number of bytes for the socket.
    pub fn len(&self) -> usize {
        self.parts().map(<[u8]>::len).iter().sum()
    }

    /// Returns false: there is always a header.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({} bytes)", self.0.opcode, self.len())
    }
}

/// A buffer of payload bytes, with room for a header in front.
pub(crate) struct FrameBuilder(pub(crate) Vec<u8>);

impl FrameBuilder {
    pub(crate) fn new(capacity: usize) -> Self {
        let mut buffer = Vec::with_capacity(HEADER_MAX + capacity);
        buffer.resize(HEADER_MAX, 0);
        Self(buffer)
    }

    /// Writes the header in front, and lets `rest` follow.
    pub(crate) fn finish(self, opcode: Opcode, rest: &Bytes) -> Frame {
        let mut head = self.0;
        let body = if rest.len() < SHARE_FROM {
            head.extend_from_slice(rest);
            Bytes::new()
        } else {
            rest.clone()
        };
        let len = head.len() - HEADER_MAX + body.len();
        let first = 0x80 | opcode.bits();
        let header_start = match (u8::try_from(len), u16::try_from(len)) {
            (Ok(short @ 0..=125), _) => {
                head[8..10].copy_from_slice(&[first, short]);
                8
            }
            (_, Ok(medium)) => {
                head[6..8].copy_from_slice(&[first, 126]);
                head[8..10].copy_from_slice(&medium.to_be_bytes());
                6
            }
            (_, Err(_)) => {
                head[0..2].copy_from_slice(&[first, 127]);
                head[2..10].copy_from_slice(&(len as u64).to_be_bytes());
                0
            }
        };
        Frame(Arc::new(Inner { opcode, head, header_start, body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn flat(frame: &Frame) -> Vec<u8> {
        frame.parts().concat()
    }

    #[test]
    fn the_header_is_as_short_as_it_can_be() {
        for (len, header) in [
            (0, vec![0x82, 0]),
            (125, vec![0x82, 125]),
            (126, vec![0x82, 126, 0, 126]),
            (65_535, vec![0x82, 126, 0xff, 0xff]),
            (65_536, vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let payload = Bytes::from(vec![7; len]);
            let frame = Frame::whole(Opcode::Binary, &payload);
            assert_eq!(flat(&frame), [&header[..], &payload].concat());
            assert_eq!(frame.payload().concat(), payload);
            assert_eq!(frame.len(), header.len() + len);
        }
    }

    #[test]
    fn a_large_payload_is_shared_and_not_copied() {
        let payload = Bytes::from(vec![1; SHARE_FROM]);
        let frame = Frame::whole(Opcode::Binary, &payload);
        assert_eq!(frame.parts()[1].as_ptr(), payload.as_ptr());
    }

    #[test]
    fn control_frames_are_what_rfc_6455_says() {
        assert_eq!(flat(&Frame::close(&CloseReason::Stale)), b"\x88\x07\x0f\xaastale");
        assert_eq!(flat(&Frame::close_reply(None)), b"\x88\x00");
        assert_eq!(flat(&Frame::close_reply(Some(1000))), b"\x88\x02\x03\xe8");
        assert_eq!(flat(&Frame::close_reply(Some(1005))), b"\x88\x02\x03\xea");
        assert_eq!(flat(&Frame::ping(42)), b"\x89\x0242");
        assert_eq!(flat(&Frame::pong(b"hi")), b"\x8a\x02hi");
    }
}
