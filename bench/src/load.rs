//! Publishing: at a fixed rate, or as fast as the server delivers.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use crate::crowd::{Crowd, nanos};
use crate::figures::{Times, grouped, spell};
use crate::ledger::Ledger;
use crate::progress::Progress;

/// The longest wait: signals, stalled loops and the progress line are checked this often.
pub(crate) const TICK: u64 = 50_000_000;

/// Messages published before sockets are polled again.
const BATCH: u32 = 64;

/// After this long without a delivery, no more are expected.
const QUIET: u64 = 1_000_000_000;

/// The longest wait for deliveries, even if more keep arriving.
const DRAIN: u64 = 10_000_000_000;

/// A repetition of the last message may follow it within this time.
const BEHIND: u64 = 50_000_000;

/// How messages are paced.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Pace {
    /// Messages a second, of all publishers together (an open loop).
    Rate(f64),
    /// Messages that each publisher keeps in flight (a closed loop).
    Window(u32),
}

/// The state of a load.
pub(crate) struct Load<'l, 't> {
    pub(crate) crowd: &'l mut Crowd<'t>,
    pub(crate) ledger: &'l mut Ledger,
    pub(crate) stop: &'l AtomicBool,
    pub(crate) progress: &'l mut Progress,
    pace: Pace,
    /// When the schedule started, and how many of its messages are sent.
    begun: u64,
    count: u64,
    pub(crate) lateness: Times,
}

impl<'l, 't> Load<'l, 't> {
    pub(crate) fn begin(
        crowd: &'l mut Crowd<'t>,
        ledger: &'l mut Ledger,
        stop: &'l AtomicBool,
        progress: &'l mut Progress,
        pace: Pace,
    ) -> Self {
        if let Pace::Window(window) = pace {
            ledger.close_loop(window);
        }
        let begun = crowd.clock.now();
        let lateness = Times::default();
        Self { crowd, ledger, stop, progress, pace, begun, count: 0, lateness }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stop.load(Relaxed) || self.ledger.is_silent(self.crowd)
    }

    /// Publishes for `length`, or until stopped.
    pub(crate) fn run(&mut self, length: Duration) -> io::Result<()> {
        self.run_with(length, |_, _, _| Some(TICK))
    }

    /// Like `run`, and calls `also` in between, which returns how long it can wait, or `None` when
    /// it has finished.
    pub(crate) fn run_with(
        &mut self,
        length: Duration,
        mut also: impl FnMut(&mut Crowd<'t>, &mut Ledger, u64) -> Option<u64>,
    ) -> io::Result<()> {
        let clock = self.crowd.clock;
        let end = clock.now().saturating_add(nanos(length));
        let mut tick = clock.now();
        loop {
            let now = clock.now();
            if now >= end {
                return Ok(());
            }
            if now >= tick {
                tick = now + TICK;
                if self.is_over() {
                    return Ok(());
                }
                self.ledger.give_up_stalled(now);
                self.show(now);
            }
            let Some(other) = also(self.crowd, self.ledger, now) else { return Ok(()) };
            let due = self.publish_due();
            let wait = due.min(other).min(end - now).min(tick - now);
            self.crowd.turn(Duration::from_nanos(wait), self.ledger)?;
        }
    }

    /// Publishes what is due. Returns how long nothing more is.
    fn publish_due(&mut self) -> u64 {
        let clock = self.crowd.clock;
        match self.pace {
            Pace::Rate(rate) => {
                for _ in 0..BATCH {
                    let due = self.begun + (self.count as f64 / rate * 1e9) as u64;
                    let now = clock.now();
                    if due > now {
                        return due - now;
                    }
                    let publisher = self.count % self.ledger.publishers() as u64;
                    self.ledger.publish(self.crowd, publisher as usize, due);
                    self.lateness.record(now - due);
                    self.count += 1;
                }
                0
            }
            Pace::Window(_) => {
                for publisher in self.ledger.take_permits() {
                    self.ledger.publish(self.crowd, publisher, clock.now());
                }
                TICK
            }
        }
    }

    fn show(&mut self, now: u64) {
        let times = self.ledger.stretches().last().and_then(|stretch| stretch.times.percentiles());
        let open = self.crowd.open;
        self.progress.show(now, self.ledger.counts().delivered, |rate| {
            let times = match times {
                Some(times) => format!("p50 {}  p99 {}", spell(times.p50_us), spell(times.p99_us)),
                None => "warming up".to_owned(),
            };
            format!("{rate} deliveries/s  {times}  {} connections", grouped(open as u64))
        });
    }

    /// Stops publishing, and waits for messages in flight.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        self.ledger.open_loop();
        let clock = self.crowd.clock;
        let begun = clock.now();
        let mut seen = (self.ledger.counts(), begun);
        let end = begun + if self.stop.load(Relaxed) { QUIET } else { DRAIN };
        loop {
            let now = clock.now();
            let counts = self.ledger.counts();
            if counts != seen.0 {
                seen = (counts, now);
            }
            let is_complete = counts.delivered >= self.ledger.expected();
            let patience = if is_complete { BEHIND } else { QUIET };
            if now >= end || now >= seen.1 + patience {
                return Ok(());
            }
            self.crowd.turn(Duration::from_millis(10), self.ledger)?;
        }
    }
}
