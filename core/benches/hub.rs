//! The cost of the state machine alone: time, allocations and memory, by the number of connections.
//!
//! ```text
//! cargo bench --package switchboard-core --bench hub [-- CONNECTIONS…]
//! ```
#![allow(missing_docs, unsafe_code)]

#[path = "world/counting.rs"]
mod counting;
mod world;

use std::time::{Duration, Instant};

use counting::Counting;
use switchboard_core::{Action, ConnectionId, Event, Limit, Operation};
use world::{
    Echo, Numbers, World, config, join, leave, lost, publish, room, user, without_presence,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The average cost of one operation.
#[derive(Clone, Copy)]
struct Cost {
    time: Duration,
    calls: usize,
    count: usize,
}

/// Runs it once for each item. The items are created in advance, so that this is not counted; only
/// a few at a time, because on a server too the input is still in the CPU cache when it is handled.
fn measure<T>(count: usize, mut make: impl FnMut(usize) -> T, mut run: impl FnMut(T)) -> Cost {
    const BATCH: usize = 500;
    let mut cost = Cost { time: Duration::ZERO, calls: 0, count };
    let mut batch = Vec::with_capacity(BATCH);
    for start in (0..count).step_by(BATCH) {
        batch.extend((start..count.min(start + BATCH)).map(&mut make));
        let (calls, began) = (counting::calls(), Instant::now());
        for item in batch.drain(..) {
            run(item);
        }
        cost.time += began.elapsed();
        cost.calls += counting::calls() - calls;
    }
    cost
}

/// The same for events that are fed to a world.
fn feed<T>(world: &mut World, items: &[T], make: impl Fn(&T) -> Event) -> Cost {
    measure(
        items.len(),
        |at| make(&items[at]),
        |event| {
            world.feed(event);
        },
    )
}

fn report(name: &str, per: usize, cost: Cost) {
    let each = (cost.count * per) as f64;
    let nanos = cost.time.as_nanos() as f64 / each;
    println!("  {name:<44} {nanos:>9.1} ns {:>8.2} allocations", cost.calls as f64 / each);
}

/// Returns the bytes of memory that only this process uses.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default() * 4096
}

/// Measures the memory of an idle connection. Memory that was used and freed would not be counted
/// when it is used again, so each world runs in a separate process.
fn memory(kind: &str, connections: usize) {
    let (rss, heap) = (resident(), counting::bytes());
    let world: Box<dyn std::any::Any> = match kind {
        "hub, ten in a room" => Box::new(World::new(connections, connections / 10, config(true))),
        "hub, all in one room, no presence" => {
            Box::new(World::new(connections, 1, without_presence(config(true))))
        }
        "hub and driver, ten in a room" => Box::new(Echo::new(connections, 10, config(true))),
        other => panic!("{other} is not one of {MEMORY:?}"),
    };
    let (rss, heap) = (resident() - rss, counting::bytes() - heap);
    println!(
        "  {:<44} {:>9.1} B resident {:>7.1} B allocated; {:.0} MB resident in all",
        format!("{connections}: {kind}"),
        rss as f64 / connections as f64,
        heap as f64 / connections as f64,
        rss as f64 / 1e6
    );
    drop(world);
}

const MEMORY: [&str; 3] =
    ["hub, ten in a room", "hub, all in one room, no presence", "hub and driver, ten in a room"];

/// Operations on single connections. Rooms have ten members, so there are `connections / 10` rooms;
/// each time it is another connection, in no order.
fn singles(connections: usize) {
    println!("{connections} connections, ten in a room");
    let rooms = connections / 10;
    let mut world = World::new(connections, rooms, config(true));
    let count = (connections / 10).clamp(1_000, 100_000);

    let mut numbers = Numbers::new();
    let mut pairs: Vec<(ConnectionId, usize)> = Vec::new();
    let mut order: Vec<usize> = (0..connections).collect();
    numbers.shuffle(&mut order);
    for &at in &order[..count.min(connections)] {
        // A room other than its own.
        pairs.push((world.ids[at], (at + 1 + numbers.below(rooms - 1)) % rooms));
    }
    let count = pairs.len();
    let made = pairs.clone();
    let enter = |(id, other): &(ConnectionId, usize)| join(*id, room(*other));
    let exit = |(id, other): &(ConnectionId, usize)| leave(*id, room(*other));
    report("join, the others told", 1, feed(&mut world, &made, enter));
    numbers.shuffle(&mut pairs);
    report("leave, the others told", 1, feed(&mut world, &pairs, exit));
    let cost = feed(&mut world, &pairs, |(_, other)| publish(room(*other)));
    report("publish to a room of 10, history", 1, cost);

    // All pings that are due, then the answer to each.
    let due = world.now + Duration::from_secs(30);
    world.now = due;
    let mut pings = Vec::new();
    let (calls, began) = (counting::calls(), Instant::now());
    for action in world.hub.handle(due, Event::Tick) {
        if let Action::Do(&Operation::Ping { connection, nonce }) = action {
            pings.push((connection, nonce));
        }
    }
    let cost = Cost { time: began.elapsed(), calls: counting::calls() - calls, count: pings.len() };
    report("ping, a tick with all of them due", 1, cost);
    numbers.shuffle(&mut pings);
    let pongs = &pings[..pings.len().min(100_000)];
    let pong = |(connection, nonce): &(ConnectionId, u64)| Event::Pong {
        connection: *connection,
        nonce: Some(*nonce),
    };
    report("pong", 1, feed(&mut world, pongs, pong));
    report("tick with nothing due", 1, feed(&mut world, pongs, |_| Event::Tick));
    let mut gone: Vec<ConnectionId> = order[..count].iter().map(|&at| world.ids[at]).collect();
    numbers.shuffle(&mut gone);
    let cost = feed(&mut world, &gone, |id| lost(*id));
    report("disconnect, the others told later", 1, cost);
    let cost = measure(
        count,
        |at| (user(connections + at), room(numbers.below(rooms))),
        |(user, room)| {
            world.connect(user, room);
        },
    );
    report("connect, the others told", 1, cost);
    drop(world);

    let mut world = World::new(connections, rooms, without_presence(config(false)));
    report("join, without presence and history", 1, feed(&mut world, &made, enter));
    report("leave, without presence and history", 1, feed(&mut world, &pairs, exit));
    let (one, home) = (world.ids[0], room(1));
    let turns: Vec<usize> = (0..20_000).collect();
    let cost = feed(&mut world, &turns, |at| {
        if at % 2 == 0 { join(one, home.clone()) } else { leave(one, home.clone()) }
    });
    report("join or leave, the same ones again and again", 1, cost);
}

fn broadcasts(connections: usize) {
    for members in [10, 1_000, 100_000] {
        if members > connections {
            continue;
        }
        let rooms = connections / members;
        let mut config = without_presence(config(false));
        config.limits.max_per_user = Limit::NONE;
        let mut world = World::new(connections, rooms, config);
        let count = 2_000_000 / members;
        let mut numbers = Numbers::new();
        let cost = measure(
            count,
            |_| publish(room(numbers.below(rooms))),
            |event| {
                assert_eq!(world.feed(event), members);
            },
        );
        report(&format!("publish to a room of {members}, a member"), members, cost);
    }
}

fn echoes() {
    println!("echo: text in, frame out, a room for each connection, one after the other");
    for connections in [500, 15_000] {
        for history in [false, true] {
            let mut echo = Echo::new(connections, 1, config(history));
            let warm = connections * if history { 110 } else { 3 };
            for at in 0..warm {
                echo.message(at % connections);
            }
            let count = 300_000;
            let cost = measure(count, |at| at % connections, |at| echo.message(at));
            let with = if history { "with history" } else { "without history" };
            report(&format!("{connections} connections, {with}"), 1, cost);
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, memory_of, kind, connections] = &arguments[..]
        && memory_of == "memory"
    {
        return memory(kind, connections.parse().expect("a number"));
    }
    let asked: Vec<usize> = std::env::args().filter_map(|it| it.parse().ok()).collect();
    let sizes = if asked.is_empty() { vec![1_000, 100_000, 1_000_000] } else { asked };
    for &connections in &sizes {
        singles(connections);
        broadcasts(connections);
    }
    echoes();
    println!("memory of an idle connection");
    for &connections in &sizes {
        for kind in MEMORY {
            let program = std::env::current_exe().expect("a program");
            let mut process = std::process::Command::new(program);
            let status = process.args(["memory", kind, &connections.to_string()]).status();
            assert!(status.is_ok_and(|status| status.success()), "{kind} at {connections}");
        }
    }
}
