//! The world: one time line, on which everything happens in order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use switchboard_core::client::MachineEvent;
use switchboard_core::{ConnectionId, MessageId, RoomName, Ticket, Timestamp, UserName};

use crate::chance::Chance;
use crate::checks::{Ledger, Verdict, Violation};
use crate::link::{Air, Link, LinkId};
use crate::nodes::{self, Node};
use crate::person::Person;
use crate::plan::{Act, Plan};
use crate::story::Story;

/// How long everybody may take to settle once the faults end: a connection goes stale, a wait ends,
/// a dial times out, a held seat is released, with some slack for clocks that jumped.
const SETTLES_IN: Duration = Duration::from_secs(240);

/// How long a slow network may take for the next piece of a backlog.
const PROGRESSES_IN: Duration = Duration::from_secs(60);

/// How long a question and its answer take on the slowest network.
const ANSWERED_IN: Duration = Duration::from_secs(20);

/// How long a server may remember anything.
const FORGOTTEN_IN: Duration = Duration::from_secs(4 * 3_600);

/// A scheduled event.
#[derive(Debug)]
pub(crate) enum Due {
    Act(usize, usize),
    Machine(usize),
    Fault(usize),
    ServerTick(u64),
    ServerFlush(u64),
    ServerStarts(usize),
    /// A dial reaches the server.
    Knock(LinkId),
    /// The server has decided, and answers the upgrade.
    Upgrade(LinkId),
    /// The server's refusal reaches the client.
    Refused(LinkId, u16, Option<Duration>),
    /// Bytes reach the server.
    Up(LinkId),
    /// Bytes reach the client.
    Down(LinkId),
    /// The client has read, and the server can write again.
    Writable(LinkId),
    ClientNotices(LinkId),
    ServerNotices(LinkId),
    /// The server's application answers a message.
    Answer {
        life: u64,
        connection: ConnectionId,
        user: UserName,
        id: MessageId,
        well: bool,
    },
    /// The server's application supplies the state of a room.
    State {
        life: u64,
        ticket: Ticket,
        room: RoomName,
    },
    /// A client's application answers the server's.
    Reply(usize, MessageId),
}

/// Statistics of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Simulated time.
    pub simulated: Duration,
    /// Events handled.
    pub events: u64,
    /// Connections opened.
    pub connections: u64,
    /// Publications accepted.
    pub published: u64,
    /// Publications that reached an application.
    pub delivered: u64,
    /// Streams that restarted with a `refresh`.
    pub refreshed: u64,
    /// Gaps that were announced.
    pub gaps: u64,
    /// Server processes started.
    pub servers: u64,
    /// A fingerprint of everything that happened.
    pub fingerprint: u64,
}

impl Figures {
    /// Adds the figures of another run.
    pub fn add(&mut self, other: &Self) {
        self.simulated += other.simulated;
        self.events += other.events;
        self.connections += other.connections;
        self.published += other.published;
        self.delivered += other.delivered;
        self.refreshed += other.refreshed;
        self.gaps += other.gaps;
        self.servers += other.servers;
        self.fingerprint ^= other.fingerprint;
    }

    /// Formats the figures, with rates for the real time that the run took.
    pub fn per(&self, took: Duration) -> String {
        let seconds = took.as_secs_f64().max(0.001);
        let rate = |count: u64| count as f64 / seconds;
        format!(
            "{:.1} simulated hours in {seconds:.1} s ({:.0} times as fast as time), {} events ({:.0} a second), {} connections \
             ({:.0} a second), {} servers; {} publications accepted, {} delivered, {} streams refreshed, {} gaps",
            self.simulated.as_secs_f64() / 3_600.0,
            self.simulated.as_secs_f64() / seconds,
            self.events,
            rate(self.events),
            self.connections,
            rate(self.connections),
            self.servers,
            self.published,
            self.delivered,
            self.refreshed,
            self.gaps,
        )
    }
}

/// A world in progress.
#[derive(Debug)]
pub struct World {
    pub(crate) plan: Plan,
    pub(crate) now: Timestamp,
    queue: BinaryHeap<Reverse<Entry>>,
    turns: u64,
    pub(crate) air: Air,
    pub(crate) nodes: Vec<Node>,
    pub(crate) balancer: Chance,
    pub(crate) links: BTreeMap<LinkId, Link>,
    pub(crate) next_link: LinkId,
    pub(crate) people: Vec<Person>,
    pub(crate) ledger: Ledger,
    pub(crate) chance: Chance,
    /// Whether the faults have ended.
    pub(crate) calm: bool,
    /// The story so far.
    pub story: Story,
    /// The statistics so far.
    pub figures: Figures,
}

#[derive(Debug)]
struct Entry(Timestamp, u64, Due);

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

impl World {
    /// Makes a world in which nothing has happened.
    pub fn new(plan: Plan, story: Story) -> Self {
        let rooms = plan.rooms.len();
        let people =
            plan.people.iter().map(|person| Person::new(person, plan.seed, rooms)).collect();
        let mut world = Self {
            now: Timestamp::ZERO,
            queue: BinaryHeap::new(),
            turns: 0,
            air: Air::default(),
            nodes: plan.nodes.iter().map(Node::new).collect(),
            balancer: nodes::balancer(plan.seed),
            links: BTreeMap::new(),
            next_link: 0,
            people,
            ledger: Ledger::default(),
            chance: Chance::of(plan.seed, &[6]),
            calm: false,
            story,
            figures: Figures::default(),
            plan,
        };
        for node in 0..world.nodes.len() {
            world.at(Timestamp::ZERO, Due::ServerStarts(node));
        }
        for person in 0..world.people.len() {
            for act in 0..world.people[person].plan.acts.len() {
                world.at(world.people[person].plan.acts[act].0, Due::Act(person, act));
            }
        }
        for fault in 0..world.plan.faults.len() {
            world.at(world.plan.faults[fault].0, Due::Fault(fault));
        }
        world
    }

    /// Runs from the beginning to the end.
    ///
    /// # Errors
    /// When a rule is broken.
    pub fn run(&mut self) -> Verdict {
        self.until(self.plan.calm_at)?;
        self.calm_down()?;
        self.until(self.now + SETTLES_IN)?;
        // A slow network may take longer for a backlog, as long as there is progress.
        let mut before = 0;
        while std::mem::replace(&mut before, self.figures.delivered) < self.figures.delivered {
            self.until(self.now + PROGRESSES_IN)?;
        }
        self.check_settled()?;
        for person in 0..self.people.len() {
            for room in 0..self.plan.rooms.len() {
                if self.people[person].streams[room].is_in {
                    self.act(person, &Act::AskMembers(room))?;
                }
            }
        }
        self.until(self.now + ANSWERED_IN)?;
        self.check_presence()?;
        for person in 0..self.people.len() {
            self.act(person, &Act::Stop)?;
        }
        self.until(self.now + FORGOTTEN_IN)?;
        self.check_nothing_left()
    }

    /// Returns the world's time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Runs all events that are due until then.
    fn until(&mut self, end: Timestamp) -> Verdict {
        while let Some(Reverse(Entry(at, ..))) = self.queue.peek()
            && *at <= end
            && let Some(Reverse(Entry(at, _, due))) = self.queue.pop()
        {
            self.now = self.now.max(at);
            self.air.now.set(self.now);
            self.figures.events += 1;
            let mark = self.figures.fingerprint ^ at.as_micros() ^ (self.queue.len() as u64) << 40;
            self.figures.fingerprint = Chance::new(mark).draw();
            self.happen(due)?;
            self.after_server()?;
        }
        self.now = end;
        self.air.now.set(end);
        self.figures.simulated = end - Timestamp::ZERO;
        self.figures.published = self.ledger.published;
        let streams = self.people.iter().flat_map(|person| &person.streams);
        self.figures.refreshed = streams.map(|stream| stream.refreshed).sum();
        Ok(())
    }

    fn happen(&mut self, due: Due) -> Verdict {
        match due {
            Due::Act(person, act) => {
                let asleep_until = self.people[person].asleep_until;
                if asleep_until > self.now {
                    self.at(asleep_until, Due::Act(person, act));
                    return Ok(());
                }
                let act = self.people[person].plan.acts[act].1.clone();
                self.act(person, &act)
            }
            Due::Machine(person) => {
                self.people[person].wake_at = Timestamp::MAX;
                if self.people[person].due(self.now).is_some_and(|due| due <= self.now) {
                    return self.feed(person, MachineEvent::Tick);
                }
                self.look_after(person);
                Ok(())
            }
            Due::Fault(fault) => {
                let fault = self.plan.faults[fault].1.clone();
                self.fault(&fault)
            }
            Due::ServerStarts(node) => {
                self.start_server(node);
                Ok(())
            }
            Due::ServerTick(life) => self.tick(life),
            Due::ServerFlush(life) => {
                self.on_server(life, |_, _| ());
                Ok(())
            }
            Due::Knock(link) => {
                self.knock(link);
                Ok(())
            }
            Due::Upgrade(link) => {
                self.upgrade(link);
                Ok(())
            }
            Due::Refused(link, status, after) => self.refused(link, status, after),
            Due::Up(link) => self.up(link),
            Due::Down(link) => self.down(link),
            Due::Writable(link) => {
                self.writable(link);
                Ok(())
            }
            Due::ClientNotices(link) => self.client_notices(link),
            Due::ServerNotices(link) => {
                self.server_notices(link);
                Ok(())
            }
            Due::Answer { life, connection, user, id, well } => {
                self.answer(life, connection, user, id, well);
                Ok(())
            }
            Due::State { life, ticket, room } => {
                self.give_state(life, ticket, room);
                Ok(())
            }
            Due::Reply(person, id) => self.reply(person, id),
        }
    }

    /// Schedules an event.
    pub(crate) fn at(&mut self, at: Timestamp, due: Due) {
        self.turns += 1;
        self.queue.push(Reverse(Entry(at.max(self.now), self.turns, due)));
    }

    /// Adds to the story.
    pub(crate) fn tell(&mut self, person: Option<usize>, what: impl FnOnce() -> String) {
        let who = person.map_or("the world", |person| &self.people[person].plan.name);
        self.story.tell(self.now, who, what);
    }

    /// Reports a broken rule of the world itself.
    pub(crate) fn broken(rule: &'static str, what: String) -> Violation {
        Violation { rule, what }
    }
}
