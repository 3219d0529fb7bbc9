//! Reads a server's bytes as a client does.

/// Splits bytes into frames (RFC 6455, 5.2): the opcode and the payload of each. All must be
/// complete and unmasked.
pub(crate) fn frames(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let (mut rest, mut frames) = (bytes, Vec::new());
    while let [first, second, tail @ ..] = rest {
        assert_eq!((first & 0xf0, second & 0x80), (0x80, 0), "one unmasked frame a message");
        let extended = match second {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let len = match extended {
            0 => usize::from(*second),
            n => tail[..n].iter().fold(0, |len, byte| len << 8 | usize::from(*byte)),
        };
        let (payload, next) = tail[extended..].split_at(len);
        frames.push((first & 0x0f, payload.to_vec()));
        rest = next;
    }
    assert!(rest.is_empty(), "half a frame");
    frames
}
