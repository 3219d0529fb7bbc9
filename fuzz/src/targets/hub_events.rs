//! A hub under any order of events.
//!
//! The input is a [`Scenario`]: a configuration, a seed, and operations of four bytes each, at most
//! [`MAX_OPS`](crate::ops::MAX_OPS).
//!
//! **Oracle.** The hub does what the naive model does, step by step
//! ([`Invariant::TheHubAgreesWithTheModel`], without the features unknown to the model). And the
//! same operations with all features keep one more invariant, which the seed picks out of
//! ARCHITECTURE.md's. Nothing panics.

use crate::check::{Invariant, Scenario, run as hold};

/// The invariants that are checked on the hub alone.
const OTHERS: [Invariant; 13] = [
    Invariant::CapacityIsNeverExceeded,
    Invariant::EveryAcceptGetsExactlyOneClosed,
    Invariant::EmptyHubHasEmptyTables,
    Invariant::StaleIdsChangeNothing,
    Invariant::NothingFollowsAClose,
    Invariant::DeliveryIsInOffsetOrder,
    Invariant::AClientsStreamIsTheLog,
    Invariant::EveryMessageHasOneAnswer,
    Invariant::NobodyHearsOfABlip,
    Invariant::EveryQueueIsBounded,
    Invariant::ProgressIsMade,
    Invariant::SameLogSameActions,
    Invariant::DrainEndsByItsDeadline,
];

/// Runs one input.
///
/// # Panics
/// When the oracle is violated; the message has the configuration, the transcript and what is
/// wrong.
pub fn run(bytes: &[u8]) {
    let scenario = Scenario::decode(bytes);
    let invariant = OTHERS[scenario.seed as usize % OTHERS.len()];
    let plain = Scenario { setup: scenario.setup.clone().plain(), ..scenario.clone() };
    let result = hold(&plain, Invariant::TheHubAgreesWithTheModel);
    if let Err(why) = result.and_then(|_| hold(&scenario, invariant)) {
        panic!("{why}");
    }
}
