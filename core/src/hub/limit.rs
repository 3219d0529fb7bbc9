//! Bounds and rates, as a configuration gives them.

use crate::hub::setting::settings;

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

settings! {
    /// How much one connection may send: on average, and at once.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Rate {
        /// in a second, on average; 0 switches the limit off.
        pub per_second: u32 = 0;
        /// at once, after a pause.
        pub burst: u32 = 0;
    }
}

impl Rate {
    /// No limit.
    pub const NONE: Self = Self { per_second: 0, burst: 0 };
}
