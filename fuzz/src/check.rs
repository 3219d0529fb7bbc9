//! Runs operations against a hub, watches what comes out, and holds one invariant against it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use switchboard_core::{
    Action, ConnectionId, Event, Hub, Position, RoomName, Stats, Timestamp, UserName,
};

use crate::answers::Answers;
use crate::blips::Blips;
use crate::clients::Clients;
use crate::desk::Desk;
use crate::drive;
use crate::hear::Heard;
use crate::lockstep::Lockstep;
use crate::log::{Draft, Log};
use crate::ops::Op;
use crate::setup::{SETUP_BYTES, Setup};
use crate::watch::Watch;
use crate::words::{brief, is_refusal, note};

/// What a run is held to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the tests of these names say what they are")]
pub enum Invariant {
    CapacityIsNeverExceeded,
    EveryAcceptGetsExactlyOneClosed,
    EmptyHubHasEmptyTables,
    StaleIdsChangeNothing,
    NothingFollowsAClose,
    DeliveryIsInOffsetOrder,
    AClientsStreamIsTheLog,
    EveryMessageHasOneAnswer,
    NobodyHearsOfABlip,
    EveryQueueIsBounded,
    ProgressIsMade,
    SameLogSameActions,
    DrainEndsByItsDeadline,
    TheHubAgreesWithTheModel,
}

/// A configuration, a seed and what happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scenario {
    /// The rules.
    pub setup: Setup,
    /// The hub's seed.
    pub seed: u64,
    /// What happens.
    pub ops: Vec<Op>,
}

impl Scenario {
    /// Reads a scenario by position: the configuration, the seed, and the operations. Missing bytes are zeroes.
    pub fn decode(bytes: &[u8]) -> Self {
        let mut head = [0; SETUP_BYTES + 1];
        let length = head.len().min(bytes.len());
        head[..length].copy_from_slice(&bytes[..length]);
        let [setup @ .., seed] = head;
        let ops = Op::decode_all(&bytes[length..]);
        let setup = Setup::decode(setup);
        Self { setup: if seed % 3 == 2 { setup.roomy() } else { setup }, seed: seed.into(), ops }
    }
}

/// How often what happened.
pub type Tally = BTreeMap<String, u64>;

/// Runs a scenario.
///
/// # Errors
/// What broke the invariant, under the transcript of the run.
pub fn run(scenario: &Scenario, invariant: Invariant) -> Result<Tally, String> {
    Run::new(scenario, invariant, false)?.play().or_else(|_| {
        // Writing a transcript takes longer than the run, so only the run that failed has one.
        let mut again = Run::new(scenario, invariant, true)?;
        match again.play() {
            Ok(_) => Err("the same run failed once, and then did not".to_owned()),
            Err(why) => {
                let Run { transcript, steps, .. } = again;
                Err(format!(
                    "{:?}\n{transcript}\n{invariant:?}, in step {steps}: {why}",
                    scenario.setup
                ))
            }
        }
    })
}

/// The events of a scenario, as they go into its hub.
///
/// # Errors
/// When the scenario cannot be run.
pub fn events(scenario: &Scenario) -> Result<Vec<(Timestamp, Event)>, String> {
    let mut run = Run::new(scenario, Invariant::ProgressIsMade, false)?;
    run.events = Some(Vec::new());
    run.play()?;
    Ok(run.events.unwrap_or_default())
}

/// What came out in one step: an operation, and the ticks that were due after it.
#[derive(Default, Debug)]
pub struct Step {
    /// To connections.
    pub heard: Vec<(usize, Heard)>,
    /// To the driver and the application, in the model's words.
    pub said: Vec<String>,
}

/// A run under way.
#[derive(Debug)]
pub struct Run<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) invariant: Invariant,
    /// The machine.
    pub hub: Hub,
    pub(crate) twin: Option<Hub>,
    /// The driver's clock.
    pub now: Timestamp,
    /// How far the clock of the next event is behind.
    pub(crate) behind: Duration,
    /// Connections in the order of their admission.
    pub made: Vec<ConnectionId>,
    /// Whose each is.
    pub users: Vec<UserName>,
    /// Where each came from.
    pub(crate) came: Vec<Vec<(RoomName, Option<Position>)>>,
    pub(crate) numbers: BTreeMap<ConnectionId, usize>,
    pub(crate) pings: Vec<(Option<u64>, Option<u64>)>,
    /// What clients know.
    pub clients: Clients,
    /// What was published.
    pub log: Log,
    pub(crate) desk: Desk,
    /// How many of the last messages do not arrive at the connection that is lost now.
    pub(crate) torn: u8,
    /// What came out in this step.
    pub step: Step,
    pub(crate) watch: Watch,
    pub(crate) answers: Option<Answers>,
    pub(crate) blips: Option<Blips>,
    pub(crate) lockstep: Option<Lockstep>,
    /// How often what happened.
    pub tally: Tally,
    pub(crate) transcript: String,
    pub(crate) is_recorded: bool,
    /// How many operations have begun.
    steps: usize,
    events: Option<Vec<(Timestamp, Event)>>,
}

impl<'a> Run<'a> {
    fn new(
        scenario: &'a Scenario,
        invariant: Invariant,
        is_recorded: bool,
    ) -> Result<Self, String> {
        let hub = || {
            Hub::new(scenario.setup.0.clone(), scenario.seed, Timestamp::ZERO)
                .map_err(|error| error.to_string())
        };
        let has_twin =
            matches!(invariant, Invariant::SameLogSameActions | Invariant::StaleIdsChangeNothing);
        Ok(Self {
            scenario,
            invariant,
            hub: hub()?,
            twin: if has_twin { Some(hub()?) } else { None },
            now: Timestamp::ZERO,
            behind: Duration::ZERO,
            made: Vec::new(),
            users: Vec::new(),
            came: Vec::new(),
            numbers: BTreeMap::new(),
            pings: Vec::new(),
            clients: Clients::default(),
            log: Log::default(),
            desk: Desk::default(),
            torn: 0,
            step: Step::default(),
            watch: Watch::new(scenario.setup.clone()),
            answers: (invariant == Invariant::EveryMessageHasOneAnswer)
                .then(|| Answers::new(scenario.setup.clone())),
            blips: (invariant == Invariant::NobodyHearsOfABlip)
                .then(|| Blips::new(scenario.setup.clone())),
            lockstep: (invariant == Invariant::TheHubAgreesWithTheModel)
                .then(|| Lockstep::new(scenario.setup.clone())),
            tally: Tally::new(),
            transcript: String::new(),
            is_recorded,
            steps: 0,
            events: None,
        })
    }

    pub(crate) fn is(&self, invariant: Invariant) -> bool {
        self.invariant == invariant
    }

    fn play(&mut self) -> Result<Tally, String> {
        for (serial, op) in self.scenario.ops.iter().enumerate() {
            self.steps += 1;
            self.perform(*op, serial as u64 + 1)?;
        }
        self.finish()?;
        let stats = self.hub.stats();
        for (what, count) in [("replayed", stats.replayed), ("repeated", stats.repeated)] {
            *self.tally.entry(what.to_owned()).or_default() += count;
        }
        Ok(std::mem::take(&mut self.tally))
    }

    /// Ticks until nothing is due, and compares.
    pub(crate) fn settle(&mut self, only_ticks: bool) -> Result<(), String> {
        let (live, probes) = (self.hub.stats(), self.scenario.ops.len());
        let seats = live.connections + live.reserved + live.closing + live.held;
        let mut bound = 3 * seats + 3 * probes + 32;
        while self.hub.next_deadline().is_some_and(|next| next <= self.now) {
            if bound == 0 {
                return Err(format!("ticks at {:?} do not come to an end", self.now));
            }
            bound -= 1;
            self.feed(self.now, Event::Tick, None)?;
        }
        if let Some(mut lockstep) = self.lockstep.take() {
            let result = lockstep.compare(self, only_ticks);
            self.lockstep = Some(lockstep);
            result?;
        }
        self.step = Step::default();
        match self.invariant {
            Invariant::CapacityIsNeverExceeded => self.watch.check_capacity(&self.hub, &self.made),
            Invariant::EveryQueueIsBounded => self.watch.check_queues(&self.hub, &self.made),
            Invariant::DrainEndsByItsDeadline => self.watch.check_drain(self.now),
            Invariant::EveryAcceptGetsExactlyOneClosed => {
                self.watch.check_gauges(&self.hub.stats())
            }
            Invariant::EmptyHubHasEmptyTables
            | Invariant::StaleIdsChangeNothing
            | Invariant::NothingFollowsAClose
            | Invariant::DeliveryIsInOffsetOrder
            | Invariant::AClientsStreamIsTheLog
            | Invariant::EveryMessageHasOneAnswer
            | Invariant::NobodyHearsOfABlip
            | Invariant::ProgressIsMade
            | Invariant::SameLogSameActions
            | Invariant::TheHubAgreesWithTheModel => Ok(()),
        }
    }

    /// One event into the hub, and what comes of it into the observers.
    pub(crate) fn feed(
        &mut self,
        now: Timestamp,
        event: Event,
        target: Option<usize>,
    ) -> Result<(), String> {
        if let Some(events) = &mut self.events {
            events.push((now, event.clone()));
        }
        let is_stale = target.is_some_and(|c| self.watch.is_gone(c));
        if let Some(lockstep) = &mut self.lockstep {
            let except = drive::except(&event).and_then(|id| self.numbers.get(&id).copied());
            lockstep.apply(now, &event, target, target.or(except));
        }
        self.watch.before(now, &event);
        let draft = Draft::of(&event, &self.hub);
        self.listen(&event, target);
        let heard_before = self.step.heard.len();
        let is_tick = matches!(event, Event::Tick);
        if let Some(answers) = &mut self.answers {
            let open = target
                .filter(|c| self.hub.connection(self.made[*c]).is_some_and(|view| view.is_open()));
            let open = open.map(|c| (c, &self.users[c]));
            answers.before(now, &event, open, self.hub.stats());
        }
        if let Some(blips) = &mut self.blips {
            blips.before(now, &event, target);
        }
        // These may hear of what happened long ago.
        let is_late =
            |id: &ConnectionId| self.hub.connection(*id).is_some_and(|view| view.waiting().0 > 0);
        let late: Vec<bool> = self.made.iter().map(is_late).collect();
        let made_before = self.made.len();
        let mut gone = Vec::new();
        let before = (is_stale && self.is(Invariant::StaleIdsChangeNothing))
            .then(|| (self.hub.stats(), self.hub.next_deadline()));
        let twin_event = self.twin.as_ref().filter(|_| before.is_none()).map(|_| event.clone());
        let mut twin = match (&mut self.twin, twin_event) {
            (Some(twin), Some(event)) => Some(twin.handle(now, event)),
            (Some(_) | None, _) => None,
        };
        let mut count = 0;
        for action in self.hub.handle(now, event.clone()) {
            count += 1;
            if let Action::Accept { connection, .. } = &action {
                self.numbers.insert(*connection, self.made.len());
                self.made.push(*connection);
                self.pings.push((None, None));
                if let Event::Connect { user, rooms, .. } = &event {
                    self.users.push(user.clone());
                    self.came.push(rooms.clone());
                }
            }
            if let Action::Closed { connection, .. } = &action {
                gone.extend(self.numbers.get(connection));
            }
            self.desk.hears(&action);
            if let Some(answers) = &mut self.answers {
                let to: &[ConnectionId] = if let Action::Send { to, .. } = &action {
                    to
                } else if let Action::Closed { connection, .. } = &action {
                    std::slice::from_ref(connection)
                } else {
                    &[]
                };
                let to: Vec<usize> = to.iter().map(|id| self.numbers[id]).collect();
                answers.see(&action, &to, is_tick)?;
            }
            if let Some(blips) = &mut self.blips {
                let c = drive::subject(&action).and_then(|id| self.numbers.get(&id).copied());
                blips.see(&action, c);
            }
            if self.is_recorded {
                let tick = if is_tick { "tick" } else { "" };
                let _ = writeln!(self.transcript, "{:>14} {tick:>4}   => {}", "", brief(&action));
            }
            if let Some(twin) = &mut twin {
                let other = twin.next();
                if other.as_ref() != Some(&action)
                    || format!("{other:?}") != format!("{:?}", Some(&action))
                {
                    return Err(format!("{action:?} here, {other:?} there"));
                }
            }
            if is_stale
                && !is_refusal(&action)
                && self.invariant == Invariant::StaleIdsChangeNothing
            {
                return Err(format!("an id that is gone causes {action:?}"));
            }
            let ordered = self.watch.see(&action, &self.numbers, self.invariant, self.now);
            ordered?;
            note(&action, &self.numbers, &mut self.step, &mut self.pings, &mut self.tally)?;
        }
        if let Some(other) = twin.and_then(|mut twin| twin.next()) {
            return Err(format!("nothing here, {other:?} there"));
        }
        *self.tally.entry("actions".to_owned()).or_default() += count;
        if let Some((stats, deadline)) = before {
            let same = Stats { stale_events: stats.stale_events + 1, ..stats };
            if self.hub.stats() != same || self.hub.next_deadline() != deadline {
                return Err(format!(
                    "an id that is gone changed {same:?} to {:?}",
                    self.hub.stats()
                ));
            }
            *self.tally.entry("stale".to_owned()).or_default() += 1;
        }
        if let Some(lockstep) = &mut self.lockstep {
            lockstep.after(&self.hub, &self.step.heard)?;
        }
        if let Some(blips) = &mut self.blips {
            for (c, id) in self.made.iter().enumerate().skip(made_before) {
                if let Some(view) = self.hub.connection(*id) {
                    blips.accepted(c, (view.user().clone(), view.session()));
                }
            }
            for (c, id) in self.made.iter().enumerate() {
                let view = self.hub.connection(*id);
                if view.is_some_and(|view| view.is_closing() && view.is_blocked()) {
                    blips.lose_sight(c);
                }
            }
            for (c, heard) in &self.step.heard[heard_before..] {
                if let Heard::Message(message) = heard
                    && !late.get(*c).is_some_and(|late| *late)
                {
                    blips.check(message)?;
                }
            }
        }
        if let Some(answers) = &mut self.answers {
            let view = target.and_then(|c| self.hub.connection(self.made[c]));
            answers.after(&self.hub.stats(), view.is_some_and(|view| view.is_open()))?;
        }
        self.log.record(&draft, &self.hub, &self.scenario.setup)?;
        let follows = matches!(
            self.invariant,
            Invariant::DeliveryIsInOffsetOrder | Invariant::AClientsStreamIsTheLog
        );
        for (c, heard) in &self.step.heard[heard_before..] {
            let result = match heard {
                Heard::Message(message) => self.clients.hear(*c, message, &self.log),
                Heard::Close(_) => {
                    self.clients.ends(*c, 0);
                    Ok(())
                }
                Heard::Ping(_) => Ok(()),
            };
            if follows {
                result.map_err(|why| format!("c{c} {why}"))?;
            }
        }
        gone.into_iter().for_each(|c| self.clients.ends(c, self.torn));
        self.clients.answered();
        self.watch.after(&event, self.invariant)
    }

    pub(crate) fn record(&mut self, line: impl Fn() -> String) {
        if self.is_recorded {
            let _ = writeln!(self.transcript, "{:>12}ms  {}", self.now.as_millis(), line());
        }
    }
}
