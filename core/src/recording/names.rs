//! Names that were said a moment ago are not said again.

use alloc::string::String;
use alloc::vec::Vec;

use super::running::hash;

/// As many as a number of two bytes can tell apart, one of which means that the name follows.
const PLACES: usize = (1 << 14) - 1;

/// The last names, each in the place that its hash gives it, where it took the place of an older one. So whoever writes and whoever
/// reads have the same ones, and there are never more.
#[derive(Debug)]
pub(super) struct Names {
    /// Empty where nothing is yet. Names have at least one byte.
    places: Vec<String>,
}

impl Names {
    pub(super) fn new() -> Self {
        Self { places: alloc::vec![String::new(); PLACES] }
    }

    pub(super) fn clear(&mut self) {
        self.places.iter_mut().for_each(String::clear);
    }

    /// Where the name is. If it was not there, it is from now on.
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
