//! The scenarios: which connections there are, and what they do.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use crate::crowd::Crowd;
use crate::failure;
use crate::figures::{Times, grouped, rounded};
use crate::ledger::{Counts, Kind, Ledger};
use crate::load::{Load, Pace, TICK};
use crate::options::{Plan, Scenario};
use crate::own::{Generator, Used};
use crate::progress::Progress;
use crate::report::{Connections, Idle, Report, Setting, Slow, Traffic};
use crate::target::{Place, Target};
use crate::text::Prepared;
use crate::visits;

/// How long without a message ends the first round.
const QUIET: Duration = Duration::from_millis(500);

/// How long the server may take to answer close frames.
const GOODBYE: Duration = Duration::from_secs(2);

/// Durations of a run.
#[derive(Clone, Copy)]
pub(crate) struct Lengths {
    pub(crate) warmup: Duration,
    pub(crate) time: Duration,
    pub(crate) patience: Duration,
}

pub(crate) struct Run<'t> {
    pub(crate) scenario: Scenario,
    pub(crate) plan: Plan,
    pub(crate) lengths: Lengths,
    pub(crate) target: &'t Target,
    pub(crate) crowd: Crowd<'t>,
    pub(crate) ledger: Ledger,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) progress: Progress,
    pub(crate) report: Report,
}

/// A snapshot of the totals.
pub(crate) struct Moment {
    at: u64,
    counts: Counts,
    used: Option<Used>,
}

impl Moment {
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    pub(crate) fn seconds_since(&self, before: &Self) -> f64 {
        (self.at - before.at).max(1) as f64 / 1e9
    }
}

impl Run<'_> {
    /// Runs the scenario and returns its report.
    pub(crate) fn measure(mut self) -> Result<Report, String> {
        let Plan { rooms, members, publishers, bytes, pace, .. } = self.plan;
        let (rate, window) = match (self.scenario, pace) {
            (Scenario::Connect | Scenario::Idle, _) => (None, None),
            (_, Pace::Rate(rate)) => (Some(rate), None),
            (_, Pace::Window(window)) => (None, Some(window)),
        };
        self.report.setting = Setting { rooms, members, publishers, bytes, rate, window };
        match self.scenario {
            Scenario::FanOut | Scenario::Rooms | Scenario::Echo => self.publish(),
            Scenario::Slow => self.publish(),
            Scenario::Connect => self.connect(),
            Scenario::Idle => self.idle(),
            Scenario::Churn => visits::churn(&mut self),
        }?;
        self.report.is_interrupted = self.stop.load(Relaxed);
        let tally = &self.crowd.tally;
        let mut ended = tally.dropped.clone();
        for (why, slow) in &self.ledger.slow_ended {
            ended.entry(why.clone()).and_modify(|count| *count = count.saturating_sub(*slow));
        }
        ended.retain(|_, count| *count > 0);
        self.report.connections.failed = tally.failed.clone();
        self.report.connections.ended = ended;
        let samples = tally.samples.clone();
        self.say_goodbye().map_err(failed)?;
        self.progress.clear();
        self.report.conclude(&samples);
        Ok(self.report)
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment { at: self.crowd.clock.now(), counts: self.ledger.counts(), used: Used::so_far() }
    }

    /// Opens connections, at most `at_once` concurrently.
    pub(crate) fn open(
        &mut self,
        seats: impl Iterator<Item = (Place, bool)>,
    ) -> io::Result<Moment> {
        let begun = self.moment();
        let mut seats = seats.peekable();
        while (seats.peek().is_some() || self.crowd.opening > 0) && !self.stop.load(Relaxed) {
            while self.crowd.opening < self.plan.at_once
                && let Some((place, is_slow)) = seats.next()
            {
                self.crowd.dial(place, is_slow, &mut self.ledger);
            }
            self.crowd.turn(Duration::from_nanos(TICK), &mut self.ledger)?;
            let open = self.crowd.open as u64;
            self.progress.show(self.crowd.clock.now(), open, |rate| {
                format!("{} connections  {rate}/s", grouped(open))
            });
        }
        let nanos = self.crowd.clock.now() - begun.at;
        let opened = self.crowd.tally.connect.percentiles().map_or(0, |times| times.samples);
        self.report.connections = Connections {
            opened,
            seconds: rounded(nanos as f64 / 1e9),
            per_second: rounded(opened as f64 / (nanos.max(1) as f64 / 1e9)),
            connect: self.crowd.tally.connect.percentiles(),
            ..Connections::default()
        };
        Ok(begun)
    }

    /// Opens connections where nothing can be measured unless all are open. Returns whether they
    /// are; if not, the run was interrupted.
    pub(crate) fn open_all(
        &mut self,
        seats: impl Iterator<Item = (Place, bool)>,
    ) -> Result<bool, String> {
        self.open(seats).map_err(failed)?;
        let tally = &self.crowd.tally;
        let mut reasons = tally.failed.clone();
        reasons.extend(tally.dropped.clone());
        if reasons.is_empty() {
            return Ok(self.report.connections.opened == u64::from(self.plan.connections));
        }
        self.progress.clear();
        let (opened, all) = (self.report.connections.opened, self.plan.connections);
        let why = failure::explain(&reasons, &tally.samples);
        let hello =
            if why.contains("template waits") { self.heard_so_far() } else { String::new() };
        Err(format!("only {opened} of {all} connections are open: {why}{hello}"))
    }

    /// Returns every connection's place and whether it is slow; slow members come last in their
    /// room.
    fn seats(&self) -> impl Iterator<Item = (Place, bool)> + use<> {
        let Plan { members, slow, connections, .. } = self.plan;
        (0..connections).map(move |user| {
            let place = Place { room: user / members, user };
            (place, user % members >= members - slow)
        })
    }

    /// Tells the ledger which connections publish and which listen. A connection's index is its
    /// user's number.
    pub(crate) fn arrange(&mut self) {
        let Plan { members, publishers, connections, bytes, .. } = self.plan;
        let target = self.target;
        // Alternate between rooms, so that messages of one room do not follow each other.
        for column in 0..publishers {
            for user in (column..connections).step_by(members as usize) {
                let room = user / members;
                let (name, user_name) = (target.room(room), target.user(user));
                let message = Prepared::new(&target.template.publish, &name, &user_name, bytes);
                self.ledger.add_publisher(user as usize, room, message);
            }
        }
        for (place, is_slow) in self.seats() {
            let kind = if is_slow { Kind::Slow } else { Kind::Member };
            self.ledger.seat(place.user as usize, place, kind);
        }
    }

    /// Requires that every publisher's first message reaches a member, or nothing can be measured.
    /// Finds out whether publishers receive their own messages.
    pub(crate) fn first_round(&mut self) -> Result<(), String> {
        let clock = self.crowd.clock;
        for index in 0..self.ledger.publishers() {
            self.ledger.publish(&mut self.crowd, index, clock.now());
            if index % 32 == 0 {
                self.crowd.turn(Duration::ZERO, &mut self.ledger).map_err(failed)?;
            }
        }
        let publishers = self.ledger.publishers() as u64;
        let everything = self.ledger.expected();
        let others = everything - if self.ledger.echo() == Some(false) { 0 } else { publishers };
        let mut seen = (self.ledger.counts(), clock.now());
        // Ignores Ctrl-C: this is over soon, and without it there is nothing to report.
        loop {
            self.crowd.turn(Duration::from_millis(10), &mut self.ledger).map_err(failed)?;
            let now = clock.now();
            let counts = self.ledger.counts();
            if counts.delivered >= everything {
                break;
            }
            if counts != seen.0 {
                seen = (counts, now);
            }
            let (own, others_heard) = self.ledger.heard_own();
            let has_no_echo = own == 0 && others_heard >= others && others > 0;
            let patience = if has_no_echo { QUIET } else { self.lengths.patience.min(GOODBYE) };
            if Duration::from_nanos(now - seen.1) > patience {
                break;
            }
        }
        let (own, _) = self.ledger.heard_own();
        let delivered = self.ledger.counts().delivered;
        if self.ledger.echo().is_none() {
            self.ledger.set_echo(own > 0 || self.plan.members == 1);
        }
        let expected = self.ledger.expected();
        if delivered == 0 && expected > 0 {
            self.progress.clear();
            let alone = if self.plan.members == 1 {
                "; the server must send a connection its own messages (in Switchboard `echo = true` \
                 of the room class)"
            } else {
                ""
            };
            let tally = &self.crowd.tally;
            let mut why = failure::explain(&tally.dropped, &tally.samples);
            why.insert_str(0, if why.is_empty() { "" } else { "; " });
            return Err(format!(
                "no message came back, {expected} deliveries were expected: does the template fit \
                 this server?{alone}{why}{}",
                self.heard_so_far()
            ));
        }
        Ok(())
    }

    /// Returns a sample of what the server sends, to help with a template that does not fit.
    fn heard_so_far(&self) -> String {
        match self.crowd.tally.samples.first() {
            Some(sample) => format!("; it sent, for example: {sample}"),
            None => "; it sent no message at all".to_owned(),
        }
    }

    /// Members publish, and everyone else in the room receives.
    fn publish(&mut self) -> Result<(), String> {
        if !self.open_all(self.seats())? {
            return Ok(());
        }
        self.arrange();
        self.first_round()?;
        let Lengths { warmup, time, .. } = self.lengths;
        let slow: Vec<usize> = self
            .seats()
            .filter(|(_, is_slow)| *is_slow)
            .map(|(place, _)| place.user as usize)
            .collect();
        let half = if slow.is_empty() { time } else { time / 2 };
        let Self { crowd, ledger, stop, progress, .. } = self;
        let mut load = Load::begin(crowd, ledger, stop, progress, self.plan.pace);
        load.run(warmup).map_err(failed)?;
        load.lateness.clear();
        let before = moment(&mut load);
        load.run(half).map_err(failed)?;
        if !slow.is_empty() {
            moment(&mut load);
            slow.iter().for_each(|at| load.crowd.set_deaf(*at, true, load.ledger));
            load.run(half).map_err(failed)?;
        }
        let after = moment(&mut load);
        load.ledger.end_stretch(after.at);
        load.drain().map_err(failed)?;
        if !slow.is_empty() {
            slow.iter().for_each(|at| load.crowd.set_deaf(*at, false, load.ledger));
            load.drain().map_err(failed)?;
        }
        let lateness = std::mem::take(&mut load.lateness);
        self.account(&before, &after, &lateness);
        if !slow.is_empty() {
            self.account_slow(slow.len() as u64);
        }
        Ok(())
    }

    /// Adds the figures between two snapshots to the report, and the totals.
    pub(crate) fn account(&mut self, before: &Moment, after: &Moment, lateness: &Times) {
        let nanos = after.at - before.at;
        let ledger = &self.ledger;
        let latency = ledger.stretches().first().and_then(|stretch| stretch.times.percentiles());
        let traffic = Traffic::account(ledger.counts(), ledger.expected(), ledger.missing());
        let mut traffic = traffic.measured(before.counts, after.counts, nanos);
        traffic.latency = latency;
        self.report.traffic = Some(traffic);
        let p99 = latency.map_or(0.0, |latency| latency.p99_us);
        self.report.generator = Some(Generator::new(before.used, after.used, nanos, lateness, p99));
    }

    fn account_slow(&mut self, members: u64) {
        let mut stretches = self.ledger.stretches().iter().map(|one| one.times.percentiles());
        self.report.slow = Some(Slow {
            members,
            latency_before: stretches.next().flatten(),
            latency_during: stretches.next().flatten(),
            delivered: self.ledger.counts().slow,
            missed: self.ledger.missing().slow,
            ended: self.ledger.slow_ended.clone(),
        });
        if let Some(traffic) = &mut self.report.traffic {
            // This scenario has two latencies, which are reported separately.
            traffic.latency = None;
        }
    }

    /// Opens all connections at once.
    fn connect(&mut self) -> Result<(), String> {
        let before = self.open(self.seats()).map_err(failed)?;
        let after = self.moment();
        if self.crowd.tally.connect.percentiles().is_none() && !self.stop.load(Relaxed) {
            let tally = &self.crowd.tally;
            let why = failure::explain(&tally.failed, &tally.samples);
            return Err(format!("no connection came about: {why}"));
        }
        let nanos = after.at - before.at;
        let lateness = Times::default();
        self.report.generator =
            Some(Generator::new(before.used, after.used, nanos, &lateness, 0.0));
        Ok(())
    }

    /// Sends nothing, and at the end checks that every connection still works.
    fn idle(&mut self) -> Result<(), String> {
        if !self.open_all(self.seats())? {
            return Ok(());
        }
        self.arrange();
        let before = self.moment();
        let end = Duration::from_nanos(before.at) + self.lengths.time;
        loop {
            let now = self.crowd.clock.now();
            let left = end.saturating_sub(Duration::from_nanos(now));
            if left.is_zero() || self.stop.load(Relaxed) {
                break;
            }
            let wait = left.min(Duration::from_nanos(TICK));
            self.crowd.turn(wait, &mut self.ledger).map_err(failed)?;
            let (open, pings) = (self.crowd.open as u64, self.crowd.tally.pings);
            self.progress
                .show(now, pings, |rate| format!("{} connections  {rate} pings/s", grouped(open)));
        }
        let after = self.moment();
        let nanos = after.at - before.at;
        let tally = &self.crowd.tally;
        let (pings, replies) = (tally.pings, tally.replies);
        self.report.idle = Some(Idle { seconds: rounded(nanos as f64 / 1e9), pings, replies });
        self.first_round()?;
        let ledger = &self.ledger;
        self.report.traffic =
            Some(Traffic::account(ledger.counts(), ledger.expected(), ledger.missing()));
        let lateness = Times::default();
        self.report.generator =
            Some(Generator::new(before.used, after.used, nanos, &lateness, 0.0));
        Ok(())
    }

    fn say_goodbye(&mut self) -> io::Result<()> {
        for at in 0..self.crowd.len() {
            self.crowd.leave(at);
            if at % 64 == 63 {
                self.crowd.turn(Duration::ZERO, &mut self.ledger)?;
            }
        }
        let end = Duration::from_nanos(self.crowd.clock.now()) + GOODBYE;
        while self.crowd.leaving > 0 && Duration::from_nanos(self.crowd.clock.now()) < end {
            self.crowd.turn(Duration::from_millis(10), &mut self.ledger)?;
        }
        Ok(())
    }
}

/// Takes a snapshot, and measures from there on.
pub(crate) fn moment(load: &mut Load<'_, '_>) -> Moment {
    let at = load.crowd.clock.now();
    load.ledger.begin_stretch(at);
    Moment { at, counts: load.ledger.counts(), used: Used::so_far() }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn failed(error: io::Error) -> String {
    format!("waiting for the sockets: {error}")
}
