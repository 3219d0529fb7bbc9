//! The clients, each of which checks its own stream.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use smol::{Task, Timer};
use switchboard_core::client::{ClientConfig, State};
use switchboard_core::{Position, RoomName};
use switchboard_smol::{Client, ClientEvent, ClientSettings, Delivery, Events, Room, RoomChange};

use crate::log::Logs;

pub(crate) struct Crowd {
    people: Vec<Arc<Person>>,
    tallies: Arc<Mutex<Totals>>,
    logs: Arc<Logs>,
    _streams: Vec<Task<()>>,
}

struct Person {
    /// The executor that runs this client.
    room: Room,
    seen: Mutex<Seen>,
}

/// What one client has received.
#[derive(Default)]
struct Seen {
    /// Its position in the room's stream.
    at: Option<Position>,
    is_open: bool,
    is_dialling: bool,
    open_since_restart: Option<Duration>,
}

#[derive(Default, Clone)]
struct Totals {
    sent: u64,
    acknowledged: u64,
    failed: u64,
    delivered: u64,
    repeated: u64,
    missing: u64,
    refreshed: u64,
    announced: u64,
    gaps: u64,
    lagged: u64,
    opened: u64,
    dialling: usize,
    most_dialling: usize,
    restarted: Option<Instant>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Crowd {
    /// Starts all clients; the last one, `clients - 1`, joins room `(clients - 1) % rooms`.
    pub(crate) fn start(
        address: SocketAddr,
        clients: usize,
        rooms: usize,
        logs: Arc<Logs>,
    ) -> Result<Self, Box<dyn Error>> {
        let tallies = Arc::new(Mutex::new(Totals::default()));
        let (mut people, mut streams) = (Vec::new(), Vec::new());
        for n in 0..clients {
            // The defaults, except that one second without a cut makes a connection stable: cuts
            // are seconds apart here.
            let config = ClientConfig {
                stable_after: Duration::from_secs(1),
                buffer: 100_000,
                ..ClientConfig::default()
            };
            let settings = ClientSettings { config, ..ClientSettings::default() };
            let builder = Client::builder(&format!("ws://{address}/ws"))?;
            let (client, events) = builder.user(&format!("u{n}")).settings(settings).start()?;
            let room = client.room(&format!("room-{}", n % rooms))?;
            let person = Arc::new(Person { room, seen: Mutex::default() });
            let stream = watch(person.clone(), events, tallies.clone(), logs.clone());
            streams.push(smol::spawn(stream));
            people.push(person);
        }
        for person in &people {
            let person = person.clone();
            smol::spawn(async move {
                // Its stream starts here. A failure shows, because the client never gets in.
                if let Ok(joined) = person.room.join().await {
                    lock(&person.seen).at.get_or_insert(joined.position);
                }
            })
            .detach();
        }
        Ok(Self { people, tallies, logs, _streams: streams })
    }

    /// Makes the first client of each room publish until told to stop.
    pub(crate) fn publish(&self, rate: u32) -> Publishing {
        let rooms: std::collections::BTreeMap<_, _> =
            self.people.iter().rev().map(|person| (person.room.name(), person)).collect();
        let stop = smol::channel::bounded::<()>(1);
        let publishers = if rate == 0 { 0 } else { rooms.len() };
        let tasks = rooms.into_values().take(publishers).map(|person| {
            let (person, tallies) = (person.clone(), self.tallies.clone());
            let (logs, stop) = (self.logs.clone(), stop.1.clone());
            smol::spawn(publish(person, Duration::from_secs(1) / rate.max(1), tallies, logs, stop))
        });
        Publishing { tasks: tasks.collect(), stop: stop.0 }
    }

    /// Notes that the server has restarted: from here on, clients count as back once they are open.
    pub(crate) fn restarted(&self) {
        lock(&self.tallies).restarted = Some(Instant::now());
    }

    pub(crate) fn tally(&self) -> Tally {
        let totals = lock(&self.tallies).clone();
        let mut tally =
            Tally { clients: self.people.len(), totals, open: 0, behind: 0, back: Vec::new() };
        let mut lasts = HashMap::new();
        for person in &self.people {
            let seen = lock(&person.seen);
            let room: &RoomName = person.room.name();
            let last = *lasts.entry(room.clone()).or_insert_with(|| self.logs.last(room));
            tally.open += usize::from(seen.is_open && seen.at.is_some());
            tally.behind += usize::from(last.is_some_and(|last| seen.at != Some(last)));
            tally.back.extend(seen.open_since_restart);
        }
        tally.back.sort_unstable();
        tally
    }

    /// Waits until the condition holds.
    pub(crate) async fn until(
        &self,
        what: &str,
        patience: Duration,
        is: impl Fn(&Tally) -> bool,
    ) -> Result<(), Box<dyn Error>> {
        let began = Instant::now();
        loop {
            let tally = self.tally();
            if is(&tally) {
                return Ok(());
            }
            if began.elapsed() > patience {
                return Err(format!("in vain: {what}; {tally}").into());
            }
            Timer::after(Duration::from_millis(50)).await;
        }
    }
}

/// Stops the publishers' tasks when told to, but lets calls finish.
pub(crate) struct Publishing {
    tasks: Vec<Task<()>>,
    stop: smol::channel::Sender<()>,
}

impl Publishing {
    /// Lets the publishers wait for their last answers.
    pub(crate) async fn stop(self) {
        self.stop.close();
        for task in self.tasks {
            task.await;
        }
    }
}

async fn publish(
    person: Arc<Person>,
    pause: Duration,
    tallies: Arc<Mutex<Totals>>,
    logs: Arc<Logs>,
    stop: smol::channel::Receiver<()>,
) {
    let mut answers = Vec::new();
    for number in 0_u64.. {
        Timer::after(pause).await;
        if stop.is_closed() {
            break;
        }
        lock(&tallies).sent += 1;
        // Started here, so in order; awaited elsewhere, so that an outage does not delay the next
        // message.
        let answer = person.room.send("tick", &number);
        let (person, tallies, logs) = (person.clone(), tallies.clone(), logs.clone());
        answers.push(smol::spawn(async move {
            match answer.await {
                Ok(accepted) => {
                    lock(&tallies).acknowledged += 1;
                    if let Some(position) = accepted.event_id {
                        logs.acknowledged(person.room.name(), position, number);
                    }
                }
                Err(error) => {
                    lock(&tallies).failed += 1;
                    eprintln!("number {number} of {}: {error}", person.room.name());
                }
            }
        }));
    }
    for answer in answers {
        answer.await;
    }
}

/// Follows one client's events and checks them.
#[allow(clippy::wildcard_enum_match_arm, reason = "later versions may add events")]
async fn watch(
    person: Arc<Person>,
    mut events: Events,
    tallies: Arc<Mutex<Totals>>,
    logs: Arc<Logs>,
) {
    while let Some(event) = events.next_event().await {
        let mut seen = lock(&person.seen);
        let mut totals = lock(&tallies);
        match event {
            ClientEvent::Delivery(Delivery::Publication(message)) => {
                totals.delivered += 1;
                let (position, at) = (message.position, seen.at);
                match at {
                    Some(at) if at.epoch == position.epoch && position.offset <= at.offset => {
                        totals.repeated += 1;
                    }
                    Some(at) if at.epoch == position.epoch => {
                        totals.missing += position.offset - at.offset - 1;
                    }
                    // The numbering changed without a refresh.
                    Some(_) => totals.missing += 1,
                    None => {}
                }
                seen.at = Some(position);
                if let Ok(number) = message.payload.read() {
                    logs.saw(person.room.name(), position, number);
                }
            }
            ClientEvent::Delivery(Delivery::Refresh { position, .. }) => {
                totals.refreshed += 1;
                if let Some(at) = seen.at.filter(|at| at.epoch == position.epoch) {
                    totals.announced += position.offset.saturating_sub(at.offset);
                }
                seen.at = Some(position);
            }
            ClientEvent::Delivery(Delivery::Gap { position, dropped, .. }) => {
                totals.gaps += 1;
                totals.announced += dropped;
                seen.at = Some(position);
            }
            // The stream must continue where it was, unless a refresh, which comes next, says
            // otherwise.
            ClientEvent::Room { change: RoomChange::Joined(joined), .. }
                if joined.recovered == Some(true) && seen.at != Some(joined.position) =>
            {
                totals.missing += 1;
            }
            ClientEvent::Lagged(_) => totals.lagged += 1,
            ClientEvent::State { state, .. } => {
                totals.dialling -= usize::from(seen.is_dialling);
                seen.is_open = state == State::Open;
                seen.is_dialling = state == State::Connecting;
                totals.opened += u64::from(seen.is_open);
                totals.dialling += usize::from(seen.is_dialling);
                totals.most_dialling = totals.most_dialling.max(totals.dialling);
                if seen.is_open && seen.open_since_restart.is_none() {
                    seen.open_since_restart = totals.restarted.map(|at| at.elapsed());
                }
            }
            ClientEvent::Room { .. }
            | ClientEvent::Delivery(
                Delivery::Direct(_) | Delivery::MemberJoined { .. } | Delivery::MemberLeft { .. },
            )
            | ClientEvent::Request(_) => {}
            // Later versions may add events, but not about publications.
            _ => {}
        }
    }
}

/// The results so far.
pub(crate) struct Tally {
    clients: usize,
    totals: Totals,
    /// Clients that are connected and in their room.
    open: usize,
    /// Clients that do not have their whole room yet.
    behind: usize,
    /// How long each client took to return after the restart, sorted.
    back: Vec<Duration>,
}

impl Tally {
    pub(crate) fn everybody_is_in(&self) -> bool {
        self.open == self.clients
    }

    pub(crate) fn everybody_has_everything(&self) -> bool {
        self.everybody_is_in() && self.behind == 0
    }

    /// Returns whether nothing was lost, repeated or out of order.
    pub(crate) fn is_clean(&self, logs: &Logs) -> bool {
        let totals = &self.totals;
        let (twice, _, contradictions) = logs.faults();
        self.everybody_has_everything()
            && (totals.repeated, totals.missing, totals.gaps, totals.lagged) == (0, 0, 0, 0)
            && (totals.failed, twice, contradictions) == (0, 0, 0)
            && totals.sent == totals.acknowledged
    }

    /// Prints the whole result.
    pub(crate) fn report(&self, logs: &Logs) -> String {
        let totals = &self.totals;
        let (twice, again, contradictions) = logs.faults();
        let mut text = format!(
            "  sent {}, acknowledged {}, failed {}\n  delivered {}\n  repeated {}, missing {}, announced as \
             missing {}, refreshed {}, gaps {}\n  published twice {twice}, published again by a new server \
             {again}, contradictions {contradictions}, events not taken in time {}\n  connections {}, dialling at \
             once at most {}\n  connected {} of {}, without everything {}",
            totals.sent,
            totals.acknowledged,
            totals.failed,
            totals.delivered,
            totals.repeated,
            totals.missing,
            totals.announced,
            totals.refreshed,
            totals.gaps,
            totals.lagged,
            totals.opened,
            totals.most_dialling,
            self.open,
            self.clients,
            self.behind,
        );
        if let (Some(first), Some(last)) = (self.back.first(), self.back.last()) {
            let median = self.back[self.back.len() / 2];
            text += &format!(
                "\n  back after the restart {}: the first after {first:.1?}, half after {median:.1?}, the last \
                 after {last:.1?}",
                self.back.len()
            );
        }
        text
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals { sent, delivered, repeated, missing, refreshed, .. } = self.totals;
        write!(
            f,
            "{} of {} connected, {} behind; sent {sent}, delivered {delivered}, repeated {repeated}, missing \
             {missing}, refreshed {refreshed}",
            self.open, self.clients, self.behind
        )
    }
}
