//! Events and commands: what goes into the hub.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use crate::protocol::close::{CloseReason, Disconnect};
use crate::protocol::from_client::Inbound;
use crate::protocol::id::ConnectionId;
use crate::protocol::name::{ConflationKey, Kind, MessageId, RoomName, UserName};
use crate::protocol::payload::Payload;
use crate::protocol::position::{Position, Session};
use crate::protocol::refusal::Refusal;
use crate::protocol::to_client::Message;

/// A number that the driver chooses and gets back with the answer, to match it with its attempt or
/// command.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Ticket(pub u64);

/// A client that asks for a connection.
///
/// ```
/// use switchboard_core::{Attempt, RoomName, UserName};
///
/// let lobby = RoomName::new("lobby")?;
/// let attempt =
///     Attempt { rooms: vec![(lobby, None)], ..Attempt::new(UserName::new("alice")?) };
/// assert!(!attempt.is_guest);
/// # Ok::<(), switchboard_core::NameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Attempt {
    /// The user that the connection will belong to.
    pub user: UserName,
    /// Whether the user's name is only claimed, or made up. What a guest uses counts against its
    /// address, because it could have any number of names.
    pub is_guest: bool,
    /// Whether it may enter rooms that are for operators
    /// ([`RoomClass::operators_only`](crate::RoomClass::operators_only)).
    pub is_operator: bool,
    /// Where the client is, if that is known.
    pub address: Option<IpAddr>,
    /// The rooms to join at once, each with the position to continue from, if there is one. If a
    /// name appears twice, the first counts.
    pub rooms: Vec<(RoomName, Option<Position>)>,
    /// More rooms to join at once, if they have a free seat. Without those that are full the
    /// connection is made all the same, and is told `lobby_full` for each.
    pub wished: Vec<RoomName>,
    /// The client's session. If this user has an older connection of this session, open or held,
    /// the new one takes its seats, and the old one ends.
    pub session: Option<Session>,
}

impl Attempt {
    /// An authenticated user at an unknown address, without rooms and with a new session.
    pub fn new(user: UserName) -> Self {
        let (rooms, wished) = (Vec::new(), Vec::new());
        Self {
            user,
            is_guest: false,
            is_operator: false,
            address: None,
            rooms,
            wished,
            session: None,
        }
    }
}

/// Something that happened. Events for connections that no longer exist are counted and otherwise
/// ignored.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs, reason = "the names of the other fields say it")]
pub enum Event {
    /// A client asks for a connection as this user. Answered at once by
    /// [`Operation::Accept`](crate::Operation::Accept), which takes a seat on the server, in each
    /// room and for the user, or by [`Operation::Reject`](crate::Operation::Reject), which takes
    /// none.
    Connect {
        /// Returned with the answer.
        ticket: Ticket,
        /// What is asked for.
        attempt: Attempt,
    },
    /// The upgrade is complete: frames can be sent.
    Opened { connection: ConnectionId },
    /// A message was received.
    Received {
        connection: ConnectionId,
        /// The message's size on the wire, for the limits.
        bytes: usize,
        /// The decoded message.
        inbound: Inbound,
    },
    /// A frame was received that is only a sign of life, such as a peer's own ping.
    Alive { connection: ConnectionId },
    /// A protocol pong was received.
    Pong {
        connection: ConnectionId,
        /// The number of the ping that it answers; `None` if its payload is not such a number.
        nonce: Option<u64>,
    },
    /// The outlet is over its high-water mark: later messages queue in the hub.
    Blocked { connection: ConnectionId },
    /// The outlet is below its low-water mark.
    Writable { connection: ConnectionId },
    /// The socket is closed, or the upgrade failed.
    Disconnected { connection: ConnectionId, how: Disconnect },
    /// The application gives a command. Answered by [`Operation::Done`](crate::Operation::Done).
    Command {
        /// Returned with the answer.
        ticket: Ticket,
        command: Command,
    },
    /// The server shuts down: it accepts no new connections, tells every client and closes all
    /// connections by the deadline.
    Drain {
        /// Time until the remaining connections are cut off.
        timeout: Duration,
        /// Clients are told to reconnect at a random moment within this.
        spread: Duration,
    },
    /// The wall clock is not where the hub takes it to be: it was set, or the machine has slept.
    /// What is published from here on has its time; nothing else depends on it.
    WallClock {
        /// What it says, in milliseconds since the Unix epoch.
        unix_ms: u64,
    },
    /// Time has passed. Due whenever [`Hub::next_deadline`](crate::Hub::next_deadline) is.
    Tick,
}

/// What the application can do.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs, reason = "the names of the other fields say it")]
pub enum Command {
    /// Adds a connection to a room; the client is told.
    Join { connection: ConnectionId, room: RoomName },
    /// Removes a connection from a room; the client is told.
    Leave { connection: ConnectionId, room: RoomName },
    /// Publishes into a room, whatever its rule for publishers.
    Publish {
        room: RoomName,
        kind: Kind,
        /// The user named as the sender.
        from: Option<UserName>,
        /// The id that members see.
        id: Option<MessageId>,
        /// The key of the publication that it replaces, in rooms that conflate.
        key: Option<ConflationKey>,
        payload: Payload,
        /// A connection that must not get it.
        except: Option<ConnectionId>,
    },
    /// Sends to every connection of a user.
    Direct {
        to: UserName,
        /// The user named as the sender.
        from: Option<UserName>,
        payload: Payload,
    },
    /// Sends to one connection.
    Send { to: ConnectionId, message: Message },
    /// Answers a message that was passed to the application
    /// ([`Output::Request`](crate::Output::Request)). If the same message was repeated over another
    /// connection, that one gets the answer.
    Answer {
        /// The connection that the message came from.
        connection: ConnectionId,
        user: UserName,
        /// The message's id.
        id: MessageId,
        /// The answer; `None` is a plain acknowledgement.
        result: Result<Option<Payload>, Refusal>,
    },
    /// Sends a request to a client; [`Output::Answered`](crate::Output::Answered) follows.
    Request {
        to: ConnectionId,
        method: Kind,
        payload: Payload,
        /// How long to wait for the answer.
        timeout: Duration,
    },
    /// The full state of a room, as requested by
    /// [`Output::StateWanted`](crate::Output::StateWanted).
    State {
        /// The ticket of the request.
        ticket: Ticket,
        room: RoomName,
        /// The room's state; `None` if it is not available.
        payload: Option<Payload>,
    },
    /// Closes a connection.
    Close { connection: ConnectionId, reason: CloseReason },
    /// Closes every connection of a user.
    CloseUser { user: UserName, reason: CloseReason },
    /// Asks every connection of a user whether it is alive;
    /// [`Output::Probed`](crate::Output::Probed) follows.
    Probe {
        user: UserName,
        /// How long to wait for the answers; `None` is
        /// [`Heartbeat::probe_timeout`](crate::Heartbeat::probe_timeout).
        timeout: Option<Duration>,
    },
}
