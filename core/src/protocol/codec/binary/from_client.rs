//! Binary messages from clients.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::protocol::codec::Outbound;
use crate::protocol::from_client::{Inbound, Request};
use crate::protocol::name::{Kind, MessageId, RoomName, UserName};
use crate::protocol::payload::Payload;
use crate::protocol::refusal::{ErrorCode, Refusal};

use super::{DIRECT, Header, PUBLISH, VERSION, cut, kind, name, text};

pub(in super::super) fn decode(bytes: &Bytes) -> Inbound {
    read(bytes).unwrap_or_else(|refusal| Inbound::Malformed { id: None, refusal })
}

fn read(bytes: &Bytes) -> Result<Inbound, Refusal> {
    let bad = |what: &'static str| Refusal::new(ErrorCode::BadMessage, what);
    let Some((header, mut rest)) = Header::read(bytes) else {
        return Err(bad("a binary message has a header of at least 8 bytes"));
    };
    if header.version != VERSION {
        return Err(bad("byte 0 of a binary message is its version, 1"));
    }
    let ([target_len, kind_len, id_len, 0], [0, 0]) = (header.names, header.reserved) else {
        return Err(bad("bytes 5 to 7 of a client's binary message are 0"));
    };
    let mut next = |field, len| {
        let name = cut(&mut rest, len);
        text(field, name.ok_or_else(|| bad("the binary message ends within its names"))?)
    };
    let target = next(if header.kind == DIRECT { "to" } else { "room" }, target_len)?;
    let kind_name = next("type", kind_len)?;
    let id: Option<MessageId> = name("id", next("id", id_len)?)?;
    let payload = Payload::Binary(bytes.slice_ref(rest));
    let malformed = |refusal| Inbound::Malformed { id: id.clone(), refusal };
    let message = match header.kind {
        PUBLISH => (|| {
            let (kind, room) = (kind(kind_name)?, name("room", target)?);
            Ok(Inbound::Application(Request { kind, id: id.clone(), room, key: None, payload }))
        })(),
        DIRECT => (|| {
            let to = name("to", target)?.ok_or_else(|| Refusal::field("to", "is missing"))?;
            Ok(Inbound::Direct { id: id.clone(), to, kind: name("type", kind_name)?, payload })
        })(),
        _ => Err(bad("byte 1 of a client's binary message is 0 (publish) or 1 (direct)")),
    };
    Ok(message.unwrap_or_else(malformed))
}

pub(in super::super) fn publish(
    id: &str,
    room: Option<&RoomName>,
    kind: &Kind,
    payload: &Bytes,
) -> Outbound {
    encode(PUBLISH, [room.map_or("", RoomName::as_str), kind, id, ""], payload)
}

pub(in super::super) fn direct(id: &str, to: &UserName, payload: &Bytes) -> Outbound {
    encode(DIRECT, [to, "", id, ""], payload)
}

fn encode(kind: u8, names: [&str; 4], payload: &Bytes) -> Outbound {
    let mut message = Vec::with_capacity(super::len(&[], names) + payload.len());
    super::write(&mut message, kind, &[], names);
    message.extend_from_slice(payload);
    Outbound::Binary(message.into())
}
