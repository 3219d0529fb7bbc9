//! An index from names to places in a table.

use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};

use crate::random::Keyed;

/// A hash table that finds the place of a name.
///
/// The name itself is stored with its value, which has to be read anyway; only a hash of it is
/// here, so that a wrong value is rarely read, and growing reads none. Collisions go to the next
/// free entry of one block (linear probing): among a million names, a lookup costs one cache miss,
/// where a table with a block of tags before its entries costs two.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Names {
    /// A power of two of them, at most three quarters in use. They are rebuilt when they are read.
    #[cfg_attr(feature = "recording", serde(skip))]
    entries: Vec<Entry>,
    #[cfg_attr(feature = "recording", serde(skip))]
    used: usize,
    keyed: Keyed,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    /// The place, or [`FREE`].
    at: u32,
}

const FREE: u32 = u32::MAX;

impl Names {
    pub(crate) const fn new(keyed: Keyed) -> Self {
        Self { entries: Vec::new(), used: 0, keyed }
    }

    /// Its keys are secret, so that nobody can choose names that collide.
    fn hash(&self, name: &str) -> u32 {
        let mut hasher = self.keyed.build_hasher();
        hasher.write(name.as_bytes());
        hasher.finish() as u32
    }

    /// Returns the index of the first entry from this hash on that matches or is free. One is
    /// always free.
    fn probe(&self, hash: u32, fits: impl Fn(&Entry) -> bool) -> usize {
        let last = self.entries.len() - 1;
        let mut index = hash as usize & last;
        while self.entries[index].at != FREE && !fits(&self.entries[index]) {
            index = (index + 1) & last;
        }
        index
    }

    /// Returns the place of this name; `has_name` tells whether a value has it.
    pub(crate) fn find(&self, name: &str, has_name: impl Fn(u32) -> bool) -> Option<u32> {
        if self.used == 0 {
            return None;
        }
        let hash = self.hash(name);
        let index = self.probe(hash, |entry| entry.hash == hash && has_name(entry.at));
        let at = self.entries[index].at;
        (at != FREE).then_some(at)
    }

    /// Adds a name that is not in the index.
    pub(crate) fn insert(&mut self, name: &str, at: u32) {
        self.used += 1;
        if self.used * 4 > self.entries.len() * 3 {
            let larger = alloc::vec![Entry { hash: 0, at: FREE }; (self.entries.len() * 2).max(8)];
            for entry in core::mem::replace(&mut self.entries, larger) {
                if entry.at != FREE {
                    self.put(entry);
                }
            }
        }
        self.put(Entry { hash: self.hash(name), at });
    }

    fn put(&mut self, entry: Entry) {
        let index = self.probe(entry.hash, |_| false);
        self.entries[index] = entry;
    }

    /// Removes a name. Entries behind it move closer to where they belong, so that each is still
    /// found.
    pub(crate) fn remove(&mut self, name: &str, at: u32) {
        let last = self.entries.len() - 1;
        let mut hole = self.probe(self.hash(name), |entry| entry.at == at);
        let mut index = hole;
        loop {
            index = (index + 1) & last;
            let entry = self.entries[index];
            if entry.at == FREE {
                break;
            }
            let distance = |from: usize| index.wrapping_sub(from) & last;
            if distance(entry.hash as usize & last) >= distance(hole) {
                self.entries[hole] = entry;
                hole = index;
            }
        }
        self.entries[hole].at = FREE;
        self.used -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use alloc::collections::BTreeMap;
    use alloc::string::String;

    /// The table is small, so that names collide.
    #[test]
    fn names_are_found_until_they_are_taken_out() {
        let mut random = Random::new(5);
        let mut names = Names::new(Keyed::new(&mut random));
        let mut there: BTreeMap<u32, String> = BTreeMap::new();
        for step in 0..20_000 {
            let at = (random.next() % 300) as u32;
            let name = alloc::format!("name-{at}");
            // More and less, so that it is nearly full and nearly empty in between.
            let add = random.next() % 4 < if step / 2_000 % 2 == 0 { 3 } else { 1 };
            match there.remove(&at) {
                Some(name) if !add => names.remove(&name, at),
                Some(name) => {
                    there.insert(at, name);
                }
                None if add => {
                    names.insert(&name, at);
                    there.insert(at, name);
                }
                None => {}
            }
            assert_eq!(names.used, there.len());
            assert!(names.used * 4 <= names.entries.len() * 3);
            let at = (random.next() % 300) as u32;
            let name = alloc::format!("name-{at}");
            let found = names.find(&name, |at| there.get(&at).is_some_and(|it| *it == name));
            assert_eq!(found, there.contains_key(&at).then_some(at));
        }
    }
}
