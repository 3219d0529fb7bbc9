//! Bounds as a configuration gives them.

/// An upper bound that can be switched off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Limit(u32);

impl Limit {
    /// No bound.
    pub const NONE: Self = Self(u32::MAX);

    /// At most this many.
    pub const fn at_most(n: u32) -> Self {
        Self(n)
    }

    /// Converts the value from a configuration file, where 0 switches the bound off.
    pub const fn zero_is_none(n: u32) -> Self {
        if n == 0 { Self::NONE } else { Self(n) }
    }

    /// Returns whether this number exceeds the bound.
    pub const fn is_exceeded_by(self, n: usize) -> bool {
        self.0 != u32::MAX && n > self.0 as usize
    }

    /// Returns the bound, if there is one.
    pub const fn get(self) -> Option<u32> {
        if self.0 == u32::MAX { None } else { Some(self.0) }
    }
}
