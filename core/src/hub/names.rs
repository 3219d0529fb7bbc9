//! Places in a table by name.

use core::hash::{BuildHasher, Hasher};

use hashbrown::HashTable;

use crate::random::Keyed;

/// Finds what a name stands for. The name itself is where the value is, which has to be looked at anyway; here is only the
/// hash of it, so that another value is hardly ever looked at, and growing looks at none.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Names {
    /// Made again from the names when it is read.
    #[cfg_attr(feature = "recording", serde(skip))]
    hashes: HashTable<Entry>,
    keyed: Keyed,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    at: u32,
}

impl Entry {
    /// The table takes places from the low bits and a first look from the highest ones.
    fn spread(hash: u32) -> u64 {
        u64::from(hash) << 32 | u64::from(hash)
    }
}

impl Names {
    pub(super) const fn new(keyed: Keyed) -> Self {
        Self { hashes: HashTable::new(), keyed }
    }

    fn hash(&self, name: &str) -> u32 {
        let mut hasher = self.keyed.build_hasher();
        hasher.write(name.as_bytes());
        hasher.finish() as u32
    }

    /// The place of this name; `has_name` says whether a value has it.
    pub(super) fn find(&self, name: &str, has_name: impl Fn(u32) -> bool) -> Option<u32> {
        let hash = self.hash(name);
        let found =
            self.hashes.find(Entry::spread(hash), |entry| entry.hash == hash && has_name(entry.at));
        found.map(|entry| entry.at)
    }

    /// Adds a name that is not there.
    pub(super) fn insert(&mut self, name: &str, at: u32) {
        let hash = self.hash(name);
        let entry = Entry { hash, at };
        self.hashes.insert_unique(Entry::spread(hash), entry, |entry| Entry::spread(entry.hash));
    }

    pub(super) fn remove(&mut self, name: &str, at: u32) {
        let hash = Entry::spread(self.hash(name));
        if let Ok(entry) = self.hashes.find_entry(hash, |entry| entry.at == at) {
            entry.remove();
        }
    }
}
