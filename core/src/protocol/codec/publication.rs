//! Publications as JSON. They are what a server writes most, so they are written in one piece and without the serialiser.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::protocol::to_client::Publication;

use super::frame::{Frame, FrameBuilder, Opcode};

/// Everything but names, the offset and the payload, at its longest.
const FIXED: usize = 160;

/// The frame of a publication with a JSON payload.
pub(super) fn encode(publication: &Publication, payload: &[u8]) -> Frame {
    let Publication { room, kind, from, id, .. } = publication;
    let names = room.len()
        + kind.len()
        + from.as_ref().map_or(0, |from| from.len())
        + id.as_ref().map_or(0, |id| id.len());
    let mut builder = FrameBuilder::new(FIXED + names + payload.len());
    write(&mut builder.0, publication, true, "payload", payload);
    builder.finish(Opcode::Text, &Bytes::new())
}

/// Writes a publication whose payload is in this field, as JSON that is copied in as it is. In an answer about one room, it
/// does not name it.
pub(super) fn write(
    out: &mut Vec<u8>,
    publication: &Publication,
    with_room: bool,
    field: &str,
    payload: &[u8],
) {
    let Publication { room, kind, from, id, position, unix_ms, .. } = publication;
    out.extend_from_slice(b"{\"type\":");
    name(out, kind);
    if with_room {
        out.extend_from_slice(b",\"room\":");
        name(out, room);
    }
    if let Some(from) = from {
        out.extend_from_slice(b",\"from\":");
        name(out, from);
    }
    if let Some(id) = id {
        out.extend_from_slice(b",\"id\":");
        name(out, id);
    }
    out.extend_from_slice(b",\"event_id\":\"");
    hexadecimal(out, position.epoch.0);
    out.push(b':');
    decimal(out, position.offset);
    out.extend_from_slice(b"\",\"timestamp\":");
    decimal(out, *unix_ms);
    out.extend_from_slice(b",\"");
    out.extend_from_slice(field.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_slice(payload);
    out.push(b'}');
}

/// A name in quotes. It has no control characters, so there are two others that JSON wants escaped.
fn name(out: &mut Vec<u8>, name: &str) {
    out.push(b'"');
    let is_special = |byte: u8| matches!(byte, b'"' | b'\\');
    if name.bytes().any(is_special) {
        for byte in name.bytes() {
            if is_special(byte) {
                out.push(b'\\');
            }
            out.push(byte);
        }
    } else {
        out.extend_from_slice(name.as_bytes());
    }
    out.push(b'"');
}

fn hexadecimal(out: &mut Vec<u8>, number: u64) {
    let digit = |at: usize| b"0123456789abcdef"[(number >> (60 - 4 * at)) as usize & 15];
    out.extend_from_slice(&core::array::from_fn::<u8, 16, _>(digit));
}

fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::name::{Kind, MessageId, RoomName, UserName};
    use crate::protocol::payload::Payload;
    use crate::protocol::position::{Epoch, Position};
    use alloc::string::String;

    /// What a serialiser makes of the same, and that it reads what we write.
    #[test]
    fn a_publication_is_what_a_serialiser_would_write() {
        for number in [0, 1, 9, 10, 1_790_000_000_000, u64::MAX] {
            for text in ["x", "a\"b", "\\", "a/b", "Zoë 🦀\u{2028}"] {
                let publication = Publication {
                    room: RoomName::new(text).unwrap(),
                    position: Position { epoch: Epoch(number), offset: number },
                    kind: Kind::new(text).unwrap(),
                    from: (number > 0).then(|| UserName::new(text).unwrap()),
                    id: (number > 1).then(|| MessageId::new(text).unwrap()),
                    key: None,
                    unix_ms: number,
                    payload: Payload::null(),
                };
                let quoted = serde_json::to_string(text).unwrap();
                let (from, id) = (
                    if number > 0 { alloc::format!(",\"from\":{quoted}") } else { String::new() },
                    if number > 1 { alloc::format!(",\"id\":{quoted}") } else { String::new() },
                );
                let position = publication.position;
                let expected = alloc::format!(
                    "{{\"type\":{quoted},\"room\":{quoted}{from}{id},\"event_id\":\"{position}\",\
                     \"timestamp\":{number},\"payload\":[1]}}"
                );
                let frame = encode(&publication, b"[1]");
                assert_eq!(String::from_utf8(frame.payload().concat()).unwrap(), expected);
                let mut past = Vec::new();
                write(&mut past, &publication, false, "binary", b"\"eA==\"");
                let expected = expected
                    .replace(&alloc::format!("\"room\":{quoted},"), "")
                    .replace("\"payload\":[1]", "\"binary\":\"eA==\"");
                assert_eq!(String::from_utf8(past).unwrap(), expected);
            }
        }
    }
}
