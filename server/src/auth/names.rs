//! Names for users who connect without one.

use std::sync::atomic::{AtomicU64, Ordering};

const MOODS: [&str; 32] = [
    "amber", "brave", "bright", "calm", "clever", "cosy", "curious", "eager", "early", "fair",
    "gentle", "golden", "happy", "honest", "jolly", "keen", "kind", "lively", "lucky", "mellow",
    "merry", "nimble", "patient", "polite", "proud", "quick", "quiet", "silver", "steady", "sunny",
    "warm", "witty",
];

const ANIMALS: [&str; 32] = [
    "badger", "beaver", "bison", "crane", "dolphin", "falcon", "ferret", "finch", "fox", "gecko",
    "hare", "hedgehog", "heron", "ibex", "lark", "lynx", "marten", "mole", "newt", "otter", "owl",
    "panda", "puffin", "raven", "robin", "seal", "sparrow", "stork", "swift", "tapir", "toad",
    "wren",
];

/// The number of different moods, animals and numbers.
const NAMES: u64 = MOODS.len() as u64 * ANIMALS.len() as u64 * NUMBERS;

const NUMBERS: u64 = 900;

/// Makes up friendly names, such as `guest-quiet-otter-417`, and none of them twice. They prove
/// nothing: where names are only claimed, a client can claim one of these too.
#[derive(Debug)]
pub(crate) struct GuestNames {
    first: u64,
    step: u64,
    given: AtomicU64,
}

impl GuestNames {
    /// Names in an order that follows from the number.
    pub(crate) fn new(random: u64) -> Self {
        // A step without a factor of `NAMES` (2, 3 and 5) comes by every name before any again.
        let step = random / NAMES % (NAMES / 30) * 30 + 7;
        Self { first: random % NAMES, step, given: AtomicU64::new(0) }
    }

    /// Returns the next name that nobody has; a client may have claimed one.
    pub(crate) fn next(&self, is_taken: impl Fn(&str) -> bool) -> String {
        loop {
            let name = self.nth(self.given.fetch_add(1, Ordering::Relaxed));
            if !is_taken(&name) {
                return name;
            }
        }
    }

    fn nth(&self, number: u64) -> String {
        let round = number / NAMES;
        let mut rest = (self.first + number % NAMES * self.step) % NAMES;
        let mut pick = |count: u64| {
            let choice = rest % count;
            rest /= count;
            choice
        };
        let mood = MOODS[pick(MOODS.len() as u64) as usize];
        let animal = ANIMALS[pick(ANIMALS.len() as u64) as usize];
        let name = format!("guest-{mood}-{animal}-{}", 100 + pick(NUMBERS));
        // When all names are used up, they continue with another number.
        if round == 0 { name } else { format!("{name}-{}", round + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_guest_has_a_mood_an_animal_and_a_number() {
        assert_eq!(GuestNames::new(0).nth(0), "guest-amber-badger-100");
        let name = GuestNames::new(26 + 32 * (19 + 32 * 317)).next(|_| false);
        assert_eq!(name, "guest-quiet-otter-417");
        let name = GuestNames::new(u64::MAX).next(|_| false);
        assert_eq!(name.split('-').count(), 4, "{name}");
    }

    #[test]
    fn no_name_is_given_twice() {
        for random in [1, NAMES * 12_345 + 678] {
            let names = GuestNames::new(random);
            let given: HashSet<_> = (0..NAMES + 10).map(|_| names.next(|_| false)).collect();
            assert_eq!(given.len() as u64, NAMES + 10, "{random}");
        }
    }

    #[test]
    fn a_name_that_a_client_has_claimed_is_left_out() {
        let (names, same) = (GuestNames::new(7), GuestNames::new(7));
        let claimed = names.nth(0);
        assert_eq!(names.next(|name| name == claimed), same.nth(1));
    }
}
