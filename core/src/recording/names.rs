//! Replaces recently used names by short references.

use alloc::string::String;
use alloc::vec::Vec;

use super::running::hash;

/// As many as two bytes can number; one number means that the name follows.
const PLACES: usize = (1 << 14) - 1;

/// The last names, each in the place that its hash gives it, replacing an older one. So the writer
/// and the reader have the same names, and their number is bounded.
#[derive(Debug)]
pub(super) struct Names {
    /// Empty where there is no name yet. Names have at least one byte.
    places: Vec<String>,
}

impl Names {
    pub(super) fn new() -> Self {
        Self { places: alloc::vec![String::new(); PLACES] }
    }

    pub(super) fn clear(&mut self) {
        self.places.iter_mut().for_each(String::clear);
    }

    /// Returns the place of the name, and adds it if it was not there.
    pub(super) fn find_or_add(&mut self, name: &str) -> Option<usize> {
        let at = (hash(name.as_bytes()) % PLACES as u64) as usize;
        let place = &mut self.places[at];
        if place == name {
            return Some(at);
        }
        place.clear();
        place.push_str(name);
        None
    }

    pub(super) fn get(&self, at: usize) -> Option<&str> {
        self.places.get(at).map(String::as_str).filter(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_said_once_until_its_place_is_taken() {
        let mut names = Names::new();
        assert_eq!(names.find_or_add("lobby"), None);
        let at = names.find_or_add("lobby").expect("said before");
        assert_eq!(names.get(at), Some("lobby"));
        assert_eq!(names.get((at + 1) % PLACES), None);
        assert_eq!(names.get(PLACES), None);
        let other = (0..).map(|n| alloc::format!("room {n}")).find(|name| {
            names.find_or_add(name);
            names.get(at) == Some(name)
        });
        assert!(other.is_some());
        assert_eq!(names.find_or_add("lobby"), None);
        names.clear();
        assert_eq!(names.get(at), None);
    }
}
