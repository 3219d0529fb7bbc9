//! The wire from both ends: what a client understood, encoded again by a server.

use std::sync::Arc;

use bytes::Bytes;
use switchboard_core::client::{Delivery, ServerMessage};
use switchboard_core::{
    Beginning, Broken, Codec, Direct, ErrorCode, Inbound, Json, Kind, Message, Opcode, Payload,
    Position, Publication, Refusal, Request, RoomName,
};
use switchboard_simulator::frames::{Frame, FrameReader};

/// All error codes.
const CODES: [ErrorCode; 17] = [
    ErrorCode::BadMessage,
    ErrorCode::InvalidField,
    ErrorCode::InvalidPayload,
    ErrorCode::ReservedType,
    ErrorCode::RoomRequired,
    ErrorCode::NotAMember,
    ErrorCode::LobbyFull,
    ErrorCode::TooManyRooms,
    ErrorCode::Forbidden,
    ErrorCode::UnknownPosition,
    ErrorCode::NoSuchRequest,
    ErrorCode::Repeated,
    ErrorCode::UserOffline,
    ErrorCode::NoSuchConnection,
    ErrorCode::RateLimited,
    ErrorCode::Timeout,
    ErrorCode::Internal,
];

/// Returns the message that a server would have sent to be understood like this; `None` if this
/// version of the server never sends such a message.
pub fn as_sent(understood: &ServerMessage) -> Option<Message> {
    Some(match understood.clone() {
        ServerMessage::Joined { id, room, position, recovered } => Message::Joined {
            id,
            room,
            beginning: Beginning { position, recovered },
            members: None,
        },
        ServerMessage::Left { id, room } => Message::Left { id, room },
        ServerMessage::Members { id, members, total } => {
            Message::Members { id, room: room(), members, total: usize::try_from(total).ok()? }
        }
        ServerMessage::History { id, events, position, more } => {
            // The publications of a `history` all belong to its room, which is named only once.
            let room = events.first()?.room.clone();
            let events = events.into_iter().map(Arc::new).collect();
            Message::History { id, room, events, position, more }
        }
        ServerMessage::Ack { id, event_id: None, payload: Some(payload) } => {
            Message::Reply { id, payload }
        }
        ServerMessage::Ack { id, event_id, payload: None } => {
            Message::Ack { id, position: event_id }
        }
        ServerMessage::Error { id, room, refused } => {
            let code = CODES.into_iter().find(|code| code.as_str() == &*refused.code)?;
            let message = refused.message.to_string();
            Message::Error { id, room, refusal: Refusal::new(code, message) }
        }
        ServerMessage::Request { id, method, payload } => {
            Message::Request { id, method: Kind::new(&method).ok()?, payload }
        }
        ServerMessage::Draining { retry_after } => Message::Draining { retry_after },
        ServerMessage::HealthPing { timestamp } => {
            let digits = std::str::from_utf8(timestamp.as_bytes()).ok()?;
            let number = digits.parse().ok().filter(|number: &u64| number.to_string() == digits)?;
            Message::HealthPing { timestamp: number }
        }
        ServerMessage::HealthPong => Message::HealthPong { timestamp: Json::of(&0).ok()? },
        ServerMessage::Delivery(delivery) => delivered(delivery)?,
        ServerMessage::Ack { event_id: Some(_), payload: Some(_), .. }
        | ServerMessage::Connected(_)
        | ServerMessage::Unreadable => return None,
    })
}

fn delivered(delivery: Delivery) -> Option<Message> {
    Some(match delivery {
        Delivery::Publication(publication) => Message::Publication(Arc::new(publication)),
        Delivery::Direct(direct) => Message::Direct(Arc::new(direct)),
        Delivery::MemberJoined { room, user } => Message::MemberJoined { room, user },
        Delivery::MemberLeft { room, user } => Message::MemberLeft { room, user },
        Delivery::Gap { room, since, position, dropped } => {
            Message::Gap { room, since, position, dropped }
        }
        Delivery::Refresh { room, reason, position, payload } => {
            let reasons = [Broken::UnknownEpoch, Broken::TooOld, Broken::UnknownPosition];
            let reason = reasons.into_iter().find(|broken| broken.as_str() == &*reason)?;
            Message::Refresh { room, reason, position, payload }
        }
    })
}

/// Returns what a server makes of a client's message, and what other clients should understand of
/// it; `None` if only the server sees it.
pub fn passed_on(inbound: &Inbound, at: Position) -> Option<(Message, ServerMessage)> {
    let (unix_ms, from) = (1_790_000_000_000, None);
    Some(match inbound.clone() {
        Inbound::Application(Request { kind, id, room, key: _, payload }) => {
            if kind.is_reserved() {
                return None;
            }
            let room = room.unwrap_or_else(self::room);
            let it =
                Publication { room, position: at, kind, from, id, key: None, unix_ms, payload };
            let understood = ServerMessage::Delivery(Delivery::Publication(it.clone()));
            (Message::Publication(Arc::new(it)), understood)
        }
        Inbound::Direct { id, kind, payload, .. } => {
            let it = Direct { kind, from, id, unix_ms, payload };
            let understood = ServerMessage::Delivery(Delivery::Direct(it.clone()));
            (Message::Direct(Arc::new(it)), understood)
        }
        Inbound::Reply { id, result: Ok(payload) } => {
            // An answer of `null` is a plain acknowledgement.
            let answer = Some(payload.clone()).filter(|payload| *payload != Payload::null());
            let understood = ServerMessage::Ack { id: id.clone(), event_id: None, payload: answer };
            (Message::Reply { id, payload }, understood)
        }
        Inbound::Malformed { id, refusal } => {
            let refused = switchboard_core::client::Refused {
                code: refusal.code.as_str().into(),
                message: refusal.message.as_ref().into(),
            };
            let understood = ServerMessage::Error { id: id.clone(), room: None, refused };
            (Message::Error { id, room: None, refusal }, understood)
        }
        Inbound::HealthPing { timestamp } => {
            (Message::HealthPong { timestamp }, ServerMessage::HealthPong)
        }
        Inbound::Join { id, room, since } => {
            let position = since.unwrap_or(at);
            let recovered = since.map(|_| true);
            let understood =
                ServerMessage::Joined { id: id.clone(), room: room.clone(), position, recovered };
            let beginning = Beginning { position, recovered };
            (Message::Joined { id, room, beginning, members: None }, understood)
        }
        Inbound::Leave { id, room } => {
            let room = room.unwrap_or_else(self::room);
            (Message::Left { id: id.clone(), room: room.clone() }, ServerMessage::Left { id, room })
        }
        Inbound::Resume { .. }
        | Inbound::Members { .. }
        | Inbound::History { .. }
        | Inbound::Reply { result: Err(_), .. }
        | Inbound::HealthPong { .. }
        | Inbound::Raw(_) => return None,
    })
}

/// The room for messages that do not name one.
fn room() -> RoomName {
    RoomName::new("lobby").unwrap_or_else(|error| unreachable!("a good name: {error}"))
}

/// Returns what a client understands of a message: encoded, cut out of its frame, decoded.
///
/// # Panics
/// When the frame is not as RFC 6455, 5.2 says: one, final, unmasked, of the right length.
pub fn understood(message: &Message) -> ServerMessage {
    let frame = Codec::Json.encode(message).expect("this codec can say everything");
    let bytes = frame.parts().concat();
    assert_eq!(frame.len(), bytes.len());
    let mut reader = FrameReader::default();
    reader.add(&bytes);
    let read = reader.next_frame().expect("a frame of a server's").expect("the whole frame");
    assert!(reader.is_empty(), "the length in the header is right");
    match (frame.opcode(), read) {
        (Opcode::Text, Frame::Text(text)) => {
            assert_eq!(frame.payload().concat(), text.as_bytes());
            ServerMessage::from_text(&text)
        }
        (Opcode::Binary, Frame::Binary(bytes)) => {
            assert_eq!(frame.payload().concat(), bytes);
            ServerMessage::from_binary(&Bytes::from(bytes))
        }
        (opcode, read) => panic!("{message:?} is sent as {opcode:?}, and read as {read:?}"),
    }
}

/// Compares both ends, given what one of them understood of a server's message.
///
/// # Panics
/// When the other end encodes it and it is understood differently.
pub fn holds_as_sent(first: &ServerMessage) {
    if let Some(message) = as_sent(first) {
        assert_eq!(understood(&message), *first, "sent again as {message:?}");
    }
}

/// The same for what a server understood of a client's message.
///
/// # Panics
/// When the result is understood differently.
pub fn holds_as_passed_on(inbound: &Inbound, at: Position) {
    if let Some((message, expected)) = passed_on(inbound, at) {
        assert_eq!(understood(&message), expected, "{inbound:?} is passed on as {message:?}");
    }
}

/// Returns the payload of a text or binary message.
pub fn payload(inbound: &Inbound) -> Option<&Payload> {
    match inbound {
        Inbound::Application(Request { payload, .. })
        | Inbound::Direct { payload, .. }
        | Inbound::Reply { result: Ok(payload), .. } => Some(payload),
        Inbound::Join { .. }
        | Inbound::Resume { .. }
        | Inbound::Leave { .. }
        | Inbound::Members { .. }
        | Inbound::History { .. }
        | Inbound::Reply { .. }
        | Inbound::HealthPing { .. }
        | Inbound::HealthPong { .. }
        | Inbound::Malformed { .. }
        | Inbound::Raw(_) => None,
    }
}
