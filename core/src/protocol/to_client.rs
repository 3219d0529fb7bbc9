//! What the hub says to clients, before a codec makes frames of it.

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
pub struct Publication {
    /// Where.
    pub room: RoomName,
    /// Its number there.
    pub position: Position,
    /// Its type.
    pub kind: Kind,
    /// Who sent it; `None` when the server did.
    pub from: Option<UserName>,
    /// The sender's own id of it.
    pub id: Option<MessageId>,
    /// What it replaces in rooms that conflate; without one, the sender's name and the type decide.
    pub key: Option<ConflationKey>,
    /// When it was accepted, in milliseconds since the Unix epoch.
    pub unix_ms: u64,
    /// What it carries.
    pub payload: Payload,
}

impl Publication {
    /// Its payload and names, in bytes.
    pub(crate) fn cost_bytes(&self) -> usize {
        self.payload.len()
            + self.room.len()
            + self.kind.len()
            + self.from.as_ref().map_or(0, |user| user.len())
            + self.id.as_ref().map_or(0, |id| id.len())
    }

    /// Whether a member that waits for both would be content with the newer one alone.
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
pub struct Direct {
    /// What the payload is, where the sender said so (only binary messages do).
    pub kind: Option<Kind>,
    /// Who sent it; `None` when the server did.
    pub from: Option<UserName>,
    /// The sender's own id of it.
    pub id: Option<MessageId>,
    /// When it was accepted, in milliseconds since the Unix epoch.
    pub unix_ms: u64,
    /// What it carries.
    pub payload: Payload,
}

/// The first message on a connection: who and where it is, and what it may do.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Welcome {
    /// The connection.
    pub client: ConnectionId,
    /// Whose it is.
    pub user: UserName,
    /// What to present when it is lost, to come back as the same client.
    pub session: Session,
    /// Rooms in which it has seats that wait for it to join them.
    pub held: Vec<RoomName>,
    /// The rooms it was put into, and where their streams begin.
    pub rooms: Vec<(RoomName, Beginning)>,
    /// The rules that the client is told.
    #[cfg_attr(feature = "recording", serde(skip))]
    pub terms: Terms,
    /// The server's time, in milliseconds since the Unix epoch.
    pub unix_ms: u64,
}

/// Those rules of a hub that `connected` tells the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Terms {
    /// Time between two pings; zero if there are none.
    pub heartbeat_interval: Duration,
    /// Time without a sign of life after which the connection is closed.
    pub stale_after: Duration,
    /// Bytes of the largest message that the server reads.
    pub max_message_bytes: usize,
    /// Rooms that the connection can be in at a time; `None` if there is no bound.
    pub max_rooms: Option<u32>,
    /// Messages that the client may send in a second, on average; 0 if there is no bound.
    pub messages_per_second: u32,
    /// Messages that the client may send at once, after a pause.
    pub message_burst: u32,
}

/// A message to one or many connections. Clones share what is large.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Message {
    /// The connection is open.
    Connected(Arc<Welcome>),
    /// It is now in this room.
    Joined {
        /// The request's id.
        id: Option<MessageId>,
        /// The room.
        room: RoomName,
        /// Where its stream begins.
        beginning: Beginning,
        /// How many users are in it, where the room keeps presence.
        members: Option<usize>,
    },
    /// It is no longer in this room.
    Left {
        /// The request's id.
        id: Option<MessageId>,
        /// The room.
        room: RoomName,
    },
    /// The first connection of a user entered the room.
    MemberJoined {
        /// The room.
        room: RoomName,
        /// The user.
        user: UserName,
    },
    /// The last connection of a user left the room.
    MemberLeft {
        /// The room.
        room: RoomName,
        /// The user.
        user: UserName,
    },
    /// A message in a room.
    Publication(Arc<Publication>),
    /// A message to this user.
    Direct(Arc<Direct>),
    /// Who is in the room.
    Members {
        /// The request's id.
        id: Option<MessageId>,
        /// The room.
        room: RoomName,
        /// Names, at most [`Limits::members_listed`](crate::Limits::members_listed).
        members: Vec<UserName>,
        /// How many users there are.
        total: usize,
    },
    /// The message with this id was accepted.
    Ack {
        /// The sender's id of it.
        id: MessageId,
        /// Where it was published, if it was.
        position: Option<Position>,
    },
    /// A handler's answer to a message with this id.
    Reply {
        /// The sender's id of it.
        id: MessageId,
        /// The answer.
        payload: Payload,
    },
    /// A message was not accepted.
    Error {
        /// The sender's id of it.
        id: Option<MessageId>,
        /// Which of the rooms of a `resume`.
        room: Option<RoomName>,
        /// Why.
        refusal: Refusal,
    },
    /// Publications that the room keeps.
    History {
        /// The request's id.
        id: Option<MessageId>,
        /// The room.
        room: RoomName,
        /// The publications, oldest first.
        events: Vec<Arc<Publication>>,
        /// The room's position.
        position: Position,
        /// Whether there are newer ones than these.
        more: bool,
    },
    /// The application asks the client.
    Request {
        /// Comes back with the answer.
        id: MessageId,
        /// What.
        method: Kind,
        /// With this.
        payload: Payload,
    },
    /// The stream of a room was broken off.
    Refresh {
        /// The room.
        room: RoomName,
        /// Why.
        reason: Broken,
        /// It goes on after this.
        position: Position,
        /// The room's full state, where the application provides it.
        payload: Option<Payload>,
    },
    /// Is the client alive? It answers with the same number.
    HealthPing {
        /// Milliseconds since the Unix epoch, unique on this connection.
        timestamp: u64,
    },
    /// The answer to a client's `health_ping`, with the client's own JSON number.
    HealthPong {
        /// As received.
        timestamp: Json,
    },
    /// Publications were left out because the connection was slow.
    Gap {
        /// The room.
        room: RoomName,
        /// The place before the first that was left out.
        since: Position,
        /// The last that was left out.
        position: Position,
        /// How many of those between were left out.
        dropped: u64,
    },
    /// The server is going away.
    Draining {
        /// When to come back.
        retry_after: Duration,
    },
    /// A frame to a connection that does not speak the protocol.
    Raw(RawFrame),
}

impl Message {
    /// What a waiting message is counted as, in bytes: its payload and names, and a fixed amount for the rest.
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
