//! Binary messages: a short fixed header, names, and a payload that nobody looks into.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::protocol::name::{Kind, NameError};
use crate::protocol::payload::Payload;
use crate::protocol::position::{Epoch, Position};
use crate::protocol::to_client::{Direct, Publication};

use super::super::action::Outbound;
use super::ServerMessage;

const VERSION: u8 = 1;
/// Version, kind, four lengths, two reserved bytes.
const HEADER: usize = 8;
/// Epoch, offset, timestamp: from a server only.
const NUMBERS: usize = 24;

/// What a client's frame is.
pub(super) const PUBLISH: u8 = 0;
pub(super) const DIRECT: u8 = 1;

pub(super) fn decode(bytes: &Bytes) -> Option<ServerMessage> {
    let &[VERSION, kind, target_len, kind_len, id_len, from_len, 0, 0] =
        bytes.first_chunk::<HEADER>()?
    else {
        return None;
    };
    let numbers = bytes.get(HEADER..HEADER + NUMBERS)?;
    let number =
        |at: usize| numbers[at..].first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let mut rest = bytes.slice(HEADER + NUMBERS..);
    let mut text = |len: u8| {
        let len = usize::from(len);
        (rest.len() >= len).then(|| rest.split_to(len))
    };
    let [target, kind_name, id, from] =
        [text(target_len)?, text(kind_len)?, text(id_len)?, text(from_len)?];
    let payload = Payload::Binary(rest);
    let unix_ms = number(16);
    Some(match kind {
        128 => super::delivered(Publication {
            room: name(&target)??,
            position: Position { epoch: Epoch(number(0)), offset: number(8) },
            kind: match name(&kind_name)? {
                Some(kind) => kind,
                None => Kind::new("binary").ok()?,
            },
            from: name(&from)?,
            id: name(&id)?,
            key: None,
            unix_ms,
            payload,
        }),
        129 => super::delivered_direct(Direct {
            kind: name(&kind_name)?,
            from: name(&from)?,
            id: name(&id)?,
            unix_ms,
            payload,
        }),
        130 => ServerMessage::Ack { id: name(&id)??, event_id: None, payload: Some(payload) },
        _ => return None,
    })
}

/// `None` when it is there and is no name.
fn name<T>(bytes: &Bytes) -> Option<Option<T>>
where
    T: for<'t> TryFrom<&'t str, Error = NameError>,
{
    if bytes.is_empty() {
        return Some(None);
    }
    T::try_from(core::str::from_utf8(bytes).ok()?).ok().map(Some)
}

/// Names are at most 128 bytes by their types, so their lengths fit.
pub(super) fn encode(kind: u8, names: [&str; 3], payload: &Bytes) -> Outbound {
    let names_len: usize = names.map(str::len).iter().sum();
    let mut frame = Vec::with_capacity(HEADER + names_len + payload.len());
    let [target, kind_name, id] = names.map(|name| name.len() as u8);
    frame.extend_from_slice(&[VERSION, kind, target, kind_name, id, 0, 0, 0]);
    for name in names {
        frame.extend_from_slice(name.as_bytes());
    }
    frame.extend_from_slice(payload);
    Outbound::Binary(frame.into())
}
