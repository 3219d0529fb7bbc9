//! Places in a table by name.

use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};

use crate::random::Keyed;

/// Finds what a name stands for.
///
/// The name itself is where the value is, which has to be looked at anyway; here is only a hash of
/// it, so that another value is hardly ever looked at, and growing looks at none. Places follow on
/// each other until one is free, in one block: among a million names, to find one costs one cache
/// miss, where a table with a block of tags before its entries costs two.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Names {
    /// As many as a power of two, at most three quarters of them in use. They are made again when
    /// they are read.
    #[cfg_attr(feature = "recording", serde(skip))]
    entries: Vec<Entry>,
    #[cfg_attr(feature = "recording", serde(skip))]
    used: usize,
    keyed: Keyed,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    /// [`FREE`] if there is none.
    at: u32,
}

const FREE: u32 = u32::MAX;

impl Names {
    pub(crate) const fn new(keyed: Keyed) -> Self {
        Self { entries: Vec::new(), used: 0, keyed }
    }

    /// Its keys are secret, so that nobody can choose names that come to lie in one place.
    fn hash(&self, name: &str) -> u32 {
        let mut hasher = self.keyed.build_hasher();
        hasher.write(name.as_bytes());
        hasher.finish() as u32
    }

    /// The index of the first entry that fits or is free, from where one with this hash would be.
    /// There is always a free one.
    fn probe(&self, hash: u32, fits: impl Fn(&Entry) -> bool) -> usize {
        let last = self.entries.len() - 1;
        let mut index = hash as usize & last;
        while self.entries[index].at != FREE && !fits(&self.entries[index]) {
            index = (index + 1) & last;
        }
        index
    }

    /// The place of this name; `has_name` says whether a value has it.
    pub(crate) fn find(&self, name: &str, has_name: impl Fn(u32) -> bool) -> Option<u32> {
        if self.used == 0 {
            return None;
        }
        let hash = self.hash(name);
        let index = self.probe(hash, |entry| entry.hash == hash && has_name(entry.at));
        let at = self.entries[index].at;
        (at != FREE).then_some(at)
    }

    /// Adds a name that is not there.
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

    /// Takes a name out. Those behind it that could be nearer to where they belong move there, so
    /// that none is lost.
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

    /// The table is small, so that names get into each other's way.
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
