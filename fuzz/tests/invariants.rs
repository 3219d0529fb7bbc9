//! One test for each invariant of the hub, by its name in ARCHITECTURE.md.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use switchboard_core::Rejection;
use switchboard_fuzz::check::{Invariant, Scenario, Tally, run};
use switchboard_fuzz::ops::Op;
use switchboard_fuzz::setup::{SETUP_BYTES, Setup};

fn scenarios() -> impl Strategy<Value = Scenario> {
    let setup = any::<[u8; SETUP_BYTES]>().prop_map(Setup::decode);
    let ops = prop::collection::vec(any::<[u8; 4]>().prop_map(Op::decode), 1..250);
    (setup, any::<u64>(), ops).prop_map(|(setup, seed, ops)| {
        let setup = if seed % 3 == 0 { setup.roomy() } else { setup };
        Scenario { setup, seed, ops }
    })
}

/// Runs 5,000 scenarios each, or `SWITCHBOARD_CASES` of them.
fn cases() -> u32 {
    std::env::var("SWITCHBOARD_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(5_000)
}

/// With `PROPTEST_RNG_SEED` and `PROPTEST_MAX_SHRINK_ITERS=0`, a broken rule is found in the same
/// scenario each time.
fn holds(invariant: Invariant) {
    let config = Config { failure_persistence: None, ..Config::default() };
    let max_shrink_iters = config.max_shrink_iters.min(100_000);
    let config = Config { cases: cases(), max_shrink_iters, ..config };
    let (count, found_in) = (Cell::new(0), Cell::new(None));
    let result = TestRunner::new(config).run(&scenarios(), |mut scenario| {
        count.set(count.get() + 1);
        if invariant == Invariant::TheHubAgreesWithTheModel {
            scenario.setup = scenario.setup.plain();
        }
        run(&scenario, invariant).map(|_| ()).map_err(|why| {
            found_in.set(found_in.get().or_else(|| Some(count.get())));
            TestCaseError::fail(why)
        })
    });
    match result {
        Ok(()) => {}
        // The reason contains everything: the configuration, the transcript, and what is wrong.
        Err(TestError::Fail(why, _)) => {
            panic!("{why}\nFound in scenario {}.", found_in.get().unwrap_or(0))
        }
        Err(TestError::Abort(why)) => panic!("no scenarios: {why}"),
    }
}

macro_rules! invariants {
    ($($name:ident => $invariant:ident,)*) => {
        $(#[test]
        fn $name() {
            holds(Invariant::$invariant);
        })*
    };
}

invariants! {
    capacity_is_never_exceeded => CapacityIsNeverExceeded,
    every_accept_gets_exactly_one_closed => EveryAcceptGetsExactlyOneClosed,
    empty_hub_has_empty_tables => EmptyHubHasEmptyTables,
    stale_ids_change_nothing => StaleIdsChangeNothing,
    nothing_follows_a_close => NothingFollowsAClose,
    delivery_is_in_offset_order_without_holes_or_repeats => DeliveryIsInOffsetOrder,
    a_clients_stream_is_the_rooms_log_or_it_was_told => AClientsStreamIsTheLog,
    every_message_has_one_answer_and_is_handled_once => EveryMessageHasOneAnswer,
    nobody_hears_of_a_blip => NobodyHearsOfABlip,
    every_queue_is_bounded => EveryQueueIsBounded,
    progress_is_made => ProgressIsMade,
    same_log_same_actions => SameLogSameActions,
    drain_ends_by_its_deadline => DrainEndsByItsDeadline,
    the_hub_agrees_with_the_model => TheHubAgreesWithTheModel,
}

/// The scenarios must reach the places where mistakes hide. They are the same each time, so this
/// cannot be luck.
#[test]
fn the_interesting_things_happen() {
    let config = Config { failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let mut all = Tally::new();
    for _ in 0..1_000 {
        let scenario = scenarios().new_tree(&mut runner).expect("no filters").current();
        let tally = run(&scenario, Invariant::ProgressIsMade).expect("progress is made");
        tally.into_iter().for_each(|(what, count)| *all.entry(what).or_default() += count);
    }
    let rejections = Rejection::NAMES.map(|name| format!("reject {name}"));
    let endings = ["draining", "forbidden", "idle", "normal", "rate_limited", "replaced"]
        .into_iter()
        .chain(["slow_consumer", "stale", "closed_by_peer", "lost", "handshake_failed"])
        .map(|name| format!("closed {name}"));
    let errors = ["forbidden", "lobby_full", "not_a_member", "rate_limited", "reserved_type"]
        .into_iter()
        .chain(["room_required", "too_many_rooms", "user_offline", "no_such_request"])
        .map(|name| format!("error {name}"));
    let others = ["gap", "blocked", "drained", "member left", "probed", "request"].into_iter();
    let others = others
        .chain(["refresh too_old", "refresh unknown_epoch", "refresh unknown_position"])
        .chain(["refresh with the state", "recovered", "replayed", "repeated", "history", "held"])
        .chain(["answered", "not answered in time", "hold expired", "state wanted"]);
    for what in rejections.into_iter().chain(endings).chain(errors).chain(others.map(Into::into)) {
        let count = all.get(&what).copied().unwrap_or(0);
        assert!(count >= 20, "{what}: {count} times in 1,000 scenarios; of all: {all:#?}");
    }
}
