//! Shows what a server saw: `switchboard replay FILE`.

mod moment;
mod state;
mod timeline;

use std::error::Error;
use std::fs;
use std::io::{self, BufWriter, ErrorKind, StdoutLock, Write};
use std::time::Instant;

use switchboard_core::recording::file::{Flaw, Segment, segments};
use switchboard_core::recording::{Replay, Trouble};
use switchboard_core::{Event, Hub, Timestamp};

use crate::cli;

use moment::Moment;
use timeline::{Filter, Timeline};

/// Replays a recording and shows it.
pub(crate) fn replay(options: &cli::Replay) -> Result<(), Box<dyn Error>> {
    let name = options.file.display();
    let filter = Filter::new(options)?;
    let bytes = fs::read(&options.file).map_err(|error| format!("{name}: {error}"))?;
    let segments = segments(&bytes).map_err(|none| format!("{name}: {none}"))?;
    drop(bytes);
    let mut play = Play {
        out: BufWriter::new(io::stdout().lock()),
        timeline: Timeline::new(filter, options.messages),
        options,
        until: None,
        events: 0,
        next: None,
        began: Instant::now(),
        troubles: 0,
    };
    match play.all(&segments) {
        // The reader of stdout has seen enough.
        Err(Stop::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(Stop::Output(error)) => Err(error.into()),
        Err(Stop::Troubles(troubles)) => {
            drop(play);
            Err(format!("{name}: {troubles}").into())
        }
        Ok(()) => Ok(()),
    }
}

/// Why the replay ends early.
enum Stop {
    Output(io::Error),
    Troubles(String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

struct Play<'a> {
    out: BufWriter<StdoutLock<'static>>,
    timeline: Timeline,
    options: &'a cli::Replay,
    /// When to stop, once known.
    until: Option<Timestamp>,
    events: u64,
    /// The number of the next event, if none is missing.
    next: Option<u64>,
    began: Instant,
    troubles: usize,
}

impl Play<'_> {
    fn all(&mut self, segments: &[Segment]) -> Result<(), Stop> {
        if segments.is_empty() {
            return Err(Stop::Troubles("no segment of the recording can be read".into()));
        }
        let mut before = None;
        for (index, segment) in segments.iter().enumerate() {
            if before.is_some_and(|before: u64| before.checked_add(1) != Some(segment.number)) {
                self.trouble(format_args!(
                    "a segment before segment {} is missing",
                    segment.number
                ))?;
            }
            before = Some(segment.number);
            let is_last = index + 1 == segments.len();
            if self.segment(segment, is_last)? {
                break;
            }
        }
        self.verdict()
    }

    /// Replays a segment. Returns whether the moment to stop at was reached.
    fn segment(&mut self, segment: &Segment, is_last: bool) -> Result<bool, Stop> {
        let mut replay = match Replay::new(&segment.bytes) {
            Ok(replay) => replay,
            Err(trouble) => {
                // A segment cut off in its first block has no hub yet.
                if is_last && segment.flaw.is_none_or(|flaw| matches!(flaw, Flaw::CutOff(_))) {
                    self.cut_off()?;
                } else {
                    self.trouble(format_args!("segment {}: {trouble}", segment.number))?;
                }
                return Ok(false);
            }
        };
        self.enter(&replay)?;
        if self.until.is_none() {
            self.find_end(replay.hub(), replay.now());
        }
        let trouble = loop {
            let entry = match replay.next_entry() {
                Ok(Some(entry)) => entry,
                Ok(None) => break None,
                Err(trouble) => break Some(trouble),
            };
            if self.until.is_some_and(|until| entry.now > until) {
                writeln!(self.out, "-- stopped at the given time")?;
                self.state(&replay)?;
                return Ok(true);
            }
            self.events += 1;
            self.next = Some(entry.number.saturating_add(1));
            let now = entry.now;
            let is_clock = matches!(entry.event, Event::WallClock { .. });
            if self.options.quiet {
                replay.apply(entry, |_| {});
            } else {
                self.timeline.event(replay.hub(), &entry);
                let timeline = &mut self.timeline;
                replay.apply(entry, |action| timeline.action(action));
            }
            if is_clock {
                self.find_end(replay.hub(), now);
            }
            let moment = Moment::of(replay.hub());
            for line in self.timeline.take() {
                writeln!(self.out, "{} {line}", moment.show(now))?;
            }
        };
        let is_damaged = segment.flaw.is_some_and(|flaw| matches!(flaw, Flaw::Damaged(_)));
        match (trouble, segment.flaw) {
            (Some(trouble @ Trouble::Different(_)), _) => {
                self.trouble(format_args!("{trouble}"))?;
            }
            (Some(trouble), None) => {
                self.trouble(format_args!("segment {}: {trouble}", segment.number))?;
            }
            (_, Some(flaw)) if is_damaged || !is_last => {
                self.trouble(format_args!("segment {}: {flaw}", segment.number))?;
            }
            (_, Some(_)) => self.cut_off()?,
            (None, None) if !replay.is_complete() && is_last => self.cut_off()?,
            (None, None) => {}
        }
        if is_last {
            self.state(&replay)?;
        }
        Ok(false)
    }

    /// Finds out when to stop. A time of day is the next one by the clock as it is now.
    fn find_end(&mut self, hub: &Hub, now: Timestamp) {
        self.until = self.options.until.map(|until| Moment::of(hub).find(until, now));
    }

    /// Reports how a segment starts.
    fn enter(&mut self, replay: &Replay<'_>) -> Result<(), Stop> {
        let (first, missed) = replay.first();
        let at = Moment::of(replay.hub()).show(replay.now());
        match self.next {
            None => {
                let payloads = if replay.is_hashed() { "payloads hashed" } else { "with payloads" };
                writeln!(self.out, "-- {at} begins with event {first}, {payloads}")?;
                if first > 0 {
                    writeln!(self.out, "-- what came before has been overwritten")?;
                }
                self.timeline.enter(replay.hub());
            }
            Some(next) if next == first => {}
            Some(next) => {
                let lost = first.saturating_sub(next);
                let why = if missed == lost { ": the disk was too slow for them" } else { "" };
                writeln!(self.out, "-- {at} {lost} events are missing before this{why}")?;
                self.timeline.enter(replay.hub());
            }
        }
        Ok(())
    }

    fn cut_off(&mut self) -> Result<(), Stop> {
        writeln!(
            self.out,
            "-- the recording ends here in the middle: the server was killed, or is still running"
        )?;
        Ok(())
    }

    fn trouble(&mut self, what: std::fmt::Arguments<'_>) -> Result<(), Stop> {
        self.troubles += 1;
        writeln!(self.out, "-- TROUBLE: {what}")?;
        Ok(())
    }

    fn state(&mut self, replay: &Replay<'_>) -> Result<(), Stop> {
        if self.options.state || self.options.until.is_some() {
            state::show(&mut self.out, replay.hub(), replay.now(), self.timeline.filter())?;
        }
        Ok(())
    }

    fn verdict(&mut self) -> Result<(), Stop> {
        let seconds = self.began.elapsed().as_secs_f64();
        let events = self.events;
        let how = match self.troubles {
            0 => "every action as it was recorded",
            _ => "see TROUBLE above",
        };
        writeln!(self.out, "-- {events} events in {seconds:.3} s: {how}")?;
        self.out.flush()?;
        match self.troubles {
            0 => Ok(()),
            1 => Err(Stop::Troubles("one part could not be reproduced".into())),
            troubles => Err(Stop::Troubles(format!("{troubles} parts could not be reproduced"))),
        }
    }
}
