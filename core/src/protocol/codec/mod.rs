//! Converts between messages and frames, for servers and clients: PROTOCOL.md as code.

mod binary;
mod frame;
mod json;

use alloc::sync::Arc;

use bytes::Bytes;

use crate::protocol::from_client::Inbound;
use crate::protocol::payload::RawFrame;
use crate::protocol::server_message::ServerMessage;
use crate::protocol::to_client::Message;

pub use frame::{Frame, Opcode};

/// The format that a connection speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Codec {
    /// The protocol of PROTOCOL.md: JSON objects in text frames; a short header and a payload in
    /// binary frames.
    #[default]
    Json,
    /// No protocol: frames come in as [`Inbound::Raw`], only [`Message::Raw`] goes out, and the
    /// rest of the hub (seats, limits, liveness, backpressure) works as always.
    Raw,
}

impl Codec {
    /// The number of codecs: a broadcast is encoded at most once for each.
    pub(crate) const COUNT: usize = 2;

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Json => 0,
            Self::Raw => 1,
        }
    }

    /// Decodes a text message. Never fails: an invalid one is [`Inbound::Malformed`].
    pub fn decode_text(self, text: &str) -> Inbound {
        match self {
            Self::Json => json::from_client::decode(text),
            Self::Raw => Inbound::Raw(RawFrame::Text(Bytes::copy_from_slice(text.as_bytes()))),
        }
    }

    /// Decodes a binary message. Never fails: an invalid one is [`Inbound::Malformed`].
    pub fn decode_binary(self, bytes: Bytes) -> Inbound {
        match self {
            Self::Json => binary::from_client::decode(&bytes),
            Self::Raw => Inbound::Raw(RawFrame::Binary(bytes)),
        }
    }

    /// Encodes a message as a frame; `None` if this codec cannot express it.
    pub fn encode(self, message: &Message) -> Option<Frame> {
        match (self, message) {
            (_, Message::Raw(RawFrame::Text(bytes))) => Some(Frame::whole(Opcode::Text, bytes)),
            (_, Message::Raw(RawFrame::Binary(bytes))) => Some(Frame::whole(Opcode::Binary, bytes)),
            (Self::Json, message) => Some(json::to_client::encode(message)),
            (Self::Raw, _) => None,
        }
    }
}

impl ServerMessage {
    /// Decodes a text message. Never fails: an invalid one is [`ServerMessage::Unreadable`].
    pub fn from_text(text: &str) -> Self {
        json::to_client::decode(text).unwrap_or(Self::Unreadable)
    }

    /// Decodes a binary message. Never fails: an invalid one is [`ServerMessage::Unreadable`].
    pub fn from_binary(bytes: &Bytes) -> Self {
        binary::to_client::decode(bytes).unwrap_or(Self::Unreadable)
    }
}

/// An encoded message for the socket. Clones share the bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outbound {
    /// To be sent in a text frame.
    Text(Arc<str>),
    /// To be sent in a binary frame.
    Binary(Bytes),
}

impl Outbound {
    /// Returns the size in bytes, without the frame's header.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Returns whether it has no bytes, which no message of the protocol does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
