//! Pseudo-random numbers, all derived from the hub's one seed.

use core::hash::{BuildHasher, Hasher};
use core::time::Duration;

use siphasher::sip::SipHasher13;

/// SplitMix64 (Steele, Lea and Flood, 2014): small, fast, and good enough for jitter. One number
/// reveals all others, so clients only get to see them in [disguise](Random::disguise).
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Random {
    state: u64,
    secret: Keyed,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // From a different sequence, so that no number drawn later reveals these.
        let mut other = !seed;
        let secret = Keyed(split_mix(&mut other), split_mix(&mut other));
        Self { state: seed, secret }
    }

    pub(crate) fn next(&mut self) -> u64 {
        split_mix(&mut self.state)
    }

    /// Returns what clients see in place of a number, so that it reveals no other.
    pub(crate) fn disguise(&self, number: u64) -> u64 {
        self.secret.hash_one(number)
    }

    /// Returns secret keys.
    pub(crate) fn secret(&self) -> Keyed {
        self.secret.clone()
    }

    /// Returns a duration from zero up to and including `max`.
    pub(crate) fn up_to(&mut self, max: Duration) -> Duration {
        let micros = u64::try_from(max.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(if micros == u64::MAX {
            self.next()
        } else {
            self.next() % (micros + 1)
        })
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Hashes with secret keys, because strangers choose the names of rooms and users.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Keyed(u64, u64);

impl Keyed {
    pub(crate) fn new(random: &mut Random) -> Self {
        Self(random.next(), random.next())
    }

    pub(crate) fn with_key(key: [u64; 2]) -> Self {
        Self(key[0], key[1])
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

/// A hash map with its key. The entries are sorted, so that the order of a hash map is never
/// visible.
#[cfg(feature = "recording")]
pub(crate) mod keyed {
    use alloc::boxed::Box;
    use alloc::vec::Vec;
    use core::hash::Hash;

    use hashbrown::HashMap;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Keyed;

    struct Sorted<'a, K, V>(&'a HashMap<K, V, Keyed>);

    impl<K: Serialize + Ord, V: Serialize> Serialize for Sorted<'_, K, V> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut entries: Vec<(&K, &V)> = self.0.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            (self.0.hasher(), entries).serialize(serializer)
        }
    }

    pub(crate) fn serialize<K: Serialize + Ord, V: Serialize, S: Serializer>(
        map: &HashMap<K, V, Keyed>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        Sorted(map).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, K, V, D>(d: D) -> Result<HashMap<K, V, Keyed>, D::Error>
    where
        K: Deserialize<'de> + Eq + Hash,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        let (keyed, entries) = <(Keyed, Vec<(K, V)>)>::deserialize(d)?;
        let mut map = HashMap::with_capacity_and_hasher(entries.len(), keyed);
        map.extend(entries);
        Ok(map)
    }

    /// The same for an optional map.
    pub(crate) mod maybe {
        use super::*;

        type Maybe<K, V> = Option<Box<HashMap<K, V, Keyed>>>;

        pub(crate) fn serialize<K: Serialize + Ord, V: Serialize, S: Serializer>(
            map: &Maybe<K, V>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            map.as_deref().map(Sorted).serialize(serializer)
        }

        #[derive(Deserialize)]
        #[serde(bound(deserialize = "K: Deserialize<'de> + Eq + Hash, V: Deserialize<'de>"))]
        struct Read<K, V>(#[serde(with = "super")] HashMap<K, V, Keyed>);

        pub(crate) fn deserialize<'de, K, V, D>(d: D) -> Result<Maybe<K, V>, D::Error>
        where
            K: Deserialize<'de> + Eq + Hash,
            V: Deserialize<'de>,
            D: Deserializer<'de>,
        {
            Ok(Option::<Read<K, V>>::deserialize(d)?.map(|read| Box::new(read.0)))
        }
    }
}
