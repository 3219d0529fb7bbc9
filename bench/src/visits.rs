//! Visitors: they connect, receive one message of their room, and leave.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::crowd::{Crowd, nanos};
use crate::figures::{Times, rounded};
use crate::ledger::{Kind, Ledger, News};
use crate::load::{Load, Pace, TICK};
use crate::report::Visits;
use crate::scenario::{Lengths, Run, failed, moment};
use crate::target::Place;

/// Messages a second in each room for visitors to receive.
const TICKS: f64 = 20.0;

/// Visitors to start before doing anything else.
const BATCH: u32 = 32;

/// A visit in progress.
#[derive(Default)]
struct Visit {
    begun: u64,
    opened: Option<u64>,
    left: Option<u64>,
}

struct Door {
    visits: HashMap<usize, Visit>,
    rate: f64,
    rooms: u32,
    /// Number of the next visitor.
    next: u64,
    first_user: u32,
    since: u64,
    /// Whether no more visitors are admitted.
    is_closed: bool,
    patience: u64,
    completed: u64,
    failed: u64,
    connect: Times,
    first_message: Times,
    goodbye: Times,
}

pub(crate) fn churn(run: &mut Run<'_>) -> Result<(), String> {
    let plan = run.plan;
    let rate = match plan.pace {
        Pace::Rate(rate) => rate,
        Pace::Window(_) => return Err("--window means nothing in churn".to_owned()),
    };
    let keepers = (0..plan.rooms).map(|number| (Place { room: number, user: number }, false));
    if !run.open_all(keepers)? {
        return Ok(());
    }
    run.arrange();
    run.first_round()?;
    let Lengths { time, patience, .. } = run.lengths;
    let Run { crowd, ledger, stop, progress, .. } = run;
    let pace = Pace::Rate(TICKS * f64::from(plan.rooms));
    let mut load = Load::begin(crowd, ledger, stop, progress, pace);
    let before = moment(&mut load);
    let mut door = Door {
        visits: HashMap::new(),
        rate,
        rooms: plan.rooms,
        next: 0,
        first_user: plan.connections,
        since: load.crowd.clock.now(),
        is_closed: false,
        patience: nanos(patience),
        completed: 0,
        failed: 0,
        connect: Times::default(),
        first_message: Times::default(),
        goodbye: Times::default(),
    };
    load.run_with(time, |crowd, ledger, now| Some(door.look(crowd, ledger, now)))
        .map_err(failed)?;
    let after = moment(&mut load);
    load.ledger.end_stretch(after.at());
    let completed_in_time = door.completed;
    door.is_closed = true;
    if !load.is_over() {
        // Visits in progress may finish.
        let longest = patience + Duration::from_secs(1);
        load.run_with(longest, |crowd, ledger, now| {
            let wait = door.look(crowd, ledger, now);
            (!door.visits.is_empty()).then_some(wait)
        })
        .map_err(failed)?;
    }
    load.drain().map_err(failed)?;
    let lateness = std::mem::take(&mut load.lateness);
    run.account(&before, &after, &lateness);
    let is_interrupted = run.stop.load(Relaxed);
    let unfinished = if is_interrupted { 0 } else { door.visits.len() as u64 };
    run.report.visits = Some(Visits {
        begun: door.next,
        completed: door.completed,
        failed: door.failed + unfinished,
        per_second: rounded(completed_in_time as f64 / after.seconds_since(&before)),
        connect: door.connect.percentiles(),
        first_message: door.first_message.percentiles(),
        goodbye: door.goodbye.percentiles(),
    });
    Ok(())
}

impl Door {
    /// Starts visits that are due, and handles events of the others. Returns how long it can wait.
    fn look(&mut self, crowd: &mut Crowd<'_>, ledger: &mut Ledger, now: u64) -> u64 {
        for news in std::mem::take(&mut ledger.news) {
            self.hear(news, crowd);
        }
        self.send_away(crowd, now);
        if self.is_closed {
            return TICK;
        }
        for _ in 0..BATCH {
            let due = self.since + (self.next as f64 / self.rate * 1e9) as u64;
            if due > now {
                return due - now;
            }
            let number = (self.next % u64::from(u32::MAX)) as u32;
            let user = self.first_user.wrapping_add(number);
            let place = Place { room: number % self.rooms, user };
            let at = crowd.dial(place, false, ledger);
            ledger.seat(at, place, Kind::Visitor);
            self.visits.insert(at, Visit { begun: crowd.begun(at), ..Visit::default() });
            self.next += 1;
        }
        0
    }

    fn hear(&mut self, news: News, crowd: &mut Crowd<'_>) {
        match news {
            News::Opened(at, now) => {
                if let Some(visit) = self.visits.get_mut(&at) {
                    visit.opened = Some(now);
                    self.connect.record(now - visit.begun);
                }
            }
            News::Heard(at, now) => {
                let Some(visit) = self.visits.get_mut(&at) else { return };
                if visit.left.is_none() {
                    self.first_message.record(now - visit.opened.unwrap_or(now));
                    visit.left = Some(crowd.clock.now());
                    crowd.leave(at);
                }
            }
            News::Ended(at, now) => {
                let Some(visit) = self.visits.remove(&at) else { return };
                match visit.left {
                    Some(left) => {
                        self.goodbye.record(now.saturating_sub(left));
                        self.completed += 1;
                    }
                    None => self.failed += 1,
                }
                crowd.recycle(at);
            }
        }
    }

    /// Ends visits that have received nothing for too long.
    fn send_away(&mut self, crowd: &mut Crowd<'_>, now: u64) {
        let patience = self.patience;
        let is_late = |visit: &Visit| {
            visit.left.is_none() && visit.opened.is_some_and(|opened| now > opened + patience)
        };
        for (at, visit) in &mut self.visits {
            if is_late(visit) {
                // It counts as failed once it ends, because it did not leave by itself.
                visit.opened = Some(u64::MAX - patience);
                crowd.leave(*at);
            }
        }
    }
}
