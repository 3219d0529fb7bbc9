//! The progress line on the terminal.

use std::io::{self, IsTerminal, Write};

use crate::figures::grouped;

const SECOND: u64 = 1_000_000_000;

/// A line on stderr that changes once a second, if stderr is a terminal.
pub(crate) struct Progress {
    is_shown: bool,
    next: u64,
    last: (u64, u64),
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { is_shown: io::stderr().is_terminal(), next: SECOND, last: (0, 0) }
    }

    /// Shows `line` if a second has passed. `line` gets the increase of `count` per second.
    pub(crate) fn show(&mut self, now: u64, count: u64, line: impl FnOnce(&str) -> String) {
        if !self.is_shown || now < self.next {
            return;
        }
        let (before, counted) = self.last;
        let seconds = (now - before) as f64 / SECOND as f64;
        let rate = (count.saturating_sub(counted) as f64 / seconds.max(0.001)).round() as u64;
        self.last = (now, count);
        self.next = now + SECOND;
        let text = line(&grouped(rate));
        // Progress is optional, so errors are ignored.
        let _ = write!(io::stderr(), "\r\x1b[K{:>4} s  {text}", now / SECOND);
        let _ = io::stderr().flush();
    }

    /// Clears the line.
    pub(crate) fn clear(&self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
