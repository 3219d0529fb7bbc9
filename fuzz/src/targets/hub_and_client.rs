//! Clients and servers, joined by links that break, stall and slow down.
//!
//! The input is the [`Plan`] of a small world of the simulator: one or two servers with rules for
//! two rooms, up to three people with their networks, and what they do and what fails, four bytes
//! each, at most `MAX_STEPS`.
//!
//! **Oracle.** The simulator's: every stream is in order, without repeats and complete, or the
//! client was told where it is not and something was lost there; every accepted message is
//! published once, each call settled once, each connection closed once; presence is right; and when
//! everybody has stopped, nothing is left. Nothing panics.

use std::time::Duration;

use switchboard_core::{
    Config, Handled, Heartbeat, HeartbeatMode, History, Kind, Limit, Limits, NameError, Overflow,
    Publishers, Rate, Recovery, RoomClass, RoomName, Timestamp, UserName,
};
use switchboard_simulator::{Act, Fault, NodePlan, PersonPlan, Plan, Story, World};

/// The number of steps, at most.
const MAX_STEPS: usize = 60;

/// Seed, people, configuration of the server and of two rooms, networks of three people.
const HEAD: usize = 16;

const ROOMS: usize = 2;

/// Runs one input.
///
/// # Panics
/// When a rule is broken; the message is the story of the run.
pub fn run(bytes: &[u8]) {
    let plan = plan(bytes).unwrap_or_else(|error| unreachable!("all names are good: {error}"));
    if World::new(plan.clone(), Story::default()).run().is_ok() {
        return;
    }
    let mut again = World::new(plan, Story::written());
    match again.run() {
        Ok(()) => panic!("the same run failed once, and then did not"),
        Err(broken) => {
            panic!("{}\nthe rule \"{}\" is broken: {}", again.story, broken.rule, broken.what)
        }
    }
}

/// Decodes a plan. Missing bytes are zeroes.
fn plan(bytes: &[u8]) -> Result<Plan, NameError> {
    let mut head = [0; HEAD];
    let length = HEAD.min(bytes.len());
    head[..length].copy_from_slice(&bytes[..length]);
    let [seed, crowd, limits, beat, servers, first, past_1, second, past_2, nets @ ..] = head;
    let crowd = 1 + usize::from(crowd % 3);
    let rooms = vec![RoomName::new("lobby")?, RoomName::new("news")?];
    let classes = [("lobby", class(first, past_1)), ("news", class(second, past_2))];
    let classes = classes.map(|(room, class)| (room.to_owned(), class));
    let mut people = Vec::new();
    for number in 0..crowd {
        people.push(person(number, nets[2 * number], nets[2 * number + 1])?);
    }
    let mut nodes = vec![NodePlan { drift_ppm: 0, clock: 0 }];
    if servers & 4 != 0 {
        nodes.push(NodePlan { drift_ppm: 700, clock: u64::from(servers) * 100_000_000 });
    }
    let mut faults = Vec::new();
    let mut at = Timestamp::from_millis(100);
    for [pause, what, a, b] in bytes[length..].as_chunks().0.iter().take(MAX_STEPS) {
        at = at + Duration::from_millis(PAUSES_MS[usize::from(pause % 16)]);
        let who = usize::from(a % 4) % crowd;
        match step(*what, who, *a, *b, (crowd, nodes.len())) {
            Step::Act(act) => people[who].acts.push((at, act)),
            Step::Fault(fault) => faults.push((at, fault)),
        }
    }
    let calm_at = at + Duration::from_millis(100);
    let config = config(limits, beat, classes.into())?;
    let (flush, sticky) = ([256, 1, 3, 16][usize::from(servers % 4)], servers & 8 == 0);
    Ok(Plan { seed: seed.into(), config, rooms, flush, nodes, sticky, people, faults, calm_at })
}

/// Pauses that matter: within a burst, within a grace time, beyond each of the timeouts.
const PAUSES_MS: [u64; 16] =
    [50, 0, 0, 1, 5, 20, 50, 200, 500, 1_000, 2_000, 3_000, 5_000, 10_000, 31_000, 61_000];

fn config(limits: u8, beat: u8, rooms: Vec<(String, RoomClass)>) -> Result<Config, NameError> {
    let pick = |shift: u8, choices: [u64; 4]| choices[usize::from(limits >> shift & 3)];
    let interval = Duration::from_secs(if beat & 4 == 0 { 10 } else { 30 });
    let high_water = [16_384, 1_024, 4_096, 64 * 1024][usize::from(limits >> 6)];
    Ok(Config {
        limits: Limits {
            max_connections: Limit::at_most(12),
            // All that a client may have in flight, and the answers to it, must fit.
            outbox_messages: pick(2, [256, 130, 140, 256]) as usize,
            outlet_high_water: high_water,
            outlet_low_water: high_water / 4,
            // A client that wakes up has much to send at once.
            messages: Rate { per_second: 100, burst: 10_000 },
            ..Limits::default()
        },
        recovery: Recovery {
            session_window: Duration::from_secs(pick(0, [0, 5, 40, 5])),
            // So long that every repeated message is still known.
            remember_for: Duration::from_secs(3_600),
            remembered_ids: 100_000,
            max_kept_rooms: pick(4, [100, 1, 3, 1]) as usize,
            ..Recovery::default()
        },
        heartbeat: Heartbeat {
            interval,
            stale_after: interval * 3 / 2,
            mode: [HeartbeatMode::Both, HeartbeatMode::Protocol, HeartbeatMode::Application]
                [usize::from(beat % 4) % 3],
            ..Heartbeat::default()
        },
        rooms,
        handled: Handled::Kinds([Kind::new("work")?].into()),
        unix_ms_at_start: 1_790_000_000_000,
    })
}

fn class(bits: u8, past: u8) -> RoomClass {
    RoomClass {
        max_members: Limit::at_most(if bits & 1 == 0 { 100_000 } else { 2 }),
        presence: bits & 2 == 0,
        presence_grace: Duration::from_secs(if bits & 4 == 0 { 0 } else { 3 }),
        publish: if bits & 8 == 0 { Publishers::Members } else { Publishers::Anyone },
        echo: bits & 16 == 0,
        overflow: [Overflow::Close, Overflow::DropOldest, Overflow::Conflate, Overflow::Close]
            [usize::from(bits >> 5 & 3)],
        history: match past % 4 {
            0 => History { events: 10_000, bytes: 64 << 20, ..History::default() },
            1 => History { events: 3 + usize::from(past / 4), ..History::default() },
            2 => {
                History { age: Duration::from_secs(5 + u64::from(past / 4)), ..History::default() }
            }
            _ => History::NONE,
        },
        messages_per_second: 0,
        operators_only: false,
        provides_state: bits & 128 != 0,
    }
}

fn person(number: usize, net: u8, other: u8) -> Result<PersonPlan, NameError> {
    let far = net & 1 == 1;
    let millis = |near: u64, far_off: u64| Duration::from_millis(if far { far_off } else { near });
    // The third person is a second device of the second one.
    let (name, user) = [("ann", "ann"), ("bob", "bob"), ("bob's phone", "bob")][number];
    Ok(PersonPlan {
        number,
        name: name.to_owned(),
        user: UserName::new(user)?,
        // A room that may be full cannot be part of the address.
        home: None,
        remembers: other & 1 == 1,
        latency: millis(u64::from(net / 2 % 8) * 4, u64::from(net / 2 % 8) * 40),
        jitter: millis(u64::from(net / 16 % 4) * 3, u64::from(net / 16 % 4) * 100),
        // Even the slowest network must be able to carry what is sent.
        buffer: if far { 50_000 } else { [200_000, 600, 3_000, 20_000][usize::from(net / 64)] },
        bite: [1_000_000, 7, 500, 1_000_000][usize::from(other / 2 % 4)],
        drift_ppm: [0, 1_000, -1_000, 300][usize::from(other / 8 % 4)],
        clock: u64::from(other / 32) * 10_000_000_000,
        sees_refusals: other & 64 != 0,
        acts: vec![
            (Timestamp::from_millis(10 * number as u64), Act::Start),
            (Timestamp::from_millis(20), Act::Join(0)),
        ],
    })
}

enum Step {
    Act(Act),
    Fault(Fault),
}

fn step(what: u8, person: usize, a: u8, b: u8, (crowd, nodes): (usize, usize)) -> Step {
    let node = usize::from(b / 2) % nodes;
    let room = usize::from(a / 4) % ROOMS;
    let size = [0, 10, 100, 700, 3_000][usize::from(b) % 5];
    let lasts = Duration::from_millis(u64::from(b) * 300);
    Step::Fault(match what % 64 {
        0..=19 => return Step::Act(Act::Say { room, size }),
        20..=22 => return Step::Act(Act::Leave(room)),
        23..=27 => return Step::Act(Act::Join(room)),
        28 => return Step::Act(Act::Whisper { to: usize::from(b) % crowd }),
        29..=30 => return Step::Act(Act::Work { asked: b % 2 == 1 }),
        31 => return Step::Act(Act::AskMembers(room)),
        32 => return Step::Act(Act::AskHistory(room)),
        33 => return Step::Act(Act::ChangeMind),
        34 => return Step::Act(Act::Wake),
        35 => return Step::Act(Act::Stop),
        36..=37 => return Step::Act(Act::Start),
        38..=41 => Fault::Reset { person },
        42..=43 => Fault::ServerLeftHanging { person },
        44 => Fault::ClientLeftHanging { person },
        45..=46 => Fault::Stall { person, lasts },
        47..=48 => Fault::Offline { person, lasts },
        49..=50 => Fault::SlowReader { person, bytes_per_second: 100 + u64::from(b) * 16, lasts },
        51 => Fault::Sleep { person, lasts },
        52 => Fault::ClockJump { person, by_ms: i64::from(b) * 290 - 5_000 },
        53 => Fault::Kick { person },
        54 => Fault::TakeOut { person, room },
        55 => Fault::AskClient { person },
        56 => {
            let down = Duration::from_millis(100 + u64::from(a) * 30);
            Fault::Crash { node, down, noticed: b % 2 == 1 }
        }
        57 => Fault::Deploy {
            node,
            timeout: Duration::from_millis(200 + u64::from(a) * 40),
            spread: Duration::from_millis(u64::from(b) * 20),
            down: Duration::from_millis(100 + u64::from(b) * 30),
        },
        58 => Fault::ServerClockJump { node, by_ms: i64::from(a) * 290 - 5_000 },
        _ => Fault::Announce { room, size: size / 2 },
    })
}
