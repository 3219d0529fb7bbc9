//! Everything that looks random, from one seed.

use std::time::Duration;

/// A sequence of numbers. Code that needs a separate sequence forks it by purpose, so that leaving
/// something out of a plan does not change what happens to the rest.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Returns the sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Forks a separate sequence for this part of the world.
    pub fn of(seed: u64, part: &[u64]) -> Self {
        let mut chance = Self(seed);
        for &number in part {
            chance = Self(chance.draw() ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93));
        }
        chance
    }

    /// Returns the next number (splitmix64).
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number from 0 up to, and not including, `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.draw() % n.max(1) as u64) as usize
    }

    /// Returns a number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.draw() % (high.saturating_sub(low) + 1)
    }

    /// Returns a time from `low` to `high` milliseconds.
    pub fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_micros(self.between(low * 1_000, high * 1_000))
    }

    /// Returns true once in `n` times.
    pub fn once_in(&mut self, n: u64) -> bool {
        self.draw().is_multiple_of(n.max(1))
    }

    /// Picks one of these.
    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}
