//! A restored hub continues as if it had never stopped, and a recording replays exactly.

use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use switchboard_core::recording::{Log, Payloads, Recorder, Replay, Wants};
use switchboard_core::{Event, Hub, Stats, Tap, Timestamp};
use switchboard_fuzz::check::{Scenario, events};
use switchboard_fuzz::ops::Op;
use switchboard_fuzz::setup::{SETUP_BYTES, Setup};

/// Runs 1,000 scenarios, or `SWITCHBOARD_CASES` of them.
fn holds(property: impl Fn(&Scenario, usize) -> Result<(), String>) {
    let cases = std::env::var("SWITCHBOARD_CASES").ok().and_then(|cases| cases.parse().ok());
    let config =
        Config { cases: cases.unwrap_or(1_000), failure_persistence: None, ..Config::default() };
    let setup = any::<[u8; SETUP_BYTES]>().prop_map(Setup::decode);
    let ops = prop::collection::vec(any::<[u8; 4]>().prop_map(Op::decode), 1..250);
    let scenarios = (setup, any::<u64>(), ops, 1..20usize).prop_map(|(setup, seed, ops, every)| {
        let setup = if seed % 3 == 0 { setup.roomy() } else { setup };
        (Scenario { setup, seed, ops }, every)
    });
    let result = TestRunner::new(config).run(&scenarios, |(scenario, every)| {
        property(&scenario, every).map_err(TestCaseError::fail)
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(why, (scenario, every))) => {
            panic!("{why}, every {every} events of {scenario:#?}")
        }
        Err(TestError::Abort(why)) => panic!("no scenarios: {why}"),
    }
}

fn new_hub(scenario: &Scenario) -> Result<Hub, String> {
    Hub::new(scenario.setup.0.clone(), scenario.seed, Timestamp::ZERO)
        .map_err(|error| error.to_string())
}

fn same<T: PartialEq + Debug>(what: &str, one: T, other: T) -> Result<(), String> {
    // Values that compare as equal must also print as equal.
    if one == other && format!("{one:?}") == format!("{other:?}") {
        return Ok(());
    }
    Err(format!("{what}: {one:?} without, {other:?} with a restart"))
}

#[test]
fn a_hub_that_is_put_together_again_goes_on_as_if_it_had_never_stopped() {
    holds(|scenario, every| {
        let (mut straight, mut restored) = (new_hub(scenario)?, new_hub(scenario)?);
        for (n, (now, event)) in events(scenario)?.into_iter().enumerate() {
            if n % every == 0 {
                let bytes = restored.checkpoint();
                restored = Hub::restore(&bytes).map_err(|damaged| damaged.to_string())?;
                if restored.checkpoint() != bytes {
                    return Err(format!("before event {n} the copy differs"));
                }
            }
            let mut other = restored.handle(now, event.clone());
            for action in straight.handle(now, event) {
                same(&format!("event {n}"), Some(action), other.next())?;
            }
            same(&format!("event {n}"), None, other.next())?;
            drop(other);
            same("deadline", straight.next_deadline(), restored.next_deadline())?;
            same("stats", straight.stats(), restored.stats())?;
        }
        Ok(())
    });
}

/// Segments in memory, each of a few events. Now and then it has no room.
#[derive(Clone, Debug)]
struct Pages {
    every: usize,
    pages: Arc<Mutex<Vec<Vec<u8>>>>,
    events: usize,
    full: usize,
}

impl Pages {
    fn pages(&self) -> Vec<Vec<u8>> {
        self.pages.lock().map(|pages| pages.clone()).unwrap_or_default()
    }
}

impl Log for Pages {
    fn wants(&mut self) -> Wants {
        self.full = self.full.saturating_sub(1);
        if self.full > 0 { Wants::Nothing } else { Wants::Segment }
    }

    fn begin(&mut self, head: &[u8]) -> Wants {
        self.events = 0;
        if let Ok(mut pages) = self.pages.lock() {
            pages.push(head.to_vec());
        }
        Wants::Event
    }

    fn add(&mut self, bytes: &[u8]) -> Wants {
        let Ok(mut pages) = self.pages.lock() else { return Wants::Nothing };
        if self.events == self.every * 2 && pages.len().is_multiple_of(4) {
            self.full = self.every;
            return Wants::Nothing;
        }
        if self.events >= self.every * 3 {
            return Wants::Segment;
        }
        self.events += 1;
        if let Some(page) = pages.last_mut() {
            page.extend_from_slice(bytes);
        }
        Wants::Event
    }

    fn end(&mut self, bytes: &[u8]) {
        if let Ok(mut pages) = self.pages.lock()
            && let Some(page) = pages.last_mut()
        {
            page.extend_from_slice(bytes);
        }
    }
}

/// Records a scenario.
fn record(
    scenario: &Scenario,
    every: usize,
    payloads: Payloads,
) -> Result<(Vec<Vec<u8>>, Vec<Stats>), String> {
    let mut hub = new_hub(scenario)?;
    let log = Pages { every, pages: Arc::default(), events: 0, full: 0 };
    let pages = log.clone();
    let mut recorder = Recorder::new(payloads, log);
    if let Some(key) = recorder.payload_key() {
        hub.hide_payloads(key);
    }
    let mut stats = vec![hub.stats()];
    for (now, event) in events(scenario)? {
        recorder.event(&hub, now, &event);
        for action in hub.handle(now, event) {
            recorder.action(&action);
        }
        stats.push(hub.stats());
    }
    drop(recorder);
    Ok((pages.pages(), stats))
}

/// Replays every segment of a scenario, and compares the state at its end with the original.
fn is_replayed(scenario: &Scenario, every: usize, payloads: Payloads) -> Result<(), String> {
    let (pages, stats) = record(scenario, every, payloads)?;
    let events = events(scenario)?;
    let mut next = 0;
    for page in pages {
        let mut replay = Replay::new(&page).map_err(|trouble| trouble.to_string())?;
        let (first, missed) = replay.first();
        same("where a segment begins", next + missed, first)?;
        same("the state at a beginning", &stats[first as usize], &replay.hub().stats())?;
        next = first;
        while let Some(entry) = replay.next_entry().map_err(|trouble| trouble.to_string())? {
            same("an event's number", next, entry.number)?;
            let (now, event) = &events[entry.number as usize];
            same("an event's time", *now, entry.now)?;
            if payloads == Payloads::Kept {
                same("an event", format!("{event:?}"), format!("{:?}", entry.event))?;
            }
            replay.apply(entry, |_| {});
            next += 1;
        }
        same("the state at an end", &stats[next as usize], &replay.hub().stats())?;
    }
    Ok(())
}

#[test]
fn what_was_recorded_happens_again() {
    holds(|scenario, every| is_replayed(scenario, every, Payloads::Kept));
}

#[test]
fn what_was_recorded_without_payloads_happens_again() {
    holds(|scenario, every| is_replayed(scenario, every, Payloads::Hashed { key: [1, 2] }));
}

/// Changes one byte, or replaces it with a large number. A forger would correct the checksums.
fn forge(bytes: &[u8], random: &mut u64) -> Vec<u8> {
    let mut next = || {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*random >> 33) as usize
    };
    let at = next() % bytes.len();
    let instead = match next() % 4 {
        0 => vec![bytes[at].wrapping_add(1)],
        1 => vec![bytes[at].wrapping_sub(1)],
        2 => vec![next() as u8],
        _ => [&[0xff; 9][..], &[next() as u8 & 1]].concat(),
    };
    [&bytes[..at], &instead, &bytes[at + 1..]].concat()
}

#[test]
fn a_hub_that_was_made_up_is_refused_or_lives_on() {
    let lived = AtomicUsize::new(0);
    holds(|scenario, _| {
        let events = events(scenario)?;
        let mut random = scenario.seed;
        let until = scenario.seed as usize % events.len().max(1);
        let mut hub = new_hub(scenario)?;
        for (now, event) in events[..until].iter().cloned() {
            hub.handle(now, event).for_each(drop);
        }
        let bytes = hub.checkpoint();
        for _ in 0..8 {
            let Ok(mut made_up) = Hub::restore(&forge(&bytes, &mut random)) else { continue };
            lived.fetch_add(1, Ordering::Relaxed);
            for (now, event) in events[until..].iter().cloned() {
                made_up.handle(now, event).for_each(drop);
            }
            let (timeout, spread) = (Duration::from_secs(1), Duration::ZERO);
            made_up.handle(Timestamp::ZERO, Event::Drain { timeout, spread }).for_each(drop);
            for _ in 0..100 {
                made_up.handle(Timestamp::MAX, Event::Tick).for_each(drop);
            }
        }
        Ok(())
    });
    assert!(lived.into_inner() > 0, "a change that makes no difference is none to refuse");
}

#[test]
fn a_recording_that_was_made_up_is_refused_or_replayed() {
    holds(|scenario, every| {
        let payloads = match scenario.seed % 2 {
            0 => Payloads::Kept,
            _ => Payloads::Hashed { key: [1, 2] },
        };
        let (pages, _) = record(scenario, every, payloads)?;
        let mut random = scenario.seed;
        for page in pages.iter().rev().take(8) {
            let page = forge(page, &mut random);
            let Ok(mut replay) = Replay::new(&page) else { continue };
            while let Ok(Some(entry)) = replay.next_entry() {
                replay.apply(entry, |_| {});
            }
        }
        Ok(())
    });
}
