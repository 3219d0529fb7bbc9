//! Bounds, as a configuration gives them.

/// An upper bound that can be switched off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Limit(u32);

impl Limit {
    /// No bound.
    pub const NONE: Self = Self(u32::MAX);

    /// At most so many.
    pub const fn at_most(n: u32) -> Self {
        Self(n)
    }

    /// As configuration files have it: 0 switches the bound off.
    pub const fn zero_is_none(n: u32) -> Self {
        if n == 0 { Self::NONE } else { Self(n) }
    }

    /// Whether so many are too many.
    pub const fn is_exceeded_by(self, n: usize) -> bool {
        self.0 != u32::MAX && n > self.0 as usize
    }

    /// The bound, if there is one.
    pub const fn get(self) -> Option<u32> {
        if self.0 == u32::MAX { None } else { Some(self.0) }
    }
}
