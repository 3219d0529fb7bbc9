//! A few operations of the state machine, repeated so that a tool can count the instructions of one
//! (`scripts/instructions`).
//!
//! `instructions` lists the operations; `instructions NAME` runs one, and prints the number of
//! repetitions.
#![allow(missing_docs)]

#[allow(dead_code, reason = "the other benchmarks use all of it")]
mod world;

use switchboard_core::{Action, Event, Operation, Timestamp};
use world::{Echo, World, config, join, leave, lost, publish, room, user};

const CONNECTIONS: usize = 1_000;
const ROOMS: usize = 100;

/// The tool counts the instructions in here.
#[inline(never)]
fn counted(run: &mut dyn FnMut()) {
    run();
}

fn joins(back: bool) -> usize {
    let mut world = World::new(CONNECTIONS, ROOMS, config(true));
    let pairs: Vec<_> = (0..CONNECTIONS).map(|at| (world.ids[at], (at + 7) % ROOMS)).collect();
    let enter: Vec<_> = pairs.iter().map(|&(id, other)| join(id, room(other))).collect();
    let mut exit: Vec<_> = pairs.iter().map(|&(id, other)| leave(id, room(other))).collect();
    let mut first = enter;
    if back {
        first.drain(..).for_each(|event| {
            world.feed(event);
        });
    }
    let which = if back { &mut exit } else { &mut first };
    counted(&mut || {
        which.drain(..).for_each(|event| {
            world.feed(event);
        });
    });
    CONNECTIONS
}

fn connects() -> usize {
    let mut world = World::new(CONNECTIONS, ROOMS, config(true));
    let mut names: Vec<_> =
        (0..CONNECTIONS).map(|at| (user(CONNECTIONS + at), room(at % ROOMS))).collect();
    counted(&mut || names.drain(..).for_each(|(user, room)| world.connect(user, room)));
    CONNECTIONS
}

fn disconnects() -> usize {
    let mut world = World::new(CONNECTIONS, ROOMS, config(true));
    counted(&mut || {
        for at in 0..CONNECTIONS {
            world.feed(lost(world.ids[at]));
        }
    });
    CONNECTIONS
}

fn publications(members: usize) -> usize {
    const COUNT: usize = 1_000;
    let mut world = World::new(CONNECTIONS, CONNECTIONS / members, config(false));
    let mut events: Vec<_> =
        (0..COUNT).map(|at| publish(room(at % (CONNECTIONS / members)))).collect();
    counted(&mut || {
        events.drain(..).for_each(|event| {
            world.feed(event);
        });
    });
    COUNT
}

fn echoes(history: bool) -> usize {
    const CONNECTIONS: usize = 50;
    const ROUNDS: usize = 20;
    let mut echo = Echo::new(CONNECTIONS, 1, config(history));
    // The history is full, so that each new publication replaces another.
    let mut rounds = |count: usize| {
        for at in 0..count * CONNECTIONS {
            echo.message(at % CONNECTIONS);
        }
    };
    rounds(110);
    counted(&mut || rounds(ROUNDS));
    CONNECTIONS * ROUNDS
}

fn heartbeats(answers: bool) -> usize {
    let mut world = World::new(CONNECTIONS, ROOMS, config(true));
    world.now = Timestamp::from_millis(40_000);
    let mut pings = Vec::with_capacity(CONNECTIONS);
    let mut ping = || {
        for action in world.hub.handle(world.now, Event::Tick) {
            if let Action::Do(&Operation::Ping { connection, nonce }) = action {
                pings.push(Event::Pong { connection, nonce: Some(nonce) });
            }
        }
    };
    if answers {
        ping();
        counted(&mut || {
            pings.drain(..).for_each(|event| {
                world.feed(event);
            });
        });
    } else {
        counted(&mut ping);
    }
    CONNECTIONS
}

fn ticks() -> usize {
    let mut world = World::new(CONNECTIONS, ROOMS, config(true));
    counted(&mut || {
        for _ in 0..CONNECTIONS {
            world.feed(Event::Tick);
        }
    });
    CONNECTIONS
}

/// Its name, and a function that repeats it and returns the number of repetitions.
type Scenario = (&'static str, fn() -> usize);

const SCENARIOS: [Scenario; 11] = [
    ("connect", connects),
    ("join", || joins(false)),
    ("leave", || joins(true)),
    ("publish-to-10", || publications(10)),
    ("publish-to-1000", || publications(1_000)),
    ("echo", || echoes(false)),
    ("echo-with-history", || echoes(true)),
    ("ping", || heartbeats(false)),
    ("pong", || heartbeats(true)),
    ("tick-with-nothing-due", ticks),
    ("disconnect", disconnects),
];

fn main() {
    // `cargo bench` adds an argument.
    let asked = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    for (name, run) in SCENARIOS {
        match &asked {
            Some(asked) if asked == name => println!("{}", run()),
            Some(_) => {}
            None => println!("{name}"),
        }
    }
}
