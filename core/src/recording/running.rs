//! A running hash of everything added so far.

/// From the fractional part of the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Fast, but not cryptographic: inputs that were not made to collide have different hashes. Each
/// addition affects the result of all later ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Running(u64);

impl Running {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.mix(read(word));
        }
        self.mix(read(words.remainder()));
        self.mix(bytes.len() as u64);
    }

    /// Adds a number.
    pub(super) fn mix(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word ^ MULTIPLIER) * u128::from(MULTIPLIER);
        self.0 = (product >> 64) as u64 ^ (product as u64).rotate_left(23);
    }

    pub(super) fn get(self) -> u64 {
        self.0
    }
}

fn read(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

/// Returns the hash of this alone.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let mut running = Running::default();
    running.add(bytes);
    running.get()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec;

    #[test]
    fn lengths_bits_and_borders_show() {
        let mut all = BTreeSet::new();
        for len in 0..40 {
            all.insert(hash(&vec![0; len]));
            for bit in 0..len * 8 {
                let mut bytes = vec![0; len];
                bytes[bit / 8] |= 1 << (bit % 8);
                all.insert(hash(&bytes));
            }
        }
        assert_eq!(all.len(), 40 + (0..40).sum::<usize>() * 8);
        let mut parts = Running::default();
        parts.add(b"one");
        parts.add(b"two");
        assert_ne!(parts.get(), hash(b"onetwo"));
    }
}
