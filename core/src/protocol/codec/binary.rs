//! Binary messages: a short fixed header, names, and a payload that nobody looks into.

use bytes::Bytes;

use crate::protocol::from_client::{Inbound, Request};
use crate::protocol::name::{Kind, MessageId, NameError};
use crate::protocol::payload::Payload;
use crate::protocol::refusal::{ErrorCode, Refusal};
use crate::protocol::to_client::{Direct, Publication};

use super::frame::{Frame, FrameBuilder, Opcode};

const VERSION: u8 = 1;
/// Version, kind, four lengths, two reserved bytes.
const HEADER: usize = 8;
/// Epoch, offset, timestamp: to clients only.
const NUMBERS: usize = 24;

const PUBLISH: u8 = 0;
const DIRECT: u8 = 1;
/// Set in what a server sends.
const FROM_SERVER: u8 = 0x80;
const REPLY: u8 = 2;

pub(super) fn decode(bytes: &Bytes) -> Inbound {
    read(bytes).unwrap_or_else(|refusal| Inbound::Malformed { id: None, refusal })
}

fn read(bytes: &Bytes) -> Result<Inbound, Refusal> {
    let bad = |what: &'static str| Refusal::new(ErrorCode::BadMessage, what);
    let Some(&[version, kind, target_len, kind_len, id_len, from_len, r1, r2]) =
        bytes.first_chunk::<HEADER>()
    else {
        return Err(bad("a binary message has a header of at least 8 bytes"));
    };
    if version != VERSION {
        return Err(bad("byte 0 of a binary message is its version, 1"));
    }
    if from_len != 0 || r1 != 0 || r2 != 0 {
        return Err(bad("bytes 5 to 7 of a client's binary message are 0"));
    }
    let mut rest = bytes.slice(HEADER..);
    let mut name = |field: &'static str, len: u8| {
        let len = usize::from(len);
        if rest.len() < len {
            return Err(bad("the binary message ends within its names"));
        }
        let name = rest.split_to(len);
        match core::str::from_utf8(&name) {
            Ok(text) => Ok(alloc::string::String::from(text)),
            Err(_) => Err(Refusal::field(field, "must be UTF-8")),
        }
    };
    let target = name(if kind == DIRECT { "to" } else { "room" }, target_len)?;
    let kind_name = name("type", kind_len)?;
    let id = name("id", id_len)?;
    let id = present::<MessageId>("id", &id)?;
    let payload = Payload::Binary(rest);
    let result = match kind {
        PUBLISH => (|| {
            let kind = if kind_name.is_empty() { "binary" } else { &kind_name };
            let kind = Kind::new(kind).map_err(|error| Refusal::field("type", error))?;
            let room = present("room", &target)?;
            Ok(Inbound::Application(Request { kind, id: id.clone(), room, key: None, payload }))
        })(),
        DIRECT => match present("to", &target) {
            Ok(Some(to)) => present("type", &kind_name).map(|kind| Inbound::Direct {
                id: id.clone(),
                to,
                kind,
                payload,
            }),
            Ok(None) => Err(Refusal::field("to", "is missing")),
            Err(refusal) => Err(refusal),
        },
        _ => Err(bad("byte 1 of a client's binary message is 0 (publish) or 1 (direct)")),
    };
    Ok(result.unwrap_or_else(|refusal| Inbound::Malformed { id, refusal }))
}

fn present<T>(field: &'static str, text: &str) -> Result<Option<T>, Refusal>
where
    T: for<'t> TryFrom<&'t str, Error = NameError>,
{
    if text.is_empty() {
        return Ok(None);
    }
    T::try_from(text).map(Some).map_err(|error| Refusal::field(field, error))
}

pub(super) fn publication(publication: &Publication, payload: &Bytes) -> Frame {
    let numbers = [publication.position.epoch.0, publication.position.offset, publication.unix_ms];
    let names = [
        &*publication.room,
        &*publication.kind,
        publication.id.as_deref().unwrap_or_default(),
        publication.from.as_deref().unwrap_or_default(),
    ];
    encode(FROM_SERVER | PUBLISH, numbers, names, payload)
}

pub(super) fn direct(direct: &Direct, payload: &Bytes) -> Frame {
    let names = [
        "",
        direct.kind.as_deref().unwrap_or_default(),
        direct.id.as_deref().unwrap_or_default(),
        direct.from.as_deref().unwrap_or_default(),
    ];
    encode(FROM_SERVER | DIRECT, [0, 0, direct.unix_ms], names, payload)
}

pub(super) fn reply(id: &MessageId, payload: &Bytes) -> Frame {
    encode(FROM_SERVER | REPLY, [0; 3], ["", "", id, ""], payload)
}

/// Names are at most 128 bytes by their types, so their lengths fit.
fn encode(kind: u8, numbers: [u64; 3], names: [&str; 4], payload: &Bytes) -> Frame {
    let mut builder =
        FrameBuilder::new(HEADER + NUMBERS + names.map(str::len).iter().sum::<usize>());
    let [target, kind_name, id, from] = names.map(|name| name.len() as u8);
    builder.0.extend_from_slice(&[VERSION, kind, target, kind_name, id, from, 0, 0]);
    for number in numbers {
        builder.0.extend_from_slice(&number.to_be_bytes());
    }
    for name in names {
        builder.0.extend_from_slice(name.as_bytes());
    }
    builder.finish(Opcode::Binary, payload)
}
