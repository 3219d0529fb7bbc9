//! What can happen to a client's machine, in small operands.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use switchboard_core::client::{CloseFrame, MachineEvent, ReplyError, ServerMessage, Token};
use switchboard_core::{Epoch, MessageId, Position, RoomName};

/// The number of operations read from one input, at most.
pub const MAX_OPS: usize = 255;

/// The names of the rooms.
pub const ROOMS: [&str; 4] = ["lobby", "news", "a", "b"];

/// One operation. Rooms are numbers, and positions are numbers from 0 to 119 in three epochs.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Op {
    /// An event that does not depend on earlier ones.
    Feed(MachineEvent),
    Join(u8, Option<u8>),
    Leave(u8),
    /// With a payload of this many bytes, JSON or binary.
    Send(Option<u8>, u8),
    Direct,
    /// With this timeout in milliseconds.
    Request(u16),
    /// For the members or for the history.
    Ask(bool),
    /// Cancels the call made this many calls ago.
    Cancel(u8),
    /// The server answers the message transmitted this many messages ago.
    Answer(u8, Answer),
    /// This many milliseconds pass, and no deadline is checked.
    Wait(u16),
    /// Time passes until something is due.
    Due,
}

/// The server's answer to a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Answer {
    Ack(Option<u8>),
    Error(&'static str),
    /// The kind of answer that the message asks for.
    Right,
}

/// Returns the position with this number.
pub fn position(number: u8) -> Position {
    Position { epoch: Epoch(7 + u64::from(number / 40)), offset: u64::from(number % 40) }
}

/// Returns the name of the room with this number.
pub fn room(index: u8) -> RoomName {
    RoomName::new(ROOMS[usize::from(index) % ROOMS.len()]).expect("a name")
}

fn received(message: &Value) -> Op {
    Op::Feed(MachineEvent::Received(ServerMessage::from_text(&message.to_string())))
}

/// The server's `connected`, with a room that it has put the client into, its limit on messages,
/// and its heartbeat.
pub fn connected(room: Option<(u8, u8)>, limit: Option<u8>, stale_ms: Option<u16>) -> Op {
    let rooms = room.map(|(index, at)| {
        json!({ "room": self::room(index).as_str(), "position": position(at).to_string() })
    });
    received(&json!({
        "type": "connected",
        "session": "5be0cd19137e2179",
        "rooms": rooms.into_iter().collect::<Vec<_>>(),
        "limits": { "max_message_bytes": limit },
        "heartbeat": { "stale_after_ms": stale_ms },
    }))
}

/// A publication that arrives.
pub fn published(index: u8, at: u8) -> Op {
    let (room, event_id) = (room(index), position(at).to_string());
    received(
        &json!({ "type": "chat", "room": room.as_str(), "event_id": event_id, "timestamp": 1 }),
    )
}

/// What a server sends unasked.
fn coming(what: u8, index: u8, at: u8, more: u8) -> Op {
    let at = at % 120;
    let (room, position) = (room(index), position(at).to_string());
    let (room, ms) = (room.as_str(), u16::from(more) * 16);
    let recovered = [None, Some(true), Some(false)][usize::from(more % 3)];
    match what {
        0..=7 => connected(
            (index & 4 != 0).then_some((index, at)),
            (index & 8 != 0).then_some(30 + at),
            (index & 16 != 0).then_some(ms),
        ),
        8..=19 => published(index, at),
        20..=23 => received(&json!({
            "type": "joined", "room": room, "position": position,
            "recovered": recovered,
        })),
        24..=25 => received(&json!({ "type": "left", "room": room })),
        26..=27 => received(&json!({
            "type": "error", "room": room, "code": "lobby_full", "message": "",
        })),
        28..=29 => received(&json!({
            "type": "refresh", "room": room, "reason": "", "position": position,
        })),
        30..=31 => received(&json!({
            "type": "gap", "room": room, "since": self::position(0).to_string(),
            "position": position, "dropped": 1,
        })),
        32 => received(&json!({ "type": "draining", "retry_after_ms": ms })),
        _ => received(&json!({ "type": "health_ping", "timestamp": 5 })),
    }
}

/// What the application, the socket or the clock does.
fn other(what: u8, a: u8, b: u8) -> MachineEvent {
    match what {
        0 => MachineEvent::Stop,
        1..=8 => MachineEvent::Connect,
        9..=10 => MachineEvent::Wake,
        11..=12 => MachineEvent::Alive,
        13..=14 => MachineEvent::Opened,
        15..=17 if a.is_multiple_of(4) => MachineEvent::Token(Err("offline".into())),
        15..=17 => MachineEvent::Token(Ok(Token::new("T"))),
        18 => MachineEvent::Tick,
        19 => MachineEvent::Reply {
            id: MessageId::new("s1").expect("an id"),
            result: Err(ReplyError { code: "busy".into(), message: "later".into() }),
        },
        20..=21 => MachineEvent::Refused {
            status: [401, 403, 429, 503][usize::from(a % 4)],
            code: (a & 8 != 0).then(|| "refused".into()),
            retry_after: (a & 4 != 0).then(|| Duration::from_millis(u64::from(b) * 16)),
        },
        _ => {
            let codes = [1001, 1006, 4002, 4008, 4029, 4001, 4001, 1000, 4003, 4004];
            let code = (a & 1 != 0).then(|| codes[usize::from(b) % codes.len()]);
            MachineEvent::Ended(code.map(|code| CloseFrame { code, reason: None }))
        }
    }
}

impl Op {
    /// Decodes one operation.
    pub fn decode([what, a, b, c]: [u8; 4]) -> Self {
        let ms = u16::from(b) * 12;
        match what {
            0..=21 => Self::Feed(other(what, a, b)),
            22..=29 => Self::Feed(other(22, a, b)),
            30..=97 => coming((what - 30) / 2, a, b, c),
            98..=107 => Self::Join(a, (b & 1 != 0).then_some(c % 120)),
            108..=113 => Self::Leave(a),
            114..=137 => Self::Send((b & 1 != 0).then_some(a), c % 80),
            138..=141 => Self::Direct,
            142..=149 => Self::Request(ms),
            150..=153 => Self::Ask(a % 2 == 1),
            154..=159 => Self::Cancel(a % 8),
            160..=191 => Self::Answer(
                a % 4,
                match b % 8 {
                    0..=2 => Answer::Ack((b & 8 != 0).then_some(c % 120)),
                    3 => Answer::Error("rate_limited"),
                    4 => Answer::Error("forbidden"),
                    _ => Answer::Right,
                },
            ),
            192..=199 => Self::Wait(ms),
            200..=215 => Self::Due,
            _ => Self::Feed(MachineEvent::Connect),
        }
    }

    /// Decodes operations one after another: four bytes each, except those that begin with 254 and
    /// 255, which are followed by an arbitrary text or binary message from the server, as many
    /// bytes long as the next byte says. An incomplete operation at the end is ignored.
    pub fn decode_all(mut bytes: &[u8]) -> Vec<Self> {
        let mut ops = Vec::new();
        while ops.len() < MAX_OPS {
            let (op, length) = match *bytes {
                [what @ (254 | 255), length, ref rest @ ..] => {
                    let length = usize::from(length).min(rest.len());
                    let message = if what == 254 {
                        ServerMessage::from_text(&String::from_utf8_lossy(&rest[..length]))
                    } else {
                        ServerMessage::from_binary(&Bytes::copy_from_slice(&rest[..length]))
                    };
                    (Self::Feed(MachineEvent::Received(message)), 2 + length)
                }
                [what, a, b, c, ..] => (Self::decode([what, a, b, c]), 4),
                _ => break,
            };
            ops.push(op);
            bytes = &bytes[length..];
        }
        ops
    }
}
