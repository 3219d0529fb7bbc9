//! What goes into the hub.

use alloc::vec::Vec;
use core::time::Duration;

use crate::protocol::close::{CloseReason, Disconnect};
use crate::protocol::from_client::Inbound;
use crate::protocol::id::ConnectionId;
use crate::protocol::name::{ConflationKey, Kind, MessageId, RoomName, UserName};
use crate::protocol::payload::Payload;
use crate::protocol::position::{Position, Session};
use crate::protocol::refusal::Refusal;
use crate::protocol::to_client::Message;

/// A number that the driver chooses and gets back with the answer: which attempt was accepted,
/// which command this reply belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Ticket(pub u64);

/// Something that happened. Events about a connection that is gone are counted and otherwise ignored.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Event {
    /// Somebody asks for a connection, and is known to be this user. Answered at once by
    /// [`Operation::Accept`](crate::Operation::Accept), which takes a seat on the server, in each room and of the user, or by
    /// [`Operation::Reject`](crate::Operation::Reject), which takes none.
    Connect {
        /// Comes back with the answer.
        ticket: Ticket,
        /// Whose connection it will be.
        user: UserName,
        /// Rooms to be in from the start, each with the position from which to go on, if there is one. Of a name that is there twice,
        /// the first counts.
        rooms: Vec<(RoomName, Option<Position>)>,
        /// Which client it was before. If an older connection of this session and user is there, open or held, the new one
        /// takes its seats, and it ends.
        session: Option<Session>,
    },
    /// The upgrade is complete: frames can be sent.
    Opened {
        /// Which.
        connection: ConnectionId,
    },
    /// A message came in.
    Received {
        /// From which.
        connection: ConnectionId,
        /// The message's size on the wire, for the limits.
        bytes: usize,
        /// What the codec made of it.
        inbound: Inbound,
    },
    /// A frame came in that is a sign of life and nothing else, such as a peer's own ping.
    Alive {
        /// From which.
        connection: ConnectionId,
    },
    /// A protocol pong came in.
    Pong {
        /// From which.
        connection: ConnectionId,
        /// The number of the ping that it answers; `None` when its payload is none of ours.
        nonce: Option<u64>,
    },
    /// The outlet is over its high-water mark: what is sent from now on waits in the hub.
    Blocked {
        /// Which.
        connection: ConnectionId,
    },
    /// The outlet is below its low-water mark.
    Writable {
        /// Which.
        connection: ConnectionId,
    },
    /// The socket is gone, or the upgrade failed.
    Disconnected {
        /// Which.
        connection: ConnectionId,
        /// How.
        how: Disconnect,
    },
    /// The application wants something. Answered by [`Operation::Done`](crate::Operation::Done).
    Command {
        /// Comes back with the answer.
        ticket: Ticket,
        /// What.
        command: Command,
    },
    /// The server is going away: no new connections, everybody told and closed, done by the deadline.
    Drain {
        /// When whoever is still there is cut off.
        timeout: Duration,
        /// Clients are told to come back at a random moment within this.
        spread: Duration,
    },
    /// Time has passed. Due whenever [`Hub::next_deadline`](crate::Hub::next_deadline) is.
    Tick,
}

/// What the application can do.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Command {
    /// Puts a connection into a room; it is told.
    Join {
        /// Which.
        connection: ConnectionId,
        /// The room.
        room: RoomName,
    },
    /// Takes a connection out of a room; it is told.
    Leave {
        /// Which.
        connection: ConnectionId,
        /// The room.
        room: RoomName,
    },
    /// Publishes into a room, whoever may publish there.
    Publish {
        /// The room.
        room: RoomName,
        /// The type.
        kind: Kind,
        /// Who is named as the sender.
        from: Option<UserName>,
        /// The id that members see.
        id: Option<MessageId>,
        /// What it replaces in rooms that conflate.
        key: Option<ConflationKey>,
        /// What it carries.
        payload: Payload,
        /// A connection that does not get it.
        except: Option<ConnectionId>,
    },
    /// Sends to every connection of a user.
    Direct {
        /// The user.
        to: UserName,
        /// Who is named as the sender.
        from: Option<UserName>,
        /// What it carries.
        payload: Payload,
    },
    /// Sends to one connection.
    Send {
        /// Which.
        to: ConnectionId,
        /// What.
        message: Message,
    },
    /// Answers a message that was handed to the application ([`Output::Request`](crate::Output::Request)). The same message may have
    /// come again meanwhile over another connection; then that one gets the answer.
    Answer {
        /// Which connection it came from.
        connection: ConnectionId,
        /// Whose that is.
        user: UserName,
        /// The message's id.
        id: MessageId,
        /// The answer; `None` is a plain acknowledgement.
        result: Result<Option<Payload>, Refusal>,
    },
    /// Asks a client something; [`Output::Answered`](crate::Output::Answered) follows.
    Request {
        /// Which.
        to: ConnectionId,
        /// What.
        method: Kind,
        /// With this.
        payload: Payload,
        /// How long to wait for the answer.
        timeout: Duration,
    },
    /// The full state of a room, as [`Output::StateWanted`](crate::Output::StateWanted) asked for it.
    State {
        /// The question's.
        ticket: Ticket,
        /// The room.
        room: RoomName,
        /// Its state; `None` when there is none to be had.
        payload: Option<Payload>,
    },
    /// Closes a connection.
    Close {
        /// Which.
        connection: ConnectionId,
        /// With what.
        reason: CloseReason,
    },
    /// Closes every connection of a user.
    CloseUser {
        /// Whose.
        user: UserName,
        /// With what.
        reason: CloseReason,
    },
    /// Asks every connection of a user whether it is alive; [`Output::Probed`](crate::Output::Probed) follows.
    Probe {
        /// Whose.
        user: UserName,
        /// How long to wait for the answers; `None` is
        /// [`Heartbeat::probe_timeout`](crate::Heartbeat::probe_timeout).
        timeout: Option<Duration>,
    },
}
