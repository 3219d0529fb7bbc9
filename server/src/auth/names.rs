//! Names for users who connect without one.

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

/// Returns a friendly name such as `guest-quiet-otter-417`, always the same for the same number.
/// Names are not unique and prove nothing.
pub(crate) fn anonymous_name(random: u64) -> String {
    let mut rest = random;
    let mut pick = |count: u64| {
        let choice = rest % count;
        rest /= count;
        choice
    };
    let mood = MOODS[pick(MOODS.len() as u64) as usize];
    let animal = ANIMALS[pick(ANIMALS.len() as u64) as usize];
    format!("guest-{mood}-{animal}-{}", 100 + pick(900))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_guest_has_a_mood_an_animal_and_a_number() {
        assert_eq!(anonymous_name(0), "guest-amber-badger-100");
        assert_eq!(anonymous_name(26 + 32 * (19 + 32 * 317)), "guest-quiet-otter-417");
        let name = anonymous_name(u64::MAX);
        assert_eq!(name.split('-').count(), 4, "{name}");
    }

    #[test]
    fn guests_seldom_share_a_name() {
        let names: HashSet<_> = (0..32 * 32 * 900).map(anonymous_name).collect();
        assert_eq!(names.len(), 32 * 32 * 900);
    }
}
