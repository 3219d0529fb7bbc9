//! Runs that once went wrong, as short as possible. In an operation, `c: 0` is the newest
//! connection and `c: 1` the one before.

use switchboard_core::Overflow;
use switchboard_fuzz::check::{Invariant, Scenario, run};
use switchboard_fuzz::ops::{Come, Op, Since};
use switchboard_fuzz::setup::{SETUP_BYTES, Setup};

fn holds(outbox_messages: usize, overflow: Overflow, ops: Vec<Op>) {
    let mut setup = Setup::decode([0; SETUP_BYTES]);
    setup.0.limits.outbox_messages = outbox_messages;
    setup.0.rooms[0].1.overflow = overflow;
    let scenario = Scenario { setup, seed: 0, ops };
    for invariant in [Invariant::DeliveryIsInOffsetOrder, Invariant::TheHubAgreesWithTheModel] {
        if let Err(why) = run(&scenario, invariant) {
            panic!("{why}");
        }
    }
}

const CONNECT: Op = Op::Connect { user: 0, rooms: 1, come: Come::New, since: Since::Nothing };
const OPEN: Op = Op::Open { c: 0 };
const PUBLISH: Op = Op::CommandPublish { room: 0, except: None, key: 0 };
const LATE: Op = Op::Late { ms: 60_000 };

fn blocked_and_back(c: u8) -> [Op; 5] {
    let leave = Op::CommandLeave { c, room: 0 };
    [Op::Block { c }, PUBLISH, leave, Op::CommandJoin { c, room: 0 }, PUBLISH]
}

#[test]
fn a_gap_does_not_reach_into_another_epoch() {
    let mut ops = vec![CONNECT, OPEN];
    ops.extend(blocked_and_back(0));
    ops.extend([PUBLISH, Op::Writable { c: 0 }]);
    holds(3, Overflow::DropOldest, ops);
}

#[test]
fn a_gap_is_announced_after_the_join_that_it_follows() {
    let mut ops = vec![CONNECT, OPEN, CONNECT, OPEN];
    ops.extend(blocked_and_back(1));
    ops.extend([PUBLISH, Op::Writable { c: 1 }]);
    holds(3, Overflow::DropOldest, ops);
}

#[test]
fn a_publication_may_replace_one_of_an_earlier_epoch() {
    let mut ops = vec![CONNECT, OPEN];
    ops.extend(blocked_and_back(0));
    ops.push(Op::Writable { c: 0 });
    holds(8, Overflow::Conflate, ops);
}

#[test]
fn a_drain_does_not_cost_what_waits() {
    let drain = Op::Drain { timeout_ms: 32, spread_ms: 0 };
    let ops = vec![CONNECT, OPEN, Op::Block { c: 0 }, PUBLISH, drain, Op::Writable { c: 0 }];
    holds(1, Overflow::Close, ops);
}

#[test]
fn an_overflow_is_the_reason_even_when_another_comes_in_the_same_tick() {
    let ops = vec![CONNECT, OPEN, Op::Block { c: 0 }, PUBLISH, LATE, PUBLISH];
    holds(1, Overflow::Close, ops);
}

const ROOM_1: Op = Op::CommandPublish { room: 1, except: None, key: 0 };

fn remembers(change: impl FnOnce(&mut Setup), invariant: Invariant, ops: Vec<Op>) {
    let mut setup = Setup::decode([0; SETUP_BYTES]);
    setup.0.rooms[0].1.presence = true;
    setup.0.rooms[0].1.history = switchboard_core::History::default();
    setup.0.recovery.session_window = std::time::Duration::from_secs(5);
    change(&mut setup);
    if let Err(why) = run(&Scenario { setup, seed: 0, ops }, invariant) {
        panic!("{why}");
    }
}

fn connect(user: u8, rooms: u8, come: Come) -> Op {
    Op::Connect { user, rooms, come, since: Since::Kept }
}

/// The history of the room published to was dropped together with the room.
#[test]
fn a_room_does_not_give_itself_up_for_its_own_publication() {
    let ops = vec![ROOM_1, PUBLISH, PUBLISH, ROOM_1, ROOM_1];
    let small = |setup: &mut Setup| setup.0.recovery.history_bytes = 1;
    remembers(small, Invariant::EveryQueueIsBounded, ops);
}

/// The client was excluded from the replay, but no longer from the live stream.
#[test]
fn a_client_that_takes_over_is_left_out_as_it_was_before() {
    let except = Op::CommandPublish { room: 0, except: Some(0), key: 0 };
    let resume = Op::Resume { c: 0, id: false, since: Since::Kept };
    let ops = vec![CONNECT, OPEN, connect(0, 0, Come::Back(1)), OPEN, resume, except];
    remembers(|_| {}, Invariant::AClientsStreamIsTheLog, ops);
}

/// A gap reached over publications that were still to come.
#[test]
fn a_gap_in_the_middle_stands_in_the_middle() {
    let publish = |key| Op::CommandPublish { room: 0, except: None, key };
    let keys = [1, 1, 2, 0, 0, 1, 2].map(publish);
    let mut ops = vec![CONNECT, OPEN, Op::Block { c: 0 }];
    ops.extend(keys);
    ops.push(Op::Writable { c: 0 });
    let conflate = |setup: &mut Setup| setup.0.rooms[0].1.overflow = Overflow::Conflate;
    remembers(conflate, Invariant::AClientsStreamIsTheLog, ops);
}

/// A second `join` was answered as if the room had been entered; a join after a `leave` was not
/// answered.
#[test]
fn who_waits_for_the_state_of_a_room_is_not_in_it_yet() {
    let state = |setup: &mut Setup| setup.0.rooms[0].1.provides_state = true;
    let join = Op::Join { c: 0, room: 0, id: true, since: Since::Forged };
    let leave = Op::Leave { c: 0, room: Some(0), id: true };
    let ops = vec![connect(0, 0, Come::New), OPEN, join, PUBLISH, join, PUBLISH, leave, join];
    remembers(state, Invariant::AClientsStreamIsTheLog, ops.clone());
    remembers(state, Invariant::EveryMessageHasOneAnswer, ops);
}

/// Of two rooms of a `resume`, the second one arrived, and the first had been dropped.
#[test]
fn nothing_follows_an_overflow_in_the_same_event() {
    let tiny = |setup: &mut Setup| {
        setup.0.limits.outbox_messages = 1;
        setup.0.limits.outlet_high_water = 150;
        setup.0.limits.outlet_low_water = 15;
    };
    let room_2 = Op::CommandPublish { room: 2, except: None, key: 0 };
    let mut ops = vec![connect(0, 7, Come::New), OPEN];
    ops.push(Op::Disconnect { c: 0, how: 0, torn: 0 });
    ops.extend([PUBLISH, PUBLISH, PUBLISH, ROOM_1, ROOM_1, ROOM_1, room_2, room_2]);
    ops.extend([connect(0, 0, Come::Back(0)), OPEN]);
    ops.push(Op::Resume { c: 0, id: true, since: Since::Kept });
    remembers(tiny, Invariant::AClientsStreamIsTheLog, ops);
}

/// Forgetting the earlier of two messages with one id also forgot the later one.
#[test]
fn an_id_that_was_used_twice_is_remembered_for_its_second_time() {
    let two = |setup: &mut Setup| setup.0.recovery.remembered_ids = 2;
    let publish = Op::Publish { c: 0, room: Some(0), kind: 0, key: 0, id: true };
    let repeat = |back, altered| Op::Repeat { c: 0, back, altered };
    let ops = vec![CONNECT, OPEN, publish, repeat(0, true), publish, repeat(1, false)];
    remembers(two, Invariant::EveryMessageHasOneAnswer, ops);
}
