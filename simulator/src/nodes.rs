//! The machines that servers run on, and the balancer that sends clients to one of them. All share
//! one name, and know nothing of each other: what is published on one does not reach another.

use switchboard_core::{Position, Timestamp};

use crate::chance::Chance;
use crate::checks::{Verdict, rule};
use crate::link::ServerEnd;
use crate::person::Clock;
use crate::plan::{NodePlan, UNIX_MS};
use crate::server::Server;
use crate::world::World;

/// A machine that servers run on.
#[derive(Debug)]
pub(crate) struct Node {
    clock: Clock,
    /// How far its wall clock is ahead of the world's, in milliseconds.
    ahead_ms: i64,
    /// The latest time that its server has read on the clock.
    pub(crate) read: Timestamp,
    /// Whether the clock was set back.
    set_back: bool,
    /// The process, while it runs.
    pub(crate) server: Option<Server>,
    /// Whether the server was used, and its output has to be handled.
    pub(crate) touched: bool,
}

impl Node {
    /// Makes a machine that is not running yet.
    pub(crate) fn new(plan: &NodePlan) -> Self {
        let clock = Clock { shows: plan.clock, at: Timestamp::ZERO, ppm: plan.drift_ppm };
        Self {
            clock,
            ahead_ms: 0,
            read: Timestamp::ZERO,
            set_back: false,
            server: None,
            touched: false,
        }
    }

    /// Returns what its clock shows.
    pub(crate) fn shows(&self, now: Timestamp) -> Timestamp {
        self.clock.read(now)
    }

    /// Returns the server, and the time on its own clock.
    pub(crate) fn server(&mut self, now: Timestamp) -> Option<(&mut Server, Timestamp)> {
        let (shown, wall_ms) = (self.clock.read(now), self.wall_ms(now));
        let server = self.server.as_mut()?;
        self.read = self.read.max(shown);
        server.read = self.read;
        self.touched = true;
        let clock = Timestamp::ZERO + (shown - server.born);
        server.wall_ms = wall_ms;
        server.driver.sync_wall_clock(clock, wall_ms);
        Some((server, clock))
    }

    /// Returns what its wall clock says, in milliseconds since the Unix epoch.
    pub(crate) fn wall_ms(&self, now: Timestamp) -> u64 {
        (UNIX_MS + now.as_millis()).saturating_add_signed(self.ahead_ms)
    }

    /// Sets its wall clock.
    pub(crate) fn set_wall_clock(&mut self, by_ms: i64) {
        self.ahead_ms += by_ms;
    }

    /// Sets its clock.
    pub(crate) fn jump(&mut self, now: Timestamp, by_ms: i64) {
        self.clock.jump(now, by_ms);
        self.set_back |= by_ms < 0;
        self.touched = true;
    }

    /// Returns when the server is due, in the world's time.
    pub(crate) fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let server = self.server.as_ref()?;
        let shown = server.born + (server.driver.next_deadline()? - Timestamp::ZERO);
        Some(self.clock.when(now, shown))
    }

    /// Returns whether clients are admitted.
    fn is_open(&self) -> bool {
        self.server.as_ref().is_some_and(|server| !server.driver.hub().is_draining())
    }

    /// Checks that no server has read less on its clock than before, unless the clock was set back.
    ///
    /// # Errors
    /// When one has.
    pub(crate) fn check_clock(&self) -> Verdict {
        let clamped = self.server.as_ref().map_or(0, |server| server.driver.stats().clock_clamped);
        rule("no clock runs backwards", clamped == 0 || self.set_back, || {
            format!("it did {clamped} times")
        })
    }
}

impl World {
    /// Returns the node that a dial leads to: an open one, if there is one and the balancer knows.
    pub(crate) fn balance(&mut self, person: usize) -> usize {
        let count = self.nodes.len();
        let open: Vec<usize> = (0..count).filter(|&node| self.nodes[node].is_open()).collect();
        if count == 1 || open.is_empty() || self.balancer.once_in(8) {
            return self.balancer.below(count);
        }
        if self.plan.sticky {
            let number = self.people[person].plan.number;
            let mut from_its_own = (number..number + count).map(|node| node % count);
            return from_its_own.find(|node| open.contains(node)).unwrap_or(open[0]);
        }
        self.balancer.pick(&open)
    }

    /// Returns the node on which this server still runs.
    pub(crate) fn node_of(&self, life: u64) -> Option<usize> {
        self.nodes
            .iter()
            .position(|node| node.server.as_ref().is_some_and(|server| server.life == life))
    }

    /// Returns the node that a person is connected to.
    pub(crate) fn node_of_person(&self, index: usize) -> Option<usize> {
        let link = self.people[index].link.and_then(|id| self.links.get(&id))?;
        self.node_of(link.life).filter(|_| matches!(link.server, ServerEnd::Open(_)))
    }

    /// Returns a room's position on the node that a person is connected to.
    pub(crate) fn position_for(&self, index: usize, room: &str) -> Option<Position> {
        self.nodes[self.node_of_person(index)?].server.as_ref()?.position(room)
    }

    /// Returns the people in a room, as far as a node knows them.
    pub(crate) fn people_in(&self, room: usize, node: usize) -> Vec<usize> {
        let is_in = |&index: &usize| {
            self.people[index].streams[room].is_in && self.node_of_person(index) == Some(node)
        };
        (0..self.people.len()).filter(is_in).collect()
    }

    /// Calls `act` with the server and the time on its own clock, if that server still runs.
    pub(crate) fn on_server<T>(
        &mut self,
        life: u64,
        act: impl FnOnce(&mut Server, Timestamp) -> T,
    ) -> Option<T> {
        let (now, node) = (self.now, self.node_of(life)?);
        let (server, clock) = self.nodes[node].server(now)?;
        Some(act(server, clock))
    }

    pub(crate) fn start_server(&mut self, node: usize) {
        self.figures.servers += 1;
        let life = self.figures.servers;
        let born = self.nodes[node].shows(self.now);
        let wall_ms = self.nodes[node].wall_ms(self.now);
        self.nodes[node].server = Some(Server::new(&self.plan, life, born, wall_ms));
        self.tell_of_node(node, || format!("starts; it is number {life}"));
    }

    pub(crate) fn tell_of_node(&mut self, node: usize, what: impl FnOnce() -> String) {
        let who = if self.nodes.len() == 1 {
            "the server".to_owned()
        } else {
            format!("server {}", (b'A' + node as u8) as char)
        };
        self.story.tell(self.now, &who, what);
    }
}

/// The balancer has its own random sequence.
pub(crate) fn balancer(seed: u64) -> Chance {
    Chance::of(seed, &[11])
}
