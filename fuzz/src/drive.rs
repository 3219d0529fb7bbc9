//! Feeds one operation to the hub and to the model.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::Bytes;
use switchboard_core::{
    Attempt, CloseReason, Command, ConnectionId, Disconnect, ErrorCode, Event, Inbound, Json, Kind,
    Message, MessageId, NameError, Payload, RawFrame, Refusal, Request, RoomName, Ticket, UserName,
};

use crate::desk::from_end;
use crate::facts::Facts;
use crate::ops::{Op, room_name, rooms_of, user_name, wished_of};
use crate::setup::UNIX_MS;

/// Types that clients publish: one in four is handled by the application where there is one, one is
/// reserved.
fn kind_name(kind: u8) -> &'static str {
    match kind % 16 {
        0..=9 => "chat",
        10..=12 => "move",
        13..=14 => "ask",
        _ => "joined",
    }
}

/// Returns the event of an aimed operation; `None` if there is none.
///
/// `serial` counts operations and names what they create.
pub fn event(op: Op, facts: &Facts, serial: u64) -> Result<Option<Event>, NameError> {
    let ticket = Ticket(serial);
    let connection = |c: u8| facts.made.get(usize::from(c)).copied();
    let room = |room: u8| RoomName::new(&room_name(room));
    let user = |user: u8| UserName::new(&user_name(user));
    let key = |key: u8| (key > 0).then(|| format!("k{key}").as_str().try_into()).transpose();
    let payload = || Payload::Binary(Bytes::from(format!("p{serial}")));

    let target = match op {
        Op::Connect { user: name, rooms, come, since } => {
            let user = user(name)?;
            let session = facts.clients.session(&user, come);
            let who = session.map(|session| (user.clone(), session));
            let wished: Result<_, _> =
                wished_of(rooms).iter().map(|room| RoomName::new(room)).collect();
            let rooms: Result<_, _> = rooms_of(rooms)
                .iter()
                .map(|room| {
                    let since = facts.clients.since(who.as_ref(), room, since, &facts.log);
                    Ok((RoomName::new(room)?, since))
                })
                .collect();
            return Ok(Some(Event::Connect {
                ticket,
                attempt: Attempt {
                    rooms: rooms?,
                    wished: wished?,
                    is_operator: name == 0,
                    is_guest: matches!(name, 1 | 2),
                    address: Some(address_of(name)),
                    session,
                    ..Attempt::new(user)
                },
            }));
        }
        Op::Answer { back, how } => {
            let Some((connection, user, id)) = from_end(&facts.desk.handed, back).cloned() else {
                return Ok(None);
            };
            let result = match how % 4 {
                0 => Ok(None),
                1 => Err(Refusal::new(ErrorCode::Forbidden, "no")),
                2 => Ok(Some(Payload::Binary(vec![0; 5_000].into()))),
                _ => Ok(Some(payload())),
            };
            let command = Command::Answer { connection, user, id, result };
            return Ok(Some(Event::Command { ticket, command }));
        }
        Op::State { back, right } => {
            let Some((wanted, room)) = from_end(&facts.desk.questions, back).cloned() else {
                return Ok(None);
            };
            let wanted = if right { wanted } else { Ticket(u64::MAX) };
            let payload = (!serial.is_multiple_of(4)).then(payload);
            let command = Command::State { ticket: wanted, room, payload };
            return Ok(Some(Event::Command { ticket, command }));
        }
        Op::Drain { timeout_ms, spread_ms } => {
            let timeout = Duration::from_millis(timeout_ms.into());
            return Ok(Some(Event::Drain {
                timeout,
                spread: Duration::from_millis(spread_ms.into()),
            }));
        }
        Op::WallClock { hours } => {
            let unix_ms = UNIX_MS + u64::from(hours) * 3_600_000;
            return Ok(Some(Event::WallClock { unix_ms }));
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
            let command = Command::Probe { user: user(name)?, timeout: Some(timeout) };
            return Ok(Some(Event::Command { ticket, command }));
        }
        Op::Open { c }
        | Op::Disconnect { c, .. }
        | Op::Join { c, .. }
        | Op::Leave { c, .. }
        | Op::Members { c, .. }
        | Op::Publish { c, .. }
        | Op::Resume { c, .. }
        | Op::History { c, .. }
        | Op::Repeat { c, .. }
        | Op::Ask { c, .. }
        | Op::Reply { c, .. }
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
    event_for(op, target.into(), facts, serial)
}

/// Returns the event of an operation on this connection.
pub fn event_for(
    op: Op,
    target: usize,
    facts: &Facts,
    serial: u64,
) -> Result<Option<Event>, NameError> {
    let ticket = Ticket(serial);
    let room = |room: u8| RoomName::new(&room_name(room));
    let user = |user: u8| UserName::new(&user_name(user));
    let id = |wanted: bool| wanted.then(|| MessageId::new(&format!("m{serial}"))).transpose();
    let key = |key: u8| (key > 0).then(|| format!("k{key}").as_str().try_into()).transpose();
    let payload = || Payload::Binary(Bytes::from(format!("p{serial}")));
    let maybe = |it: Option<u8>| it.map(room).transpose();
    let Some(&connection) = facts.made.get(target) else { return Ok(None) };
    let (ping, health_ping) = facts.pings[target];
    let who = facts.clients.who(target);
    let been_at = |room: &RoomName, since| facts.clients.since(who, room, since, &facts.log);
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
        Op::Join { room: name, id: asks, since, .. } => {
            let room = room(name)?;
            received(Inbound::Join { id: id(asks)?, since: been_at(&room, since), room })
        }
        Op::Resume { id: asks, since, .. } => {
            let rooms = facts.clients.wanted(target);
            let rooms = rooms.into_iter().map(|room| (room.clone(), been_at(&room, since)));
            received(Inbound::Resume { id: id(asks)?, rooms: rooms.collect() })
        }
        Op::History { room: name, since, limit, .. } => {
            let room = maybe(name)?;
            let since = room.as_ref().and_then(|room| been_at(room, since));
            let limit = (limit > 0).then_some(limit.into());
            received(Inbound::History { id: id(true)?, room, since, limit })
        }
        Op::Repeat { back, altered, .. } => {
            let user = &facts.users[target];
            let mine = facts.desk.sent.iter().rev().filter(|(sender, _)| sender == user);
            match mine.map(|(_, inbound)| inbound.clone()).nth(back.into()) {
                Some(inbound) if altered => received(with_payload(inbound, payload())),
                Some(inbound) => received(inbound),
                None => return Ok(None),
            }
        }
        Op::Ask { timeout_ms, .. } => commanded(Command::Request {
            to: connection,
            method: Kind::new("confirm")?,
            payload: payload(),
            timeout: Duration::from_millis(timeout_ms.into()),
        }),
        Op::Reply { back, right, .. } => {
            let asked = from_end(&facts.desk.asked, back).cloned();
            // The right connection is the one that was asked, not this one.
            let (connection, id) = match asked {
                Some((asked, id)) if right => (asked, id),
                Some((_, id)) => (connection, id),
                None => (connection, MessageId::new("s77")?),
            };
            let result = if serial.is_multiple_of(3) {
                Err(("busy".to_owned(), "not now".to_owned()))
            } else {
                Ok(payload())
            };
            Event::Received { connection, bytes: 50, inbound: Inbound::Reply { id, result } }
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
        | Op::WallClock { .. }
        | Op::Wait { .. }
        | Op::Late { .. }
        | Op::ClockBack { .. }
        | Op::CommandPublish { .. }
        | Op::CommandDirect { .. }
        | Op::CloseUser { .. }
        | Op::Answer { .. }
        | Op::State { .. }
        | Op::Probe { .. } => return Ok(None),
    }))
}

/// Returns the connection that an event is about.
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
        Event::Connect { .. } | Event::Drain { .. } | Event::WallClock { .. } | Event::Tick => None,
    }
}

fn with_payload(inbound: Inbound, payload: Payload) -> Inbound {
    #[allow(clippy::wildcard_enum_match_arm, reason = "others are not repeated")]
    match inbound {
        Inbound::Application(request) => Inbound::Application(Request { payload, ..request }),
        Inbound::Direct { id, to, kind, .. } => Inbound::Direct { id, to, kind, payload },
        other => other,
    }
}

/// Returns the connection that is excluded from a publication of the application.
pub fn except(event: &Event) -> Option<ConnectionId> {
    if let Event::Command { command: Command::Publish { except, .. }, .. } = event {
        return *except;
    }
    None
}

/// Returns the address of a user: one of them is on this machine.
fn address_of(user: u8) -> IpAddr {
    if user == 2 { Ipv4Addr::LOCALHOST.into() } else { Ipv4Addr::new(192, 0, 2, user).into() }
}
