//! Binary messages to clients.

use bytes::Bytes;

use crate::protocol::codec::frame::{Frame, FrameBuilder, Opcode};
use crate::protocol::name::{MessageId, NameError};
use crate::protocol::payload::Payload;
use crate::protocol::position::{Epoch, Position};
use crate::protocol::server_message::{Delivery, ServerMessage};
use crate::protocol::to_client::{Direct, Publication};

use super::{DIRECT, FROM_SERVER, Header, NUMBERS, Numbers, PUBLISH, REPLY, VERSION, cut, text};

const PUBLICATION: u8 = FROM_SERVER | PUBLISH;
const DIRECT_MESSAGE: u8 = FROM_SERVER | DIRECT;
const ANSWER: u8 = FROM_SERVER | REPLY;

pub(in super::super) fn publication(publication: &Publication, payload: &Bytes) -> Frame {
    let numbers = [publication.position.epoch.0, publication.position.offset, publication.unix_ms];
    let names = [
        &*publication.room,
        &*publication.kind,
        publication.id.as_deref().unwrap_or_default(),
        publication.from.as_deref().unwrap_or_default(),
    ];
    encode(PUBLICATION, numbers, names, payload)
}

pub(in super::super) fn direct(direct: &Direct, payload: &Bytes) -> Frame {
    let names = [
        "",
        direct.kind.as_deref().unwrap_or_default(),
        direct.id.as_deref().unwrap_or_default(),
        direct.from.as_deref().unwrap_or_default(),
    ];
    encode(DIRECT_MESSAGE, [0, 0, direct.unix_ms], names, payload)
}

pub(in super::super) fn reply(id: &MessageId, payload: &Bytes) -> Frame {
    encode(ANSWER, [0; 3], ["", "", id, ""], payload)
}

fn encode(kind: u8, numbers: Numbers, names: [&str; 4], payload: &Bytes) -> Frame {
    let mut builder = FrameBuilder::new(super::len(&numbers, names));
    super::write(&mut builder.0, kind, &numbers, names);
    builder.finish(Opcode::Binary, payload)
}

pub(in super::super) fn decode(bytes: &Bytes) -> Option<ServerMessage> {
    let (Header { version: VERSION, kind, names, reserved: [0, 0] }, rest) = Header::read(bytes)?
    else {
        return None;
    };
    let (numbers, mut rest) = rest.split_first_chunk::<NUMBERS>()?;
    let number =
        |at: usize| numbers[at..].first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let mut next = |at: usize| cut(&mut rest, names[at]);
    let [target, kind_name, id, from] = [next(0)?, next(1)?, next(2)?, next(3)?];
    let payload = Payload::Binary(bytes.slice_ref(rest));
    let unix_ms = number(16);
    Some(match kind {
        PUBLICATION => ServerMessage::Delivery(Delivery::Publication(Publication {
            room: name(target)??,
            position: Position { epoch: Epoch(number(0)), offset: number(8) },
            kind: super::kind(text("type", kind_name).ok()?).ok()?,
            from: name(from)?,
            id: name(id)?,
            key: None,
            unix_ms,
            payload,
        })),
        DIRECT_MESSAGE => ServerMessage::Delivery(Delivery::Direct(Direct {
            kind: name(kind_name)?,
            from: name(from)?,
            id: name(id)?,
            unix_ms,
            payload,
        })),
        ANSWER => ServerMessage::Ack { id: name(id)??, event_id: None, payload: Some(payload) },
        _ => return None,
    })
}

/// A name or its absence; `None` if it is invalid.
fn name<T>(bytes: &[u8]) -> Option<Option<T>>
where
    T: for<'t> TryFrom<&'t str, Error = NameError>,
{
    super::name("", text("", bytes).ok()?).ok()
}
