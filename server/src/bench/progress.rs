//! What happens meanwhile: the line on the terminal, and whether to stop.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::figures::grouped;

const SECOND: u64 = 1_000_000_000;

/// Set by the first Ctrl-C; the second ends the program.
#[derive(Clone)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(super) fn on_signals() -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag still down.
            flag::register_conditional_shutdown(signal, 130, stop.clone())?;
            flag::register(signal, stop.clone())?;
        }
        Ok(Self(stop))
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A line on stderr, once a second, where that is a terminal.
pub(super) struct Progress {
    is_shown: bool,
    next: u64,
    last: (u64, u64),
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { is_shown: io::stderr().is_terminal(), next: SECOND, last: (0, 0) }
    }

    /// Shows `line` if a second has passed; it gets how many of `count` there were in a second.
    pub(super) fn show(&mut self, now: u64, count: u64, line: impl FnOnce(&str) -> String) {
        if !self.is_shown || now < self.next {
            return;
        }
        let (before, counted) = self.last;
        let seconds = (now - before) as f64 / SECOND as f64;
        let rate = (count.saturating_sub(counted) as f64 / seconds.max(0.001)).round() as u64;
        self.last = (now, count);
        self.next = now + SECOND;
        let text = line(&grouped(rate));
        // Nobody is hurt when it cannot be shown.
        let _ = write!(io::stderr(), "\r\x1b[K{:>4} s  {text}", now / SECOND);
        let _ = io::stderr().flush();
    }

    /// Takes the line away.
    pub(super) fn clear(&self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
