//! Worlds from seeds: a published set, or as many as `SWITCHBOARD_SEEDS` says, or the one of
//! `SWITCHBOARD_SEED`.

use std::time::{Duration, Instant};

use switchboard_simulator::{Figures, simulate};

/// What plain `cargo test` runs.
const PUBLISHED: std::ops::Range<u64> = 0..16;

/// Seeds whose worlds once broke a rule, beyond the published ones.
const ONCE_BROKEN: [u64; 7] = [28, 33, 36, 44, 49, 58, 226];

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} must be a number, and is {value:?}")))
}

fn seeds() -> Vec<u64> {
    match (number("SWITCHBOARD_SEED"), number("SWITCHBOARD_SEEDS")) {
        (Some(first), many) => (first..first + many.unwrap_or(1)).collect(),
        (None, Some(many)) => (0..many).collect(),
        (None, None) => PUBLISHED.chain(ONCE_BROKEN).collect(),
    }
}

#[test]
fn no_world_breaks_a_rule() {
    let (seeds, started) = (seeds(), Instant::now());
    let (mut all, mut broken) = (Figures::default(), Vec::new());
    for &seed in &seeds {
        match simulate(seed) {
            Ok(figures) => all.add(&figures),
            Err(failure) => {
                println!("{failure}\n");
                broken.push((seed, failure.violation.rule));
            }
        }
    }
    println!("{} worlds: {}", seeds.len(), all.per(started.elapsed()));
    assert!(broken.is_empty(), "these seeds broke a rule: {broken:?}");
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in [3, 5, 19] {
        let twice = [simulate(seed), simulate(seed)].map(|run| run.map_err(|f| f.to_string()));
        assert_eq!(twice[0], twice[1], "seed {seed}");
        assert!(twice[0].as_ref().is_ok_and(|figures| figures.simulated > Duration::ZERO));
    }
}
