//! Digests, which stand for payloads whose bytes are irrelevant or private.

use core::hash::{BuildHasher, Hasher};

use crate::random::Keyed;

/// Bytes of a digest. A shorter payload has a digest of its length.
pub(crate) const DIGEST_BYTES: usize = 8;

/// Rounds over a short payload, each of which changes every byte.
const PASSES: usize = 3;

/// How the digest of a payload is computed.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(Default))]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Digests {
    /// A hash.
    Hashed(Keyed),
    /// A hash, cut to the length of a shorter payload so that a stand-in can carry it.
    Hidden(Keyed),
    /// All payloads are [stand-ins](stand_in), which carry their digest.
    #[cfg(feature = "recording")]
    #[default]
    Carried,
}

impl Digests {
    /// Returns the digest. Different payloads of the same length almost certainly have different
    /// digests. Without the key, a digest reveals nothing about a payload that was not seen
    /// together with it.
    pub(crate) fn of(&self, payload: &[u8]) -> u64 {
        match self {
            Self::Hidden(keyed) if payload.len() < DIGEST_BYTES => first_bytes(payload, |short| {
                disguise(keyed, short);
            }),
            Self::Hashed(keyed) | Self::Hidden(keyed) => {
                let mut hasher = keyed.build_hasher();
                hasher.write(payload);
                hasher.finish()
            }
            #[cfg(feature = "recording")]
            Self::Carried => first_bytes(payload, |_| {}),
        }
    }
}

fn first_bytes(payload: &[u8], change: impl FnOnce(&mut [u8])) -> u64 {
    let mut digest = [0; DIGEST_BYTES];
    let short = payload.len().min(DIGEST_BYTES);
    digest[..short].copy_from_slice(&payload[..short]);
    change(&mut digest[..short]);
    u64::from_le_bytes(digest)
}

/// Each byte is shifted by a hash of the others, which is reversible: so no two payloads become
/// equal.
fn disguise(keyed: &Keyed, payload: &mut [u8]) {
    for pass in 0..PASSES {
        for at in 0..payload.len() {
            let byte = core::mem::take(&mut payload[at]);
            let mut hasher = keyed.build_hasher();
            hasher.write(&[pass as u8, at as u8]);
            hasher.write(payload);
            payload[at] = byte.wrapping_add(hasher.finish() as u8);
        }
    }
}

/// Returns bytes of the payload's length that carry its digest.
#[cfg(feature = "recording")]
pub(crate) fn stand_in(len: usize, digest: u64) -> alloc::vec::Vec<u8> {
    let mut bytes = alloc::vec![0; len];
    let short = len.min(DIGEST_BYTES);
    bytes[..short].copy_from_slice(&digest.to_le_bytes()[..short]);
    bytes
}

#[cfg(all(test, feature = "recording"))]
mod tests {
    use super::*;
    use crate::random::Random;
    use alloc::collections::BTreeSet;
    use alloc::vec;

    fn hidden(seed: u64) -> Digests {
        Digests::Hidden(Keyed::new(&mut Random::new(seed)))
    }

    #[test]
    fn a_stand_in_has_the_length_and_the_digest() {
        let digests = hidden(1);
        for len in 0..20 {
            let payload = vec![b'x'; len];
            let stand_in = stand_in(len, digests.of(&payload));
            assert_eq!(stand_in.len(), len);
            assert_eq!(Digests::Carried.of(&stand_in), digests.of(&payload), "{len} bytes");
        }
    }

    #[test]
    fn short_payloads_never_share_a_digest() {
        let digests = hidden(2);
        let all: BTreeSet<u64> = (0..=u16::MAX).map(|n| digests.of(&n.to_le_bytes())).collect();
        assert_eq!(all.len(), 1 << 16);
        let all: BTreeSet<u64> = (0..=u8::MAX).map(|n| digests.of(&[n])).collect();
        assert_eq!(all.len(), 1 << 8);
    }

    #[test]
    fn another_key_gives_other_digests() {
        for payload in [&b"null"[..], b"a longer payload"] {
            assert_ne!(hidden(1).of(payload), hidden(2).of(payload));
        }
    }
}
