//! Counts allocations.
//!
//! Pins the number of allocations per message, which does not depend on the number of recipients.
#![allow(unsafe_code)]

#[allow(dead_code, reason = "the benchmarks use all of it")]
#[path = "../benches/world/mod.rs"]
mod world;

#[allow(dead_code, reason = "the benchmarks use all of it")]
#[path = "../benches/world/counting.rs"]
mod counting;

use counting::Counting;
use world::{Echo, World, config, join, leave, publish, room};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Returns the number of allocations while this runs.
fn calls(run: impl FnOnce()) -> usize {
    let before = counting::calls();
    run();
    counting::calls() - before
}

/// A single test, because concurrent ones would be counted, too.
#[test]
fn memory_is_asked_for_once_a_message_and_not_once_a_member() {
    // The text's payload, the publication, and its frame in two.
    const EACH: usize = 4;
    for members in [1, 10, 100] {
        for history in [false, true] {
            let mut echo = Echo::new(100, members, config(history));
            let mut round = |count: usize| {
                for at in 0..count * 100 {
                    echo.message(at % 100);
                }
            };
            // Until every queue has reached its largest size, and the rooms their largest history.
            round(120);
            let calls = calls(|| round(10));
            assert_eq!(calls, 1_000 * EACH, "{members} members, history: {history}");
        }
    }

    // The application's own publications come with their payload.
    for members in [10, 1_000] {
        let mut world = World::new(1_000, 1_000 / members, config(false));
        world.feed(publish(room(0)));
        let event = publish(room(0));
        let calls = calls(|| assert_eq!(world.feed(event), members));
        assert_eq!(calls, 1, "{members} members");
    }

    let mut world = World::new(100, 10, config(true));
    let id = world.ids[0];
    let back_and_forth =
        [join(id, room(5)), leave(id, room(5)), join(id, room(6)), leave(id, room(6))];
    for event in back_and_forth.clone() {
        world.feed(event);
    }
    let calls = calls(|| {
        for event in back_and_forth {
            world.feed(event);
        }
    });
    assert_eq!(calls, 0, "to join and to leave, in a room that has had as many members before");
}
