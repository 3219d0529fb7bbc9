//! Between messages and frames. PROTOCOL.md describes the wire; this folder is its one implementation.

mod binary;
mod frame;
mod json;
mod outgoing;
mod publication;

use bytes::Bytes;

use crate::protocol::from_client::Inbound;
use crate::protocol::payload::RawFrame;
use crate::protocol::to_client::Message;

pub use frame::{Frame, Opcode};

/// What a connection speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Codec {
    /// The protocol of PROTOCOL.md: JSON objects in text frames, a short header and a payload in binary ones.
    #[default]
    Json,
    /// No protocol: frames come in as [`Inbound::Raw`], only [`Message::Raw`] goes out, and the rest of the hub
    /// (seats, limits, liveness, backpressure) works as always.
    Raw,
}

impl Codec {
    /// How many there are: a broadcast is encoded at most so often.
    pub(crate) const COUNT: usize = 2;

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Json => 0,
            Self::Raw => 1,
        }
    }

    /// What a text message means. Never fails: what makes no sense is [`Inbound::Malformed`].
    pub fn decode_text(self, text: &str) -> Inbound {
        match self {
            Self::Json => json::decode(text),
            Self::Raw => Inbound::Raw(RawFrame::Text(Bytes::copy_from_slice(text.as_bytes()))),
        }
    }

    /// What a binary message means. Never fails: what makes no sense is [`Inbound::Malformed`].
    pub fn decode_binary(self, bytes: Bytes) -> Inbound {
        match self {
            Self::Json => binary::decode(&bytes),
            Self::Raw => Inbound::Raw(RawFrame::Binary(bytes)),
        }
    }

    /// The frame of a message; `None` when this codec has no way to say it.
    pub fn encode(self, message: &Message) -> Option<Frame> {
        match (self, message) {
            (_, Message::Raw(RawFrame::Text(bytes))) => Some(Frame::whole(Opcode::Text, bytes)),
            (_, Message::Raw(RawFrame::Binary(bytes))) => Some(Frame::whole(Opcode::Binary, bytes)),
            (Self::Json, message) => Some(outgoing::encode(message)),
            (Self::Raw, _) => None,
        }
    }
}
