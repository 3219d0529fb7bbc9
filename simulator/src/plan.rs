//! The plan drawn from a seed: the people, what they want, what happens to them, and the server's
//! configuration.
//!
//! A plan is drawn as a whole before anything happens, so that parts of it can be left out to find
//! the cause of a failure.

use std::time::Duration;

use switchboard_core::{
    Config, Handled, Heartbeat, HeartbeatMode, History, Kind, Limit, Limits, Overflow, Publishers,
    Rate, Recovery, RoomClass, RoomName, Timestamp, UserName,
};

use crate::chance::Chance;
use crate::faults::Fault;

/// What every wall clock says at the beginning, in milliseconds since the Unix epoch.
pub(crate) const UNIX_MS: u64 = 1_790_000_000_000;

/// The type of the messages that the server's application handles.
pub(crate) const HANDLED: &str = "work";

/// One act of a person.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Act {
    Start,
    Stop,
    /// The network came back, or the tab became visible.
    Wake,
    Join(usize),
    Leave(usize),
    Say {
        room: usize,
        size: usize,
    },
    Whisper {
        to: usize,
    },
    /// For the application's handler: asked once, or sent until it is answered.
    Work {
        asked: bool,
    },
    AskMembers(usize),
    AskHistory(usize),
    /// The last call is cancelled.
    ChangeMind,
}

/// One client and its machine, network and clock.
#[derive(Clone, Debug)]
pub struct PersonPlan {
    /// The number in the original plan; a person keeps it when others are left out.
    pub number: usize,
    /// The name in the story.
    pub name: String,
    /// The user; some have two clients.
    pub user: UserName,
    /// A room that is part of the address it dials.
    pub home: Option<usize>,
    /// Whether it joins a room again from its last position.
    pub remembers: bool,
    /// The delay in one direction.
    pub latency: Duration,
    /// The largest random delay on top of it.
    pub jitter: Duration,
    /// Bytes in transit to it, at most.
    pub buffer: usize,
    /// Bytes accepted by one write, at most.
    pub bite: usize,
    /// How much faster than the world its clock runs, in millionths.
    pub drift_ppm: i64,
    /// What its clock shows at the beginning, in microseconds.
    pub clock: u64,
    /// Whether it sees HTTP refusals, unlike browsers.
    pub sees_refusals: bool,
    /// Its acts, each with its time.
    pub acts: Vec<(Timestamp, Act)>,
}

/// A machine that a server runs on.
#[derive(Clone, Debug)]
pub struct NodePlan {
    /// How much faster than the world its clock runs, in millionths.
    pub drift_ppm: i64,
    /// What its clock shows at the beginning, in microseconds.
    pub clock: u64,
}

/// Everything about one run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed of the plan.
    pub seed: u64,
    /// The server's configuration.
    pub config: Config,
    /// Room names; the rest of the plan uses their indices.
    pub rooms: Vec<RoomName>,
    /// The number of sockets that one round of a server writes to.
    pub flush: usize,
    /// The machines behind the one name that all clients dial.
    pub nodes: Vec<NodePlan>,
    /// Whether a client is sent to the same node as before, if that is open.
    pub sticky: bool,
    /// The people in the world.
    pub people: Vec<PersonPlan>,
    /// The faults, each with its time.
    pub faults: Vec<(Timestamp, Fault)>,
    /// When acts and faults end; pending work continues.
    pub calm_at: Timestamp,
}

const ROOMS: [&str; 8] = ["lobby", "news", "prices", "chess", "kitchen", "alerts", "music", "ops"];

const NAMES: [&str; 24] = [
    "ann", "bob", "cleo", "dan", "eva", "finn", "gus", "hana", "ivo", "jana", "kim", "leo", "mia",
    "nils", "olga", "pia", "quin", "rosa", "sam", "tess", "udo", "vera", "wim", "zoe",
];

impl Plan {
    /// Draws the plan of a seed.
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::of(seed, &[0]);
        let crowd = match chance.below(20) {
            0..6 => chance.between(2, 5),
            6..17 => chance.between(6, 40),
            _ => chance.between(100, 300),
        } as usize;
        let minutes = if crowd > 50 { chance.between(2, 4) } else { chance.between(2, 12) };
        let calm_at = Timestamp::from_millis(minutes * 60_000);
        let rooms: Vec<RoomName> = ROOMS[..chance.between(1, 8) as usize]
            .iter()
            .filter_map(|name| RoomName::new(name).ok())
            .collect();
        let config = config(&mut chance, &rooms, crowd);
        let flush = chance.pick(&[1, 3, 16, 256]);
        let busy = chance.pick(&[400, 1_500, 6_000]) * (1 + crowd as u64 / 20);
        let mut people: Vec<_> =
            (0..crowd).map(|number| person(seed, number, crowd, &rooms, busy, calm_at)).collect();
        // A person who dials into a full room is not admitted at all.
        let has_seats = |room: &usize| config.rooms[*room].1.max_members.get() >= Some(100_000);
        people.iter_mut().for_each(|person| person.home = person.home.filter(has_seats));
        let (nodes, sticky) = nodes(seed);
        let faults = faults(seed, nodes.len(), crowd, rooms.len(), calm_at);
        Self { seed, config, rooms, flush, nodes, sticky, people, faults, calm_at }
    }

    /// Returns the index of the person with this number, unless it was left out.
    pub fn find(&self, number: usize) -> Option<usize> {
        self.people.iter().position(|person| person.number == number)
    }

    /// Returns the class of a room.
    pub fn class(&self, room: usize) -> &RoomClass {
        &self.config.rooms[room].1
    }
}

/// Every fourth world has several nodes, whose clocks drift and are set now and then.
fn nodes(seed: u64) -> (Vec<NodePlan>, bool) {
    let chance = &mut Chance::of(seed, &[8]);
    if seed % 4 < 3 {
        return (vec![NodePlan { drift_ppm: 0, clock: 0 }], false);
    }
    let nodes = (0..chance.between(2, 3)).map(|_| NodePlan {
        drift_ppm: chance.between(0, 2_000) as i64 - 1_000,
        clock: chance.between(0, 100_000_000_000),
    });
    (nodes.collect(), chance.once_in(2))
}

fn config(chance: &mut Chance, rooms: &[RoomName], crowd: usize) -> Config {
    let classes = rooms.iter().map(|room| (room.as_str().to_owned(), class(chance, crowd)));
    let classes = classes.collect();
    let interval = chance.millis(5_000, 30_000);
    let high = chance.pick(&[1_024, 4_096, 16_384]);
    let session_window =
        chance.pick(&[Duration::ZERO, Duration::from_secs(5), Duration::from_secs(40)]);
    let limits = Limits {
        max_connections: Limit::at_most(crowd as u32 * 2 + 4),
        // All that a client may have in flight, and the answers to it, must fit.
        outbox_messages: chance.pick(&[130, 256]),
        outlet_high_water: high,
        outlet_low_water: high / 4,
        // A client that wakes up has much to send at once.
        messages: Rate { per_second: 100, burst: 10_000 },
        ..Limits::default()
    };
    let recovery = Recovery {
        session_window,
        // So long that every repeated message is still known.
        remember_for: Duration::from_secs(3_600),
        remembered_ids: 100_000,
        max_kept_rooms: chance.pick(&[1, 3, 100]),
        ..Recovery::default()
    };
    let handled = Kind::new(HANDLED).map(|kind| Handled::Kinds([kind].into()));
    Config {
        limits,
        heartbeat: Heartbeat {
            interval,
            stale_after: interval * 3 / 2,
            mode: chance.pick(&[
                HeartbeatMode::Protocol,
                HeartbeatMode::Application,
                HeartbeatMode::Both,
            ]),
            ..Heartbeat::default()
        },
        recovery,
        rooms: classes,
        handled: handled.unwrap_or_default(),
        unix_ms_at_start: UNIX_MS,
    }
}

fn class(chance: &mut Chance, crowd: usize) -> RoomClass {
    let history = match chance.below(6) {
        0 => History::NONE,
        1 | 2 => History { events: chance.between(3, 30) as usize, ..History::default() },
        3 => History { age: chance.millis(5_000, 60_000), ..History::default() },
        _ => History { events: 10_000, bytes: 64 << 20, ..History::default() },
    };
    RoomClass {
        max_members: if chance.once_in(4) {
            Limit::at_most(1 + crowd as u32 * 2 / 3)
        } else {
            Limit::at_most(100_000)
        },
        presence: !chance.once_in(4),
        presence_grace: chance.pick(&[Duration::ZERO, Duration::from_secs(3)]),
        publish: chance.pick(&[Publishers::Members, Publishers::Members, Publishers::Anyone]),
        messages_per_second: 0,
        echo: !chance.once_in(3),
        overflow: chance.pick(&[
            Overflow::Close,
            Overflow::Close,
            Overflow::DropOldest,
            Overflow::Conflate,
        ]),
        history,
        operators_only: false,
        provides_state: chance.once_in(4),
    }
}

fn person(
    seed: u64,
    number: usize,
    crowd: usize,
    rooms: &[RoomName],
    busy_ms: u64,
    calm_at: Timestamp,
) -> PersonPlan {
    let chance = &mut Chance::of(seed, &[1, number as u64]);
    let label = |number: usize| {
        let round = number / NAMES.len();
        let name = NAMES[number % NAMES.len()];
        if round == 0 { name.to_owned() } else { format!("{name}{round}") }
    };
    // Every fifth person is the second client of the one before.
    let owner = if number % 5 == 4 { number - 1 } else { number };
    let name = if owner == number { label(number) } else { format!("{}'s phone", label(owner)) };
    let mut acts = vec![(Timestamp::ZERO + chance.millis(0, 3_000), Act::Start)];
    for room in 0..rooms.len() {
        if room == 0 || chance.once_in(2) {
            acts.push((Timestamp::ZERO + chance.millis(0, 20_000), Act::Join(room)));
        }
    }
    let mut at = Timestamp::ZERO + chance.millis(0, busy_ms * 2);
    while at < calm_at {
        let room = chance.below(rooms.len());
        let act = match chance.below(100) {
            0..72 => {
                let size = chance.pick(&[0, 0, 10, 100, 700, 3_000]);
                Act::Say { room, size }
            }
            72..76 => Act::Leave(room),
            76..83 => Act::Join(room),
            83..88 => Act::Whisper { to: chance.below(crowd) },
            88..92 => Act::Work { asked: chance.once_in(2) },
            92..94 => Act::AskMembers(room),
            94 | 95 => Act::AskHistory(room),
            96 | 97 => Act::ChangeMind,
            98 => Act::Wake,
            _ => Act::Stop,
        };
        if act == Act::Stop {
            acts.push((at + chance.millis(0, 5_000), Act::Start));
            for room in 0..rooms.len() {
                acts.push((at + chance.millis(0, 9_000), Act::Join(room)));
            }
        }
        acts.push((at, act));
        at = at + chance.millis(0, busy_ms * 2);
    }
    acts.sort_by_key(|(at, _)| *at);
    acts.retain(|(at, _)| *at < calm_at);
    let far = chance.once_in(4);
    PersonPlan {
        number,
        name,
        user: UserName::new(&label(owner)).unwrap_or_else(|_| unreachable!("a short name")),
        home: chance.once_in(4).then(|| chance.below(rooms.len())),
        remembers: chance.once_in(2),
        latency: if far { chance.millis(50, 300) } else { chance.millis(1, 30) },
        jitter: if far { chance.millis(0, 400) } else { chance.millis(0, 10) },
        // Even the slowest network must be able to carry what is sent.
        buffer: if far || crowd > 50 {
            50_000
        } else {
            chance.pick(&[600, 3_000, 20_000, 200_000])
        },
        bite: chance.pick(&[7, 500, 1_000_000]),
        drift_ppm: chance.between(0, 2_000) as i64 - 1_000,
        clock: chance.between(0, 100_000_000_000),
        sees_refusals: chance.once_in(2),
        acts,
    }
}

fn faults(
    seed: u64,
    nodes: usize,
    crowd: usize,
    rooms: usize,
    calm_at: Timestamp,
) -> Vec<(Timestamp, Fault)> {
    let mut faults = Vec::new();
    let chance = &mut Chance::of(seed, &[2]);
    let often_ms = chance.pick(&[8_000, 20_000, 60_000]);
    for number in 0..crowd {
        let chance = &mut Chance::of(seed, &[3, number as u64]);
        let mut at = Timestamp::ZERO + chance.millis(0, often_ms * 2);
        while at < calm_at {
            faults.push((at, Fault::of_person(chance, number, rooms)));
            at = at + chance.millis(0, often_ms * 2);
        }
    }
    let server_often_ms = chance.pick(&[40_000, 120_000, 1_000_000]);
    let mut at = Timestamp::ZERO + chance.millis(5_000, server_often_ms * 2);
    while at < calm_at {
        faults.push((at, Fault::of_server(chance, 0)));
        at = at + chance.millis(15_000, server_often_ms * 2);
    }
    if nodes > 1 {
        for node in 0..nodes {
            let chance = &mut Chance::of(seed, &[9, node as u64]);
            let mut at = Timestamp::ZERO + chance.millis(5_000, server_often_ms);
            while at < calm_at {
                let by_ms = chance.between(0, 80_000) as i64 - 20_000;
                let jump = Fault::ServerClockJump { node, by_ms };
                let one = if chance.once_in(3) { jump } else { Fault::of_server(chance, node) };
                faults.push((at, one));
                at = at + chance.millis(15_000, server_often_ms * 2);
            }
        }
    }
    for node in 0..nodes {
        let chance = &mut Chance::of(seed, &[12, node as u64]);
        let mut at = Timestamp::ZERO + chance.millis(0, 120_000);
        while at < calm_at {
            let by_ms = chance.between(0, 8_000_000) as i64 - 4_000_000;
            faults.push((at, Fault::WallClockSet { node, by_ms }));
            at = at + chance.millis(0, 240_000);
        }
    }
    let mut at = Timestamp::ZERO;
    while at < calm_at {
        let (room, size) = (chance.below(rooms), chance.pick(&[0, 100, 2_000]));
        faults.push((at, Fault::Announce { room, size }));
        at = at + chance.millis(0, 8_000);
    }
    faults.sort_by_key(|(at, _)| *at);
    faults
}
