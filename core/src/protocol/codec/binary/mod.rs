//! Binary frames: a fixed header, names, and an opaque payload.

pub(super) mod from_client;
pub(super) mod to_client;

use alloc::vec::Vec;

use crate::protocol::name::{Kind, NameError};
use crate::protocol::refusal::Refusal;

const VERSION: u8 = 1;

const PUBLISH: u8 = 0;
const DIRECT: u8 = 1;
const REPLY: u8 = 2;
/// Added to the kind of a message from a server.
const FROM_SERVER: u8 = 0x80;

/// The first bytes of every message.
struct Header {
    version: u8,
    kind: u8,
    /// The lengths of the names that follow: the room or user, the type, the id, the sender.
    names: [u8; 4],
    reserved: [u8; 2],
}

impl Header {
    const BYTES: usize = 8;

    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&[version, kind, target, name, id, from, r1, r2], rest) =
            bytes.split_first_chunk::<{ Self::BYTES }>()?;
        let names = [target, name, id, from];
        Some((Self { version, kind, names, reserved: [r1, r2] }, rest))
    }

    fn to_bytes(&self) -> [u8; Self::BYTES] {
        let ([target, name, id, from], [r1, r2]) = (self.names, self.reserved);
        [self.version, self.kind, target, name, id, from, r1, r2]
    }
}

/// The epoch, offset and timestamp between header and names of a message from a server.
type Numbers = [u64; 3];
const NUMBERS: usize = size_of::<Numbers>();

/// The number of bytes that [`write`] writes.
fn len(numbers: &[u64], names: [&str; 4]) -> usize {
    Header::BYTES + size_of_val(numbers) + names.map(str::len).iter().sum::<usize>()
}

/// Writes everything before the payload.
fn write(out: &mut Vec<u8>, kind: u8, numbers: &[u64], names: [&str; 4]) {
    // Names are at most 128 bytes by their types, so their lengths fit.
    let lengths = names.map(|name| name.len() as u8);
    let header = Header { version: VERSION, kind, names: lengths, reserved: [0; 2] };
    out.extend_from_slice(&header.to_bytes());
    for number in numbers {
        out.extend_from_slice(&number.to_be_bytes());
    }
    for name in names {
        out.extend_from_slice(name.as_bytes());
    }
}

/// Splits off the next name; `None` if the message ends within it.
fn cut<'a>(rest: &mut &'a [u8], len: u8) -> Option<&'a [u8]> {
    let (name, behind) = rest.split_at_checked(len.into())?;
    *rest = behind;
    Some(name)
}

fn text<'a>(field: &'static str, name: &'a [u8]) -> Result<&'a str, Refusal> {
    core::str::from_utf8(name).map_err(|_| Refusal::field(field, "must be UTF-8"))
}

/// A name, or `None` if it is empty.
fn name<T>(field: &'static str, text: &str) -> Result<Option<T>, Refusal>
where
    T: for<'t> TryFrom<&'t str, Error = NameError>,
{
    if text.is_empty() {
        return Ok(None);
    }
    T::try_from(text).map(Some).map_err(|error| Refusal::field(field, error))
}

/// The type of a publication: `binary` if the message has none.
fn kind(text: &str) -> Result<Kind, Refusal> {
    let text = if text.is_empty() { "binary" } else { text };
    Kind::new(text).map_err(|error| Refusal::field("type", error))
}
