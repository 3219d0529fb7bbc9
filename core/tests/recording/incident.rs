//! An incident, recorded and replayed: 10,000 connections, some of them slow, and a drain in the
//! middle.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use switchboard_core::recording::{Log, Payloads, Recorder, Replay, Wants};
use switchboard_core::{Action, Attempt, Codec, Driver, Event, Hub, Stats, Tap, Timestamp};

use crate::outlets::*;

const CONNECTIONS: usize = 10_000;

/// The size of a segment's events in bytes, after the hub's checkpoint.
const SEGMENT: usize = 100 * 1024;

/// Segments in memory, and the size of the hub's checkpoint in the last one.
#[derive(Clone, Default, Debug)]
struct Pages(Arc<Mutex<Vec<Vec<u8>>>>, Arc<AtomicUsize>);

impl Log for Pages {
    fn wants(&mut self) -> Wants {
        Wants::Segment
    }

    fn begin(&mut self, head: &[u8]) -> Wants {
        self.0.lock().expect("nobody panicked").push(head.to_vec());
        self.1.store(head.len(), Ordering::Relaxed);
        Wants::Event
    }

    fn add(&mut self, bytes: &[u8]) -> Wants {
        let mut pages = self.0.lock().expect("nobody panicked");
        let page = pages.last_mut().expect("one is begun");
        if page.len() + bytes.len() > self.1.load(Ordering::Relaxed) + SEGMENT {
            return Wants::Segment;
        }
        page.extend_from_slice(bytes);
        Wants::Event
    }

    fn end(&mut self, bytes: &[u8]) {
        let mut pages = self.0.lock().expect("nobody panicked");
        pages.last_mut().expect("one is begun").extend_from_slice(bytes);
    }
}

/// The actions of each event, as a hash.
type Looks = Arc<Mutex<Vec<DefaultHasher>>>;

/// A recorder, and a second tap that is independent of it.
#[derive(Debug)]
struct Both(Recorder<Pages>, Looks);

impl Tap for Both {
    fn payload_key(&self) -> Option<[u64; 2]> {
        self.0.payload_key()
    }

    fn event(&mut self, hub: &Hub, now: Timestamp, event: &Event) {
        self.0.event(hub, now, event);
        self.1.lock().expect("nobody panicked").push(DefaultHasher::new());
    }

    fn action(&mut self, action: &Action<'_>) {
        self.0.action(action);
        let mut looks = self.1.lock().expect("nobody panicked");
        look(looks.last_mut().expect("an event came before"), action);
    }
}

fn look(hasher: &mut DefaultHasher, action: &Action<'_>) {
    format!("{action:?}").hash(hasher);
}

/// The recording, and the final state.
struct Incident {
    pages: Vec<Vec<u8>>,
    looks: Vec<u64>,
    stats: Stats,
}

fn incident(payloads: Payloads) -> Incident {
    let (pages, looks) = (Pages::default(), Looks::default());
    let mut config = low_marks();
    config.heartbeat.interval = Duration::from_secs(30);
    config.rooms[0].1.presence = true;
    let driver = Driver::new(config, 1, NOW).expect("sound");
    let tap = Both(Recorder::new(payloads, pages.clone()), looks.clone());
    let mut driver = driver.with_tap(Box::new(tap));

    let mut now = NOW;
    let mut people = Vec::new();
    for n in 0..CONNECTIONS {
        now = now + Duration::from_micros(500);
        let rooms = vec![(named(&format!("room {}", n / 10)), None)];
        let user = named(&format!("user {n}"));
        let id = driver.connect(now, Attempt { rooms, ..Attempt::new(user) }).expect("a seat");
        let (outlet, socket) = Fake::new();
        assert!(driver.open(now, id, Codec::Json, outlet));
        if n % 100 == 0 {
            socket.takes(usize::MAX, 2_000);
        }
        people.push((id, socket));
    }
    for (n, (id, _)) in people.iter().enumerate() {
        now = now + Duration::from_micros(300);
        let text = format!(r#"{{"type":"chat","id":"{n}","payload":{{"text":"number {n}"}}}}"#);
        driver.text(now, *id, &text);
        if n % 64 == 0 {
            while driver.flush(now, 256) {}
            driver.tick_if_due(now);
        }
        if n == CONNECTIONS / 2 {
            driver.drain(now, Duration::from_secs(20), Duration::from_secs(5));
        }
        if n > CONNECTIONS / 2 && n % 3 > 0 {
            driver.peer_closed(now, people[n - 1].0, Some(1001));
        }
    }
    while let Some(next) = driver.next_deadline() {
        driver.tick(next);
    }
    let stats = driver.hub().stats();
    driver.detach_tap();
    let pages = pages.0.lock().expect("nobody panicked").clone();
    let looks = looks.lock().expect("nobody panicked").iter().map(Hasher::finish).collect();
    Incident { pages, looks, stats }
}

/// Replays the segments from this one on, and compares every action with the original.
fn is_replayed(incident: &Incident, from: usize) {
    let mut next = None;
    for (at, page) in incident.pages.iter().enumerate().skip(from) {
        let mut replay = Replay::new(page).expect("it can be read");
        let (first, missed) = replay.first();
        assert_eq!((next.unwrap_or(first), missed), (first, 0), "segment {at}");
        while let Some(entry) = replay.next_entry().expect("it replays") {
            let number = entry.number;
            let mut hasher = DefaultHasher::new();
            replay.apply(entry, |action| look(&mut hasher, action));
            // Payloads differ where only their hashes were recorded.
            if !replay.is_hashed() {
                assert_eq!(hasher.finish(), incident.looks[number as usize], "event {number}");
            }
            next = Some(number + 1);
        }
        assert!(replay.is_complete());
        if at + 1 == incident.pages.len() {
            assert_eq!(replay.hub().stats(), incident.stats);
        }
    }
    assert_eq!(next, Some(incident.looks.len() as u64));
}

#[test]
fn an_incident_happens_again_byte_for_byte() {
    let incident = incident(Payloads::Kept);
    assert_eq!((incident.stats.accepted, incident.stats.connections), (10_000, 0));
    let ended = |name| incident.stats.endings().find(|(found, _)| *found == name);
    assert!(ended("draining") > Some(("draining", 1_000)), "{:?}", incident.stats);
    assert!(ended("closed_by_peer") > Some(("closed_by_peer", 100)), "{:?}", incident.stats);
    assert!(incident.pages.len() > 2, "{}", incident.pages.len());
    is_replayed(&incident, 0);
    // Also from the last segment that is left in a ring.
    is_replayed(&incident, incident.pages.len() - 1);
}

#[test]
fn an_incident_happens_again_from_hashes() {
    let incident = incident(Payloads::Hashed { key: [3, 4] });
    let text: &[u8] = b"number 1";
    let told = |page: &Vec<u8>| page.windows(text.len()).any(|window| window == text);
    assert!(!incident.pages.iter().any(told), "a payload is in the recording");
    is_replayed(&incident, 0);
}

#[test]
fn a_hub_that_decides_otherwise_is_noticed() {
    let incident = incident(Payloads::Kept);
    let mut replay = Replay::new(&incident.pages[0]).expect("it can be read");
    let mut other = None;
    while let Some(entry) = replay.next_entry().expect("it replays so far") {
        if entry.number == 1_234 {
            other = Some(entry);
            break;
        }
        replay.apply(entry, |_| {});
    }
    let mut entry = other.expect("there is such an event");
    entry.event = Event::Drain { timeout: Duration::ZERO, spread: Duration::ZERO };
    replay.apply(entry, |_| {});
    assert_eq!(
        replay.next_entry().expect_err("it went otherwise"),
        switchboard_core::recording::Trouble::Different(1_234)
    );
    assert!(replay.next_entry().expect("it is over").is_none());
}
