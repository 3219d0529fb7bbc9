//! The header of a client's frame (RFC 6455, 5.2).

use switchboard_core::CloseReason;

/// The longest payload of a control frame (RFC 6455, 5.5).
const CONTROL_MAX: usize = 125;

/// The longest header of a client's frame.
pub(super) const HEADER_MAX: usize = 14;

/// What a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Kind {
    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

#[derive(PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub(super) is_final: bool,
    pub(super) kind: Kind,
    /// One of the kinds above.
    is_known: bool,
    /// No extension has been agreed on that would give them a meaning.
    has_reserved_bits: bool,
    /// `None` is against the rules for a client.
    mask: Option<[u8; 4]>,
    len: usize,
    payload: u64,
}

impl Header {
    /// The header at the beginning of these bytes, if it is all there.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        let (known, kind) = match first & 0x0f {
            0x0 => (true, Kind::Continuation),
            0x1 => (true, Kind::Text),
            0x2 => (true, Kind::Binary),
            0x8 => (true, Kind::Close),
            0x9 => (true, Kind::Ping),
            0xa => (true, Kind::Pong),
            _ => (false, Kind::Continuation),
        };
        let (payload, rest) = match second & 0x7f {
            126 => {
                let (len, rest) = rest.split_first_chunk()?;
                (u64::from(u16::from_be_bytes(*len)), rest)
            }
            127 => {
                let (len, rest) = rest.split_first_chunk()?;
                (u64::from_be_bytes(*len), rest)
            }
            short => (u64::from(short), rest),
        };
        let (mask, rest) = if second & 0x80 == 0 {
            (None, rest)
        } else {
            let (mask, rest) = rest.split_first_chunk()?;
            (Some(*mask), rest)
        };
        Some(Self {
            is_final: first & 0x80 != 0,
            kind,
            is_known: known,
            has_reserved_bits: first & 0x70 != 0,
            mask,
            len: bytes.len() - rest.len(),
            payload,
        })
    }

    /// Which rule such a frame breaks, if messages may have at most `max_payload` bytes. Returns
    /// `None` for a frame that is allowed, although it may still come at the wrong time.
    pub(super) fn fault(&self, max_payload: usize) -> Option<CloseReason> {
        let is_control = self.kind.is_control();
        let most = if is_control { max_payload.max(CONTROL_MAX) } else { max_payload };
        let rule = |what: &'static str| Some(CloseReason::Protocol(what.into()));
        if !self.is_known {
            rule("nobody knows this kind of frame")
        } else if self.payload > most as u64 {
            Some(CloseReason::TooBig(max_payload))
        } else if self.has_reserved_bits {
            rule("a reserved bit is set")
        } else if self.mask.is_none() {
            rule("a client's frame has no mask")
        } else if is_control && !self.is_final {
            rule("a control frame is in pieces")
        } else if is_control && self.payload > CONTROL_MAX as u64 {
            rule("a control frame is longer than 125 bytes")
        } else {
            None
        }
    }

    /// Bytes of the whole frame. Only meaningful if it breaks no rule.
    pub(super) fn frame_len(&self) -> usize {
        self.len.saturating_add(usize::try_from(self.payload).unwrap_or(usize::MAX))
    }

    /// Unmasks the payload of the frame where it is (RFC 6455, 5.3).
    pub(super) fn unmask<'f>(&self, frame: &'f mut [u8]) -> &'f [u8] {
        let payload = &mut frame[self.len..];
        let [a, b, c, d] = self.mask.unwrap_or_default();
        let twice = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
        let (words, rest) = payload.as_chunks_mut::<8>();
        for word in words {
            *word = (u64::from_ne_bytes(*word) ^ twice).to_ne_bytes();
        }
        for (byte, mask) in rest.iter_mut().zip([a, b, c, d, a, b, c]) {
            *byte ^= mask;
        }
        payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame as RFC 6455 has it, masked.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::from([first]);
        match payload.len() {
            len @ 0..126 => bytes.push(0x80 | len as u8),
            len @ 126..0x1_0000 => {
                bytes.push(0x80 | 126);
                bytes.extend((len as u16).to_be_bytes());
            }
            len => {
                bytes.push(0x80 | 127);
                bytes.extend((len as u64).to_be_bytes());
            }
        }
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    #[test]
    fn it_reads_the_example_of_rfc_6455() {
        let mut bytes = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        let header = Header::read(&bytes).expect("it is whole");
        assert!(header.fault(5).is_none() && header.is_final && header.kind == Kind::Text);
        assert_eq!(header.frame_len(), bytes.len());
        assert_eq!(header.unmask(&mut bytes), b"Hello");
    }

    #[test]
    fn every_length_is_read_and_unmasked() {
        for len in [0, 1, 7, 8, 9, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let mut bytes = frame(0x82, &payload);
            let header = Header::read(&bytes).expect("it is whole");
            assert_eq!(header.fault(len), None);
            let less = len.checked_sub(1);
            assert_eq!(less.and_then(|less| header.fault(less)), less.map(CloseReason::TooBig));
            assert_eq!(header.frame_len(), bytes.len());
            assert_eq!(header.unmask(&mut bytes), payload);
        }
    }

    #[test]
    fn a_header_in_pieces_is_none_until_it_is_whole() {
        let bytes = frame(0x82, &[7; 70_000]);
        for len in 0..14 {
            assert_eq!(Header::read(&bytes[..len]), None, "{len}");
        }
        assert!(Header::read(&bytes[..14]).is_some());
    }

    #[test]
    fn what_a_client_must_not_send_is_named() {
        let fault = |bytes: &[u8], max| Header::read(bytes).expect("it is whole").fault(max);
        let rule = |what: &'static str| Some(CloseReason::Protocol(what.into()));
        for first in [0x83, 0x8b, 0xf7] {
            let unknown = rule("nobody knows this kind of frame");
            assert_eq!(fault(&frame(first, b"x"), 1_000), unknown, "{first:#x}");
        }
        for first in [0xc1, 0xa1, 0x91] {
            let bits = rule("a reserved bit is set");
            assert_eq!(fault(&frame(first, b"x"), 1_000), bits, "{first:#x}");
        }
        for first in [0x09, 0x08] {
            let pieces = rule("a control frame is in pieces");
            assert_eq!(fault(&frame(first, b"x"), 1_000), pieces, "{first:#x}");
        }
        let long = rule("a control frame is longer than 125 bytes");
        assert_eq!(fault(&frame(0x89, &[0; 126]), 1_000), long);
        assert_eq!(fault(&frame(0x89, &[0; 126]), 100), Some(CloseReason::TooBig(100)));
        assert_eq!(fault(&frame(0x89, &[0; 125]), 100), None);
        assert_eq!(fault(&[0x81, 0x00], 1_000), rule("a client's frame has no mask"));
    }
}
