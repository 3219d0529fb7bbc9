//! One operation, told to the hub and to the model.

use std::time::Duration;

use bytes::Bytes;
use switchboard_core::{
    CloseReason, Command, ConnectionId, Disconnect, ErrorCode, Event, Inbound, Json, Kind, Message,
    MessageId, NameError, Payload, RawFrame, Refusal, Request, RoomName, Ticket, UserName,
};

use crate::ops::{Op, room_name, rooms_of, user_name};

/// Kinds that clients publish: one in four is handled by the application where one is, one is reserved.
fn kind_name(kind: u8) -> &'static str {
    match kind % 16 {
        0..=9 => "chat",
        10..=12 => "move",
        13..=14 => "ask",
        _ => "joined",
    }
}

/// What an operation refers to.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Connections in the order of their admission.
    pub made: &'a [ConnectionId],
    /// The pings that each was last asked to answer.
    pub pings: &'a [(Option<u64>, Option<u64>)],
    /// Counts operations; names what they make.
    pub serial: u64,
}

/// The event that an aimed operation is for the hub; `None` if it is none.
pub fn event(op: Op, context: Context<'_>) -> Result<Option<Event>, NameError> {
    let serial = context.serial;
    let ticket = Ticket(serial);
    let connection = |c: u8| context.made.get(usize::from(c)).copied();
    let room = |room: u8| RoomName::new(&room_name(room));
    let user = |user: u8| UserName::new(&user_name(user));
    let id = |wanted: bool| wanted.then(|| MessageId::new(&format!("m{serial}"))).transpose();
    let key = |key: u8| (key > 0).then(|| format!("k{key}").as_str().try_into()).transpose();
    let payload = || Payload::Binary(Bytes::from(format!("p{serial}")));
    let maybe = |it: Option<u8>| it.map(room).transpose();

    let target = match op {
        Op::Connect { user: name, rooms } => {
            let rooms: Result<_, _> =
                rooms_of(rooms).iter().map(|room| Ok((RoomName::new(room)?, None))).collect();
            return Ok(Some(Event::Connect {
                ticket,
                user: user(name)?,
                rooms: rooms?,
                session: None,
            }));
        }
        Op::Drain { timeout_ms, spread_ms } => {
            let timeout = Duration::from_millis(timeout_ms.into());
            return Ok(Some(Event::Drain {
                timeout,
                spread: Duration::from_millis(spread_ms.into()),
            }));
        }
        Op::Wait { .. } | Op::Late { .. } | Op::ClockBack { .. } => return Ok(None),
        Op::CommandPublish { room: name, except, key: conflate } => {
            let command = Command::Publish {
                room: room(name)?,
                kind: Kind::new("news")?,
                from: None,
                id: None,
                key: key(conflate)?,
                payload: payload(),
                except: except.and_then(connection),
            };
            return Ok(Some(Event::Command { ticket, command }));
        }
        Op::CommandDirect { user: to } => {
            let command = Command::Direct { to: user(to)?, from: None, payload: payload() };
            return Ok(Some(Event::Command { ticket, command }));
        }
        Op::CloseUser { user: name } => {
            let command = Command::CloseUser { user: user(name)?, reason: CloseReason::Forbidden };
            return Ok(Some(Event::Command { ticket, command }));
        }
        Op::Probe { user: name, timeout_ms } => {
            let timeout = Duration::from_millis(timeout_ms.into());
            let command = Command::Probe { user: user(name)?, timeout };
            return Ok(Some(Event::Command { ticket, command }));
        }
        Op::Open { c }
        | Op::Disconnect { c, .. }
        | Op::Join { c, .. }
        | Op::Leave { c, .. }
        | Op::Members { c, .. }
        | Op::Publish { c, .. }
        | Op::Direct { c, .. }
        | Op::ClientPing { c }
        | Op::Malformed { c }
        | Op::Alive { c }
        | Op::Pong { c, .. }
        | Op::HealthPong { c, .. }
        | Op::Block { c }
        | Op::Writable { c }
        | Op::CommandJoin { c, .. }
        | Op::CommandLeave { c, .. }
        | Op::CommandSend { c }
        | Op::Close { c } => c,
    };
    let Some(connection) = connection(target) else { return Ok(None) };
    let (ping, health_ping) = context.pings[usize::from(target)];
    let wrong = Some(u64::MAX - serial);
    let received = |inbound| Event::Received { connection, bytes: 50, inbound };
    let commanded = |command| Event::Command { ticket, command };
    Ok(Some(match op {
        Op::Open { .. } => Event::Opened { connection },
        Op::Disconnect { how: 0, .. } => Event::Disconnected { connection, how: Disconnect::Lost },
        Op::Disconnect { how: 1, .. } => {
            Event::Disconnected { connection, how: Disconnect::ByPeer(Some(1001)) }
        }
        Op::Disconnect { .. } => {
            Event::Disconnected { connection, how: Disconnect::HandshakeFailed }
        }
        Op::Join { room: name, id: asks, .. } => {
            received(Inbound::Join { id: id(asks)?, room: room(name)?, since: None })
        }
        Op::Leave { room: name, id: asks, .. } => {
            received(Inbound::Leave { id: id(asks)?, room: maybe(name)? })
        }
        Op::Members { room: name, .. } => {
            received(Inbound::Members { id: id(true)?, room: maybe(name)? })
        }
        Op::Publish { room: name, kind, key: conflate, id: asks, .. } => {
            received(Inbound::Application(Request {
                kind: Kind::new(kind_name(kind))?,
                id: id(asks)?,
                room: maybe(name)?,
                key: key(conflate)?,
                payload: payload(),
            }))
        }
        Op::Direct { user: to, id: asks, .. } => received(Inbound::Direct {
            id: id(asks)?,
            to: user(to)?,
            kind: None,
            payload: payload(),
        }),
        Op::ClientPing { .. } => match Json::of(&serial) {
            Ok(timestamp) => received(Inbound::HealthPing { timestamp }),
            Err(_) => return Ok(None),
        },
        Op::Malformed { .. } => received(Inbound::Malformed {
            id: id(true)?,
            refusal: Refusal::new(ErrorCode::BadMessage, "not an object"),
        }),
        Op::Alive { .. } => Event::Alive { connection },
        Op::Pong { right, .. } => {
            Event::Pong { connection, nonce: if right { ping } else { wrong } }
        }
        Op::HealthPong { right, .. } => {
            received(Inbound::HealthPong { nonce: if right { health_ping } else { wrong } })
        }
        Op::Block { .. } => Event::Blocked { connection },
        Op::Writable { .. } => Event::Writable { connection },
        Op::CommandJoin { room: name, .. } => {
            commanded(Command::Join { connection, room: room(name)? })
        }
        Op::CommandLeave { room: name, .. } => {
            commanded(Command::Leave { connection, room: room(name)? })
        }
        Op::CommandSend { .. } => commanded(Command::Send {
            to: connection,
            message: Message::Raw(RawFrame::Text(Bytes::from(format!("p{serial}")))),
        }),
        Op::Close { .. } => commanded(Command::Close { connection, reason: CloseReason::Normal }),
        Op::Connect { .. }
        | Op::Drain { .. }
        | Op::Wait { .. }
        | Op::Late { .. }
        | Op::ClockBack { .. }
        | Op::CommandPublish { .. }
        | Op::CommandDirect { .. }
        | Op::CloseUser { .. }
        | Op::Probe { .. } => return Ok(None),
    }))
}

/// The connection that an event is about.
pub fn target(event: &Event) -> Option<ConnectionId> {
    match event {
        Event::Opened { connection }
        | Event::Received { connection, .. }
        | Event::Alive { connection }
        | Event::Pong { connection, .. }
        | Event::Blocked { connection }
        | Event::Writable { connection }
        | Event::Disconnected { connection, .. } => Some(*connection),
        Event::Command { command, .. } => match command {
            Command::Join { connection, .. }
            | Command::Leave { connection, .. }
            | Command::Close { connection, .. }
            | Command::Send { to: connection, .. }
            | Command::Request { to: connection, .. } => Some(*connection),
            Command::Publish { .. }
            | Command::Answer { .. }
            | Command::State { .. }
            | Command::Direct { .. }
            | Command::CloseUser { .. }
            | Command::Probe { .. } => None,
        },
        Event::Connect { .. } | Event::Drain { .. } | Event::Tick => None,
    }
}

/// The connection that a publication of the application's is not for.
pub fn except(event: &Event) -> Option<ConnectionId> {
    if let Event::Command { command: Command::Publish { except, .. }, .. } = event {
        return *except;
    }
    None
}
