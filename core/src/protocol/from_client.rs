//! What a frame from a client says, once a codec has read it.

use alloc::string::String;
use alloc::vec::Vec;

use super::name::{ConflationKey, Kind, MessageId, RoomName, UserName};
use super::payload::{Json, Payload, RawFrame};
use super::position::Position;
use super::refusal::Refusal;

/// A message from a client, decoded.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Inbound {
    /// `join`
    Join {
        /// The message's id.
        id: Option<MessageId>,
        /// The room.
        room: RoomName,
        /// Where the client has been in it.
        since: Option<Position>,
    },
    /// `resume`
    Resume {
        /// The message's id.
        id: Option<MessageId>,
        /// Rooms, each with the position where the client has been.
        rooms: Vec<(RoomName, Option<Position>)>,
    },
    /// `leave`
    Leave {
        /// The message's id.
        id: Option<MessageId>,
        /// The room; `None` is the only one.
        room: Option<RoomName>,
    },
    /// `members`
    Members {
        /// The message's id.
        id: Option<MessageId>,
        /// The room; `None` is the only one.
        room: Option<RoomName>,
    },
    /// `history`
    History {
        /// The message's id.
        id: Option<MessageId>,
        /// The room; `None` is the only one.
        room: Option<RoomName>,
        /// What comes after this; `None`: the last ones.
        since: Option<Position>,
        /// How many at most; `None`: as many as are given.
        limit: Option<usize>,
    },
    /// `reply`: the answer to a request of the application's.
    Reply {
        /// The request's.
        id: MessageId,
        /// The answer, or the client's own code and words of an error.
        #[cfg_attr(feature = "recording", serde(with = "reply"))]
        result: Result<Payload, (String, String)>,
    },
    /// `direct`
    Direct {
        /// The message's id.
        id: Option<MessageId>,
        /// The user.
        to: UserName,
        /// What the payload is, where the message says so (only binary ones do).
        kind: Option<Kind>,
        /// What it carries.
        payload: Payload,
    },
    /// `health_ping`
    HealthPing {
        /// A number, to be sent back as it is.
        timestamp: Json,
    },
    /// `health_pong`
    HealthPong {
        /// The number of the ping that it answers; `None` when it is none of ours.
        nonce: Option<u64>,
    },
    /// Any other type: for the application's handler, or to be published.
    Application(Request),
    /// A frame of a connection that does not speak the protocol.
    Raw(RawFrame),
    /// The codec could not make sense of it.
    Malformed {
        /// The message's id, if at least that could be read.
        id: Option<MessageId>,
        /// Why.
        refusal: Refusal,
    },
}

/// A message whose type is not the protocol's own.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Request {
    /// Its type.
    pub kind: Kind,
    /// The message's id.
    pub id: Option<MessageId>,
    /// The room; `None` is the only one.
    pub room: Option<RoomName>,
    /// What it replaces in rooms that conflate.
    pub key: Option<ConflationKey>,
    /// What it carries.
    pub payload: Payload,
}

/// A client's answer: a payload, or its own code and words.
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
