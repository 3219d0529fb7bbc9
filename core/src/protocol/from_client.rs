//! Messages from clients, as decoded by a codec.

use alloc::string::String;
use alloc::vec::Vec;

use super::name::{ConflationKey, Kind, MessageId, RoomName, UserName};
use super::payload::{Json, Payload, RawFrame};
use super::position::Position;
use super::refusal::Refusal;

/// A message from a client, decoded.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs, reason = "the names of the other fields say it")]
pub enum Inbound {
    /// `join`
    Join {
        id: Option<MessageId>,
        room: RoomName,
        /// The last position that the client has seen in the room.
        since: Option<Position>,
    },
    /// `resume`
    Resume {
        id: Option<MessageId>,
        /// Rooms, each with the last position that the client has seen in it.
        rooms: Vec<(RoomName, Option<Position>)>,
    },
    /// `leave`
    Leave {
        id: Option<MessageId>,
        /// `None` means the only room that the connection is in.
        room: Option<RoomName>,
    },
    /// `members`
    Members {
        id: Option<MessageId>,
        /// `None` means the only room that the connection is in.
        room: Option<RoomName>,
    },
    /// `history`
    History {
        id: Option<MessageId>,
        /// `None` means the only room that the connection is in.
        room: Option<RoomName>,
        /// Only publications after this position; `None` asks for the latest.
        since: Option<Position>,
        /// The largest number of publications; `None` leaves it to the server.
        limit: Option<usize>,
    },
    /// `reply`: the answer to a request of the application.
    Reply {
        /// The id of the request.
        id: MessageId,
        /// The payload, or the client's own error code and message.
        #[cfg_attr(feature = "recording", serde(with = "reply"))]
        result: Result<Payload, (String, String)>,
    },
    /// `direct`
    Direct {
        id: Option<MessageId>,
        /// The recipient.
        to: UserName,
        /// The type of the payload, if the message has one (only binary messages do).
        kind: Option<Kind>,
        payload: Payload,
    },
    /// `health_ping`
    HealthPing {
        /// Any number, to be sent back unchanged.
        timestamp: Json,
    },
    /// `health_pong`
    HealthPong {
        /// The number of the ping that it answers; `None` if the server did not send it.
        nonce: Option<u64>,
    },
    /// Any other type: handled by the application, or published.
    Application(Request),
    /// A frame of a connection that does not speak the protocol.
    Raw(RawFrame),
    /// A message that the codec could not decode.
    Malformed {
        /// The message's id, if at least that could be read.
        id: Option<MessageId>,
        refusal: Refusal,
    },
}

/// A message whose type is not reserved by the protocol.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs, reason = "the names of the other fields say it")]
pub struct Request {
    pub kind: Kind,
    pub id: Option<MessageId>,
    /// `None` means the only room that the connection is in.
    pub room: Option<RoomName>,
    /// Identifies the waiting publication that this one replaces, in rooms that conflate.
    pub key: Option<ConflationKey>,
    pub payload: Payload,
}

/// A client's answer: a payload, or its own error code and message.
#[cfg(feature = "recording")]
mod reply {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::*;
    use crate::protocol::text::Said;

    type Reply = Result<Payload, (String, String)>;

    pub(crate) fn serialize<S: Serializer>(reply: &Reply, s: S) -> Result<S::Ok, S::Error> {
        let reply = reply.as_ref().map_err(|(code, words)| (Said(code), Said(words)));
        reply.serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Reply, D::Error> {
        let reply = Result::<Payload, (Said<String>, Said<String>)>::deserialize(d)?;
        Ok(reply.map_err(|(code, words)| (code.0, words.0)))
    }
}
