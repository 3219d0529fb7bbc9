//! Messages from the hub to clients, before a codec encodes them.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::id::ConnectionId;
use super::name::{ConflationKey, Kind, MessageId, RoomName, UserName};
use super::payload::{Json, Payload, RawFrame};
use super::position::{Beginning, Broken, Position, Session};
use super::refusal::Refusal;

/// A message that was accepted into a room.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs, reason = "the names of the other fields say it")]
pub struct Publication {
    pub room: RoomName,
    pub position: Position,
    /// The message's type.
    pub kind: Kind,
    /// The sender; `None` for the server.
    pub from: Option<UserName>,
    /// The sender's own id of the message.
    pub id: Option<MessageId>,
    /// Identifies the waiting publication that this one replaces, in rooms that conflate; without a
    /// key, the sender's name and the type decide.
    pub key: Option<ConflationKey>,
    /// When the hub accepted it, in milliseconds since the Unix epoch.
    pub unix_ms: u64,
    pub payload: Payload,
}

impl Publication {
    /// The size of its payload and names, in bytes.
    pub(crate) fn cost_bytes(&self) -> usize {
        self.payload.len()
            + self.room.len()
            + self.kind.len()
            + self.from.as_ref().map_or(0, |user| user.len())
            + self.id.as_ref().map_or(0, |id| id.len())
    }

    /// Returns whether the newer of the two replaces the older while both wait.
    pub fn conflates_with(&self, other: &Self) -> bool {
        self.room == other.room
            && self.position.epoch == other.position.epoch
            && match (&self.key, &other.key) {
                (Some(a), Some(b)) => a == b,
                (None, None) => self.kind == other.kind && self.from == other.from,
                (Some(_), None) | (None, Some(_)) => false,
            }
    }
}

/// A message to one user, outside of any room.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs, reason = "the names of the other fields say it")]
pub struct Direct {
    /// The type of the payload, if the sender gave one (only binary messages do).
    pub kind: Option<Kind>,
    /// The sender; `None` for the server.
    pub from: Option<UserName>,
    /// The sender's own id of the message.
    pub id: Option<MessageId>,
    /// When the hub accepted it, in milliseconds since the Unix epoch.
    pub unix_ms: u64,
    pub payload: Payload,
}

/// The first message on a connection: its identity, its rooms and its limits.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs, reason = "the names of the other fields say it")]
pub struct Welcome {
    pub client: ConnectionId,
    pub user: UserName,
    /// To be presented on the next connection, to resume as the same client.
    pub session: Session,
    /// The rooms in which seats are held until it joins them.
    pub held: Vec<RoomName>,
    /// The rooms that it was put into, and where their streams begin.
    pub rooms: Vec<(RoomName, Beginning)>,
    #[cfg_attr(feature = "recording", serde(skip))]
    pub terms: Terms,
    /// The server's time, in milliseconds since the Unix epoch.
    pub unix_ms: u64,
}

/// The rules of a hub that `connected` tells the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Terms {
    /// Time between two pings; zero disables them.
    pub heartbeat_interval: Duration,
    /// Time without any frame after which the connection is closed.
    pub stale_after: Duration,
    /// The largest message that the server reads, in bytes.
    pub max_message_bytes: usize,
    /// The number of rooms that the connection can be in at a time; `None` if unbounded.
    pub max_rooms: Option<u32>,
    /// The number of messages that the client may send per second, on average; 0 if unbounded.
    pub messages_per_second: u32,
    /// The number of messages that the client may send at once, after a pause.
    pub message_burst: u32,
}

/// A message to one or many connections. Clones share large parts.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs, reason = "the names of the other fields say it")]
pub enum Message {
    /// The connection is open.
    Connected(Arc<Welcome>),
    /// The connection is now in this room.
    Joined {
        /// The request's id.
        id: Option<MessageId>,
        room: RoomName,
        beginning: Beginning,
        /// The number of users in it, if the room keeps presence.
        members: Option<usize>,
    },
    /// The connection is no longer in this room.
    Left {
        /// The request's id.
        id: Option<MessageId>,
        room: RoomName,
    },
    /// The first connection of a user entered the room.
    MemberJoined { room: RoomName, user: UserName },
    /// The last connection of a user left the room.
    MemberLeft { room: RoomName, user: UserName },
    /// A message in a room.
    Publication(Arc<Publication>),
    /// A message to this user.
    Direct(Arc<Direct>),
    /// The members of the room.
    Members {
        /// The request's id.
        id: Option<MessageId>,
        room: RoomName,
        /// At most [`Limits::members_listed`](crate::Limits::members_listed) names.
        members: Vec<UserName>,
        /// The number of users in the room.
        total: usize,
    },
    /// The message with this id was accepted.
    Ack {
        id: MessageId,
        /// The position, if it was published.
        position: Option<Position>,
    },
    /// A handler's answer to a message with this id.
    Reply { id: MessageId, payload: Payload },
    /// A message was refused.
    Error {
        /// The sender's id of the message.
        id: Option<MessageId>,
        /// The room, if this refuses one room of a `resume`.
        room: Option<RoomName>,
        refusal: Refusal,
    },
    /// Publications that the room keeps.
    History {
        /// The request's id.
        id: Option<MessageId>,
        room: RoomName,
        /// The publications, oldest first.
        events: Vec<Arc<Publication>>,
        /// The last position of the room.
        position: Position,
        /// Whether the room keeps newer publications than these.
        more: bool,
    },
    /// A request of the application to the client.
    Request {
        /// To be repeated in the `reply`.
        id: MessageId,
        method: Kind,
        payload: Payload,
    },
    /// The stream of a room was interrupted.
    Refresh {
        room: RoomName,
        reason: Broken,
        /// The stream continues after this.
        position: Position,
        /// The room's full state, if the application provides it.
        payload: Option<Payload>,
    },
    /// Asks whether the client is alive. It answers with the same number.
    HealthPing {
        /// Milliseconds since the Unix epoch, unique on this connection.
        timestamp: u64,
    },
    /// The answer to a client's `health_ping`, with the client's own JSON number.
    HealthPong { timestamp: Json },
    /// Publications were omitted because the connection was slow.
    Gap {
        room: RoomName,
        /// The position before the first omitted publication.
        since: Position,
        /// The position of the last omitted publication.
        position: Position,
        /// The number of publications omitted in between.
        dropped: u64,
    },
    /// The server is shutting down.
    Draining {
        /// The delay after which to reconnect.
        retry_after: Duration,
    },
    /// A frame to a connection that does not speak the protocol.
    Raw(RawFrame),
}

impl Message {
    /// The size of a waiting message for accounting, in bytes: its payload and names, and a fixed
    /// amount for the rest.
    pub fn cost_bytes(&self) -> usize {
        const FIXED: usize = 64;
        FIXED
            + match self {
                Self::Connected(welcome) => {
                    let rooms = welcome.rooms.iter().map(|(room, _)| room).chain(&welcome.held);
                    rooms.map(|room| room.len() + 48).sum::<usize>() + 256
                }
                Self::Joined { room, .. } | Self::Left { room, .. } | Self::Gap { room, .. } => {
                    room.len()
                }
                Self::MemberJoined { room, user } | Self::MemberLeft { room, user } => {
                    room.len() + user.len()
                }
                Self::Publication(publication) => publication.cost_bytes(),
                Self::Direct(direct) => direct.payload.len(),
                Self::Members { members, .. } => members.iter().map(|user| user.len() + 3).sum(),
                Self::Reply { payload, .. } => payload.len(),
                Self::Error { refusal, .. } => refusal.message.len(),
                Self::History { events, .. } => {
                    events.iter().map(|event| FIXED + event.cost_bytes()).sum()
                }
                Self::Request { method, payload, .. } => method.len() + payload.len(),
                Self::Refresh { room, payload, .. } => {
                    room.len() + payload.as_ref().map_or(0, Payload::len)
                }
                Self::Raw(frame) => frame.as_bytes().len(),
                Self::Ack { .. }
                | Self::HealthPing { .. }
                | Self::HealthPong { .. }
                | Self::Draining { .. } => 0,
            }
    }
}
