//! What recording costs: `cargo run --release -p switchboard-core --features recording --example recording_cost`.
//!
//! 10,000 connections in rooms of ten, and in one room with everybody. The same events go into a hub alone and into one that is
//! recorded; the difference is what recording costs the hub's own thread.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use switchboard_core::recording::{Log, Payloads, Recorder, Replay, Wants};
use switchboard_core::{
    Action, Attempt, Codec, Config, ConnectionId, Event, Hub, Limit, Operation, Rate, RoomClass,
    RoomName, Tap, Ticket, Timestamp, UserName,
};

const CONNECTIONS: u64 = 10_000;
const ROUNDS: u64 = 20;

/// One segment in memory.
#[derive(Clone, Default, Debug)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    fn add(&self, bytes: &[u8]) -> Wants {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Wants::Event
    }
}

impl Log for Page {
    fn wants(&mut self) -> Wants {
        Wants::Event
    }

    fn begin(&mut self, head: &[u8]) -> Wants {
        Page::add(self, head)
    }

    fn add(&mut self, bytes: &[u8]) -> Wants {
        Page::add(self, bytes)
    }

    fn end(&mut self, bytes: &[u8]) {
        Page::add(self, bytes);
    }
}

/// A hub, and who records it.
struct World {
    hub: Hub,
    recorder: Option<Recorder<Page>>,
    now: Timestamp,
    events: u64,
}

impl World {
    fn new(recorder: Option<Recorder<Page>>) -> Result<Self, Box<dyn Error>> {
        let mut config = Config::default();
        config.limits.max_connections = Limit::NONE;
        config.limits.messages = Rate::NONE;
        let all = RoomClass { max_members: Limit::NONE, presence: false, ..RoomClass::default() };
        config.rooms = vec![("all".into(), all)];
        let mut hub = Hub::new(config, 1, Timestamp::ZERO)?;
        if let Some(key) = recorder.as_ref().and_then(Tap::payload_key) {
            hub.hide_payloads(key);
        }
        Ok(Self { hub, recorder, now: Timestamp::ZERO, events: 0 })
    }

    fn feed(&mut self, event: Event) -> Option<ConnectionId> {
        self.now = self.now + std::time::Duration::from_micros(50);
        self.events += 1;
        if let Some(recorder) = &mut self.recorder {
            recorder.event(&self.hub, self.now, &event);
        }
        let mut made = None;
        for action in self.hub.handle(self.now, event) {
            if let Action::Do(&Operation::Accept { connection, .. }) = action {
                made = Some(connection);
            }
            if let Some(recorder) = &mut self.recorder {
                recorder.action(&action);
            }
        }
        made
    }

    fn fill(&mut self) -> Result<Vec<ConnectionId>, Box<dyn Error>> {
        let mut people = Vec::new();
        for n in 0..CONNECTIONS {
            let rooms = vec![
                (RoomName::new(&format!("room {}", n / 10))?, None),
                (RoomName::new("all")?, None),
            ];
            let user = UserName::new(&format!("user {n}"))?;
            let id = self.feed(Event::Connect {
                ticket: Ticket(n),
                attempt: Attempt { rooms, ..Attempt::new(user) },
            });
            let id = id.ok_or("there are seats")?;
            self.feed(Event::Opened { connection: id });
            people.push(id);
        }
        Ok(people)
    }

    /// Everybody says something in a small room. Answers how long it took.
    fn chat(&mut self, people: &[ConnectionId]) -> f64 {
        let mut texts = (0..).map(|n| {
            format!(
                r#"{{"type":"chat","id":"{n}","room":"room {}","payload":{{"text":"hello everybody"}}}}"#,
                n % people.len() / 10
            )
        });
        let mut all = Vec::new();
        for _ in 0..ROUNDS {
            for (connection, text) in people.iter().zip(&mut texts) {
                let inbound = Codec::Json.decode_text(&text);
                all.push(Event::Received { connection: *connection, bytes: text.len(), inbound });
            }
        }
        self.time(all)
    }

    /// Something for everybody, as often as that.
    fn broadcast(&mut self, people: &[ConnectionId]) -> f64 {
        let text = r#"{"type":"chat","room":"all","payload":{"text":"hello everybody"}}"#;
        let event = |connection| Event::Received {
            connection,
            bytes: text.len(),
            inbound: Codec::Json.decode_text(text),
        };
        let all = people[..200].iter().copied().map(event).collect();
        self.time(all)
    }

    fn time(&mut self, events: Vec<Event>) -> f64 {
        let count = events.len() as f64;
        let began = Instant::now();
        for event in events {
            self.feed(event);
        }
        began.elapsed().as_secs_f64() * 1e9 / count
    }
}

fn checkpoint(what: &str, hub: &Hub) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let checkpoint = hub.checkpoint();
    let took = began.elapsed();
    let began = Instant::now();
    Hub::restore(&checkpoint)?;
    println!(
        "a checkpoint {what}: {:.1} ms and {} bytes, {:.1} ms to be read",
        took.as_secs_f64() * 1e3,
        checkpoint.len(),
        began.elapsed().as_secs_f64() * 1e3
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let page = Page::default();
    let bytes = || page.0.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
    let mut alone = World::new(None)?;
    let payloads = Payloads::Hashed { key: [1, 2] };
    let mut recorded = World::new(Some(Recorder::new(payloads, page.clone())))?;
    let (people, same) = (alone.fill()?, recorded.fill()?);
    println!("coming: {:.1} bytes an event", bytes() as f64 / recorded.events as f64);
    checkpoint("of those who have said nothing", &recorded.hub)?;

    let (before, at) = (recorded.events, bytes());
    let (without, with) = (alone.chat(&people), recorded.chat(&same));
    println!(
        "chat in rooms of ten: {without:.0} ns an event without, {with:.0} with; {:.1} bytes an event",
        (bytes() - at) as f64 / (recorded.events - before) as f64
    );
    let (without, with) = (alone.broadcast(&people), recorded.broadcast(&same));
    println!("to {CONNECTIONS} at once: {:.0} µs without, {:.0} with", without / 1e3, with / 1e3);

    checkpoint("with what they said", &recorded.hub)?;

    recorded.recorder = None;
    let segment = page.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let began = Instant::now();
    let mut replay = Replay::new(&segment)?;
    while let Some(entry) = replay.next_entry()? {
        replay.apply(entry, |_| {});
    }
    let seconds = began.elapsed().as_secs_f64();
    assert!(replay.is_complete());
    println!(
        "replay: {} events in {seconds:.2} s, {:.0} a second",
        recorded.events,
        recorded.events as f64 / seconds
    );
    Ok(())
}
