//! A person: an application, the real client machine under it, and its own clock.

use std::collections::BTreeMap;
use std::time::Duration;

use switchboard_core::client::{ClientConfig, Machine, MachineEvent, Question};
use switchboard_core::{Json, Kind, Payload, RoomName, Ticket, Timestamp};

use crate::chance::Chance;
use crate::checks::{Stream, Verdict, Who, rule};
use crate::link::LinkId;
use crate::plan::{Act, HANDLED, PersonPlan, Plan};

/// The call behind a ticket.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) enum Call {
    Join(usize),
    Leave(usize),
    /// A message to a room, with its mark.
    Say(usize, String),
    Whisper,
    Work,
    Members(usize),
    History(usize),
}

/// The clock of a client or of a node: slightly fast or slow, and set now and then.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    /// What it showed when it was set, in microseconds.
    pub(crate) shows: u64,
    /// When it was set, in the world's time.
    pub(crate) at: Timestamp,
    /// How much faster than the world it runs, in millionths.
    pub(crate) ppm: i64,
}

impl Clock {
    /// Returns what it shows at this time of the world.
    pub(crate) fn read(&self, now: Timestamp) -> Timestamp {
        let passed = (now - self.at).as_micros() as i128;
        let passed = passed * i128::from(1_000_000 + self.ppm) / 1_000_000;
        Timestamp::from_micros(self.shows + passed as u64)
    }

    /// Returns when it will show this.
    pub(crate) fn when(&self, now: Timestamp, shown: Timestamp) -> Timestamp {
        let left = (shown - self.read(now)).as_micros() as i128;
        let left = left * 1_000_000 / i128::from(1_000_000 + self.ppm) + 1;
        now + Duration::from_micros(if shown <= self.read(now) { 0 } else { left as u64 })
    }

    /// Sets it forward or back.
    pub(crate) fn jump(&mut self, now: Timestamp, by_ms: i64) {
        self.shows = self.read(now).as_micros().saturating_add_signed(by_ms * 1_000);
        self.at = now;
    }
}

/// A person with a client.
#[derive(Debug)]
pub(crate) struct Person {
    /// What the person is and does.
    pub(crate) plan: PersonPlan,
    pub(crate) client: Machine,
    pub(crate) clock: Clock,
    /// The socket.
    pub(crate) link: Option<LinkId>,
    /// How often it has dialled.
    pub(crate) dials: u64,
    /// Whether it wants to be connected.
    pub(crate) started: bool,
    /// How often it has stopped; each stop forgets the session.
    pub(crate) incarnation: u64,
    /// Nothing is read or done until this time.
    pub(crate) asleep_until: Timestamp,
    /// There is no network until this time.
    pub(crate) offline_until: Timestamp,
    /// The bytes it reads per second, and until when.
    pub(crate) slow: Option<(u64, Timestamp)>,
    /// When the world next ticks its machine.
    pub(crate) wake_at: Timestamp,
    /// What it was told, by room.
    pub(crate) streams: Vec<Stream>,
    /// Direct messages that it received, by the server's life and the id.
    pub(crate) whispers: std::collections::BTreeSet<(u64, String)>,
    calls: BTreeMap<Ticket, Call>,
    cancelled: std::collections::BTreeSet<Ticket>,
    tickets: u64,
}

impl Person {
    /// Makes a person who has not started.
    pub(crate) fn new(plan: &PersonPlan, seed: u64, rooms: usize) -> Self {
        let mut chance = Chance::of(seed, &[4, plan.number as u64]);
        let prefix = format!("{}.", plan.name.replace(['\'', ' '], ""));
        let client = Machine::new(ClientConfig::default(), &prefix, chance.draw() as u32);
        let client = client.unwrap_or_else(|_| unreachable!("the prefix is a short name"));
        let clock = Clock { shows: plan.clock, at: Timestamp::ZERO, ppm: plan.drift_ppm };
        Self {
            client,
            clock,
            link: None,
            dials: 0,
            started: false,
            incarnation: 0,
            asleep_until: Timestamp::ZERO,
            offline_until: Timestamp::ZERO,
            slow: None,
            wake_at: Timestamp::MAX,
            streams: (0..rooms).map(|_| Stream::default()).collect(),
            whispers: std::collections::BTreeSet::new(),
            calls: BTreeMap::new(),
            cancelled: std::collections::BTreeSet::new(),
            tickets: 0,
            plan: plan.clone(),
        }
    }

    /// Returns the identity that the server sees.
    pub(crate) fn who(&self) -> Who {
        (self.plan.number, self.incarnation)
    }

    /// Returns when the machine is due, in the world's time.
    pub(crate) fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let deadline = self.client.next_deadline()?;
        Some(self.clock.when(now, deadline).max(self.asleep_until))
    }

    /// Turns an act into an event for its machine.
    pub(crate) fn act(&mut self, act: &Act, plan: &Plan) -> Option<MachineEvent> {
        let rooms = &plan.rooms;
        Some(match act {
            Act::Start => {
                self.started = true;
                MachineEvent::Connect
            }
            Act::Stop => {
                self.started = false;
                self.incarnation += 1;
                for stream in &mut self.streams {
                    stream.leave();
                }
                MachineEvent::Stop
            }
            Act::Wake => MachineEvent::Wake,
            Act::Join(room) => {
                let stream = &self.streams[*room];
                let since = stream.at.filter(|_| self.plan.remembers && !stream.goes_on);
                MachineEvent::Join {
                    ticket: self.call(Call::Join(*room)),
                    room: rooms[*room].clone(),
                    since,
                }
            }
            Act::Leave(room) => {
                self.streams[*room].leave();
                MachineEvent::Leave {
                    ticket: self.call(Call::Leave(*room)),
                    room: rooms[*room].clone(),
                }
            }
            Act::Say { room, size } => {
                let mark = self.mark("says");
                let payload = payload(&mark, *size);
                let ticket = self.call(Call::Say(*room, mark));
                let (room, kind) = (Some(rooms[*room].clone()), kind("chat"));
                MachineEvent::Send { ticket, room, kind, key: None, payload }
            }
            Act::Whisper { to } => {
                let to = plan.people[plan.find(*to)?].user.clone();
                let payload = payload(&self.mark("whispers"), 0);
                MachineEvent::Direct { ticket: self.call(Call::Whisper), to, payload }
            }
            Act::Work { asked } => {
                let (payload, kind) = (payload(&self.mark("works"), 0), kind(HANDLED));
                let (room, ticket) = (Some(rooms[0].clone()), self.call(Call::Work));
                if *asked {
                    MachineEvent::Request { ticket, room, kind, payload, timeout: None }
                } else {
                    MachineEvent::Send { ticket, room, kind, key: None, payload }
                }
            }
            Act::AskMembers(room) => self.ask(Call::Members(*room), &rooms[*room]),
            Act::AskHistory(room) => self.ask(Call::History(*room), &rooms[*room]),
            Act::ChangeMind => {
                let (&ticket, _) = self.calls.last_key_value()?;
                self.calls.remove(&ticket);
                self.cancelled.insert(ticket);
                MachineEvent::Cancel { ticket }
            }
        })
    }

    fn ask(&mut self, call: Call, room: &RoomName) -> MachineEvent {
        let room = room.clone();
        let question = if let Call::History(_) = call {
            Question::History { room, since: None, limit: Some(5) }
        } else {
            Question::Members { room }
        };
        MachineEvent::Ask { ticket: self.call(call), question, timeout: None }
    }

    /// Returns a mark that distinguishes the next message from all others.
    fn mark(&self, does: &str) -> String {
        format!("{} {does} {}", self.plan.name, self.tickets + 1)
    }

    fn call(&mut self, call: Call) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.calls.insert(ticket, call);
        ticket
    }

    /// Settles a ticket.
    ///
    /// # Errors
    /// When it was already settled, or was cancelled.
    pub(crate) fn settled(&mut self, ticket: Ticket) -> Result<Call, crate::checks::Violation> {
        let call = self.calls.remove(&ticket);
        let known = if self.cancelled.contains(&ticket) { "was cancelled" } else { "is not open" };
        rule("each ticket is settled once", call.is_some(), || {
            format!("{ticket:?} of {} {known}", self.plan.name)
        })?;
        Ok(call.unwrap_or(Call::Whisper))
    }

    /// Checks that every ticket has been settled.
    ///
    /// # Errors
    /// When one was not.
    pub(crate) fn nothing_open(&self) -> Verdict {
        rule("each ticket is settled once", self.calls.is_empty(), || {
            format!("{} still waits for {:?}", self.plan.name, self.calls)
        })
    }
}

fn kind(text: &str) -> Kind {
    Kind::new(text).unwrap_or_else(|_| unreachable!("a short name"))
}

/// Returns the mark of a payload.
pub(crate) fn mark(payload: &str) -> &str {
    payload.trim_matches('"').trim_end_matches('.')
}

/// Makes a payload from a unique text and a number of bytes more.
pub(crate) fn payload(text: &str, size: usize) -> Payload {
    let text = format!("{text}{}", ".".repeat(size));
    Json::of(&text).map_or_else(|_| Payload::null(), Payload::Json)
}
