//! Numbers that look random, all from the hub's one seed.

use core::hash::{BuildHasher, Hasher};
use core::time::Duration;

use siphasher::sip::SipHasher13;

/// SplitMix64 (Steele, Lea and Flood, 2014): small, fast, and good enough for jitter and epochs. Not for secrets.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A duration from zero up to and including `max`.
    pub(crate) fn up_to(&mut self, max: Duration) -> Duration {
        let micros = u64::try_from(max.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(if micros == u64::MAX {
            self.next()
        } else {
            self.next() % (micros + 1)
        })
    }
}

/// Hashes with keys that strangers do not know: they choose the names of rooms and users.
#[derive(Clone, Debug)]
pub(crate) struct Keyed(u64, u64);

impl Keyed {
    pub(crate) fn new(random: &mut Random) -> Self {
        Self(random.next(), random.next())
    }
}

impl BuildHasher for Keyed {
    type Hasher = Sip;

    fn build_hasher(&self) -> Sip {
        Sip(SipHasher13::new_with_keys(self.0, self.1))
    }
}

/// SipHash-1-3.
#[derive(Debug)]
pub(crate) struct Sip(SipHasher13);

impl Hasher for Sip {
    fn finish(&self) -> u64 {
        self.0.finish()
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }
}
