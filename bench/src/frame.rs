//! Frames as a client reads and writes them.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::OpCode;

/// The longest message in bytes; a longer one ends its connection.
pub(crate) const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// A frame's place in the bytes that were read.
pub(crate) struct Found {
    pub(crate) opcode: OpCode,
    pub(crate) is_last: bool,
    pub(crate) header: usize,
    /// Bytes of header and payload.
    pub(crate) whole: usize,
}

/// Finds the frame at the start of `bytes`. Returns `None` if it is incomplete, and an error if a
/// server must not send it.
pub(crate) fn find(bytes: &[u8]) -> Result<Option<Found>, String> {
    let mut cursor = Cursor::new(bytes);
    let parsed = FrameHeader::parse(&mut cursor).map_err(|error| error.to_string())?;
    let Some((head, length)) = parsed else { return Ok(None) };
    if head.mask.is_some() {
        return Err("a frame from the server is masked".to_owned());
    }
    if head.rsv1 || head.rsv2 || head.rsv3 {
        return Err("a frame uses an extension that was not negotiated".to_owned());
    }
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_MESSAGE);
    let length = length.ok_or_else(|| format!("a message is longer than {MAX_MESSAGE} bytes"))?;
    let header = usize::try_from(cursor.position()).unwrap_or(bytes.len());
    let whole = header + length;
    if bytes.len() < whole {
        return Ok(None);
    }
    Ok(Some(Found { opcode: head.opcode, is_last: head.is_final, header, whole }))
}

/// Appends one masked frame.
pub(crate) fn put(out: &mut Vec<u8>, opcode: OpCode, payload: &[u8], mask: [u8; 4]) {
    let header = FrameHeader { opcode, mask: Some(mask), ..FrameHeader::default() };
    // Writing to memory cannot fail.
    let _ = header.format(payload.len() as u64, out);
    let start = out.len();
    out.extend_from_slice(payload);
    let (words, rest) = out[start..].as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

/// Returns code and reason of a close frame.
pub(crate) fn close(payload: &[u8]) -> (u16, String) {
    match payload {
        [high, low, reason @ ..] => {
            (u16::from_be_bytes([*high, *low]), String::from_utf8_lossy(reason).into_owned())
        }
        // RFC 6455's code for a close frame without one.
        _ => (1005, String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tungstenite::protocol::frame::coding::{Control, Data};

    #[test]
    fn frames_of_every_length_unmask_to_their_payload() {
        for length in [0_usize, 1, 3, 4, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> = (0..length).map(|at| (at * 7) as u8).collect();
            let mut bytes = b"before".to_vec();
            put(&mut bytes, OpCode::Data(Data::Text), &payload, [1, 2, 3, 4]);
            let mut cursor = Cursor::new(&bytes[6..]);
            let (head, told) = FrameHeader::parse(&mut cursor).unwrap().unwrap();
            assert_eq!((told, head.mask), (length as u64, Some([1, 2, 3, 4])));
            let body = &bytes[6 + cursor.position() as usize..];
            let clear: Vec<u8> = body
                .iter()
                .zip([1, 2, 3, 4].iter().cycle())
                .map(|(byte, mask)| byte ^ mask)
                .collect();
            assert_eq!(clear, payload);
        }
    }

    #[test]
    fn a_frame_is_found_when_it_is_complete() {
        let bytes = b"\x81\x05hello\x89\x00";
        for end in 0..7 {
            assert!(find(&bytes[..end]).unwrap().is_none(), "{end}");
        }
        let found = find(bytes).unwrap().unwrap();
        assert_eq!(&bytes[found.header..found.whole], b"hello");
        assert!(found.is_last);
        assert_eq!(find(&bytes[7..]).unwrap().unwrap().opcode, OpCode::Control(Control::Ping));
    }

    #[test]
    fn what_no_server_may_send_is_said() {
        for (bytes, why) in [
            (&b"\x81\x85abcdhello"[..], "masked"),
            (b"\xc1\x05hello", "extension"),
            (b"\x81\x7f\x00\x00\x00\x00\x7f\x00\x00\x00", "longer than"),
            (b"\x83\x00", "opcode"),
        ] {
            let said = find(bytes).err().unwrap();
            assert!(said.to_lowercase().contains(why), "{said}");
        }
    }
}
