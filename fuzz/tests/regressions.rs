//! Runs that once went wrong, as short as they could be made. In an operation, `c: 0` is the newest connection and
//! `c: 1` the one before.

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
