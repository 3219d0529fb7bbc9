//! Values by number, where the order in which free places are reused is part of the state.

use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

/// A vector with holes, and the list of its holes.
///
/// The place that was freed last is reused first. The next number therefore follows from the state
/// in this struct, and a hub restored from a copy of its tables assigns the same numbers.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Table<T> {
    pub(crate) places: Vec<Option<T>>,
    /// Places without a value; the last one is filled next.
    pub(crate) free: Vec<u32>,
}

impl<T> Table<T> {
    pub(crate) const fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    /// Puts a value into a free place. Returns its index.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if let Some(at) = self.free.pop() {
            self.places[at as usize] = Some(value);
            return at;
        }
        self.places.push(Some(value));
        (self.places.len() - 1) as u32
    }

    pub(crate) fn get(&self, at: u32) -> Option<&T> {
        self.places.get(at as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        self.places.get_mut(at as usize)?.as_mut()
    }

    pub(crate) fn remove(&mut self, at: u32) -> Option<T> {
        let value = self.places.get_mut(at as usize)?.take();
        if value.is_some() {
            self.free.push(at);
        }
        value
    }

    /// Returns the number of values.
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Returns whether the list of holes has every hole exactly once.
    #[cfg(feature = "recording")]
    pub(crate) fn is_whole(&self) -> bool {
        let holes = self.places.iter().filter(|place| place.is_none()).count();
        let listed: alloc::collections::BTreeSet<u32> = self.free.iter().copied().collect();
        let is_hole = |at: &u32| self.places.get(*at as usize).is_some_and(Option::is_none);
        listed.len() == self.free.len() && listed.len() == holes && listed.iter().all(is_hole)
    }

    /// Iterates over all values and their indices.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        let places = self.places.iter_mut().enumerate();
        places.filter_map(|(at, value)| Some((at as u32, value.as_mut()?)))
    }

    /// Iterates over the values from this index on, and their indices.
    pub(crate) fn iter_from(&self, start: usize) -> impl Iterator<Item = (u32, &T)> {
        let places = self.places.iter().enumerate().skip(start);
        places.filter_map(|(at, value)| Some((at as u32, value.as_ref()?)))
    }
}

/// For keys that are kept only as long as the value is there.
impl<T> Index<u32> for Table<T> {
    type Output = T;

    fn index(&self, at: u32) -> &T {
        self.get(at).expect("a key of a value that is there")
    }
}

impl<T> IndexMut<u32> for Table<T> {
    fn index_mut(&mut self, at: u32) -> &mut T {
        self.get_mut(at).expect("a key of a value that is there")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_place_that_became_free_is_filled_first() {
        let mut table = Table::new();
        let places: Vec<u32> = "abcd".chars().map(|value| table.insert(value)).collect();
        assert_eq!(places, [0, 1, 2, 3]);
        assert_eq!(table.remove(1), Some('b'));
        assert_eq!(table.remove(3), Some('d'));
        assert_eq!(table.remove(3), None);
        assert_eq!((table.len(), table.get(1)), (2, None));
        let places: Vec<u32> = "efg".chars().map(|value| table.insert(value)).collect();
        assert_eq!(places, [3, 1, 4]);
        let rest: Vec<_> = table.iter_from(2).map(|(at, value)| (at, *value)).collect();
        assert_eq!(rest, [(2, 'c'), (3, 'e'), (4, 'g')]);
    }

    #[test]
    fn a_copy_gives_out_the_same_places() {
        let mut table = Table::new();
        for value in 0..10 {
            table.insert(value);
        }
        for at in [7, 2, 5] {
            table.remove(at);
        }
        let mut copy = Table { places: table.places.clone(), free: table.free.clone() };
        for value in 0..5 {
            assert_eq!(copy.insert(value), table.insert(value));
        }
    }
}
