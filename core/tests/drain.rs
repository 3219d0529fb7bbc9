//! Shutting down.

mod transcript;

use std::time::Duration;

use switchboard_core::{Attempt, Config, Heartbeat, Limit, Operation};
use transcript::{check, class};

fn unlimited(config: &mut Config) {
    config.limits.max_connections = Limit::NONE;
}

#[test]
fn everybody_is_told_closed_and_gone() {
    check(
        unlimited,
        "
        enter a alice lobby / enter b bob lobby
        1s drain 30s 0
          => a: draining, retry 0
          => close a 1001 draining
          => b: draining, retry 0
          => close b 1001 draining
        stats
          => closing 2, users 2, accepted 2, out 4
        a closes
          => closed a of alice: draining (1001), after 1s
        b lost
          => closed b of bob: draining (1001), after 1s
          => drained
        stats
          => accepted 2, out 4, ended draining 2
        deadline
          => deadline none
        ",
    );
}

#[test]
fn nobody_comes_in_any_more() {
    check(
        |config| config.limits.max_connections = Limit::at_most(1),
        "
        enter a alice
        drain 30s 0
          => a: draining, retry 0
          => close a 1001 draining
        connect b bob
          => reject draining, 503 or 1001 draining, retry 0
        a lost
          => closed a of alice: draining (1001), after 0
          => drained
        connect b bob
          => reject draining, 503 or 1001 draining, retry 0
        stats
          => accepted 1, out 2, rejected draining 2, ended draining 1
        ",
    );
}

#[test]
fn an_empty_server_is_drained_at_once_and_once() {
    check(
        unlimited,
        "
        drain 30s 0
          => drained
        drain 30s 0
        deadline
          => deadline none
        connect a alice
          => reject draining, 503 or 1001 draining, retry 0
        ",
    );
}

#[test]
fn a_second_drain_changes_nothing() {
    check(
        unlimited,
        "
        enter a alice
        drain 2s 0
          => a: draining, retry 0
          => close a 1001 draining
        1s drain 30s 0
        2s tick
          => closed a of alice: draining (1001), after 2s
          => drained
        ",
    );
}

#[test]
fn who_does_not_go_is_cut_off_at_the_deadline() {
    check(
        unlimited,
        "
        enter a alice lobby / enter b bob lobby
        1s drain 2s 0
          => a: draining, retry 0
          => close a 1001 draining
          => b: draining, retry 0
          => close b 1001 draining
        deadline
          => deadline 3s
        3s-1us tick
        3s tick
          => closed a of alice: draining (1001), after 3s
          => closed b of bob: draining (1001), after 3s
          => drained
        tick
        deadline
          => deadline none
        stats
          => accepted 2, out 4, ended draining 2
        ",
    );
}

#[test]
fn the_close_time_out_may_be_earlier_than_the_deadline() {
    check(
        unlimited,
        "
        enter a alice
        1s drain 30s 0
          => a: draining, retry 0
          => close a 1001 draining
        6s-1us tick
        6s tick
          => closed a of alice: draining (1001), after 6s
          => drained
        deadline
          => deadline none
        ",
    );
}

#[test]
fn one_that_was_closing_already_is_not_told_but_waited_for() {
    check(
        |config| config.limits.close_timeout = Duration::from_secs(60),
        "
        enter a alice / enter b bob
        app close a normal
          => close a 1000 normal
          => done: closing 1
        drain 2s 0
          => b: draining, retry 0
          => close b 1001 draining
        b lost
          => closed b of bob: draining (1001), after 0
        2s-1us tick
        2s tick
          => closed a of alice: normal (1000), after 2s
          => drained
        ",
    );
}

#[test]
fn a_handshake_that_ends_during_the_drain_is_told_and_closed() {
    check(
        unlimited,
        "
        connect a alice lobby / connect b bob / connect c carol
          => accept a
          => accept b
          => accept c
        drain 30s 0
        stats
          => reserved 3, rooms 1, users 3, accepted 3
        1s open a
          => a: connected alice lobby@0
          => a: draining, retry 0
          => close a 1001 draining
        b fails
          => closed b of bob: the handshake failed, after 1s
        10s tick
          => closed a of alice: draining (1001), after 9s
          => closed c of carol: the handshake failed, after 10s
          => drained
        a lost
        ",
    );
}

#[test]
fn a_handshake_in_flight_is_cut_off_at_the_deadline_too() {
    check(
        unlimited,
        "
        connect a alice lobby
          => accept a
        drain 2s 0
        2s tick
          => closed a of alice: draining (1001), after 2s
          => drained
        open a
        ",
    );
}

#[test]
fn one_tick_sends_a_bounded_number_away() {
    check(
        |config| {
            unlimited(config);
            config.limits.work_per_tick = 2;
        },
        "
        enter a u1 / enter b u2 / connect c u3 / enter d u4 / enter e u5
          => accept c
        1s drain 30s 0
          => a: draining, retry 0
          => close a 1001 draining
          => b: draining, retry 0
          => close b 1001 draining
        deadline
          => deadline 1s
        tick
          => d: draining, retry 0
          => close d 1001 draining
        deadline
          => deadline 1s
        // The upgrade of one that was skipped.
        open c
          => c: connected u3
          => c: draining, retry 0
          => close c 1001 draining
        tick
          => e: draining, retry 0
          => close e 1001 draining
        deadline
          => deadline 6s
        ",
    );
}

#[test]
fn one_tick_cuts_a_bounded_number_off() {
    check(
        |config| {
            unlimited(config);
            config.limits.work_per_tick = 2;
            config.limits.close_timeout = Duration::from_secs(60);
        },
        "
        enter a u1 / enter b u2 / enter c u3 / enter d u4
        drain 2s 0
          => a: draining, retry 0
          => close a 1001 draining
          => b: draining, retry 0
          => close b 1001 draining
        1s tick
          => c: draining, retry 0
          => close c 1001 draining
          => d: draining, retry 0
          => close d 1001 draining
        tick
        // The deadline of each expires with that of the drain.
        2s run
          => 2s closed a of u1: draining (1001), after 2s
          => 2s closed b of u2: draining (1001), after 2s
          => 2s closed c of u3: draining (1001), after 2s
          => 2s closed d of u4: draining (1001), after 2s
          => 2s drained
        stats
          => accepted 4, out 8, ended draining 4
        ",
    );
}

#[test]
fn a_drain_without_time_cuts_everybody_off_now() {
    check(
        |config| {
            unlimited(config);
            config.limits.work_per_tick = 2;
        },
        "
        enter a u1 / enter b u2 / enter c u3
        drain 0 0
          => closed a of u1: draining (1001), after 0
          => closed b of u2: draining (1001), after 0
        run
          => 0 closed c of u3: draining (1001), after 0
          => 0 drained
        deadline
          => deadline none
        ",
    );
}

#[test]
fn what_was_accepted_is_sent_before_the_close() {
    check(
        unlimited,
        "
        enter a alice lobby / enter b bob lobby
        b blocked
        a say lobby 1
          => a: lobby@1 chat alice 1
        drain 30s 0
          => a: draining, retry 0
          => close a 1001 draining
        1s b writable
          => b: lobby@1 chat alice 1
          => b: draining, retry 0
          => close b 1001 draining
        ",
    );
}

#[test]
fn a_full_outbox_is_no_reason_to_lose_it() {
    check(
        |config| config.limits.outbox_messages = 2,
        "
        enter a alice lobby / enter b bob lobby
        b blocked
        a say lobby 1 / a say lobby 2
          => a: lobby@1 chat alice 1
          => a: lobby@2 chat alice 2
        drain 30s 0
          => a: draining, retry 0
          => close a 1001 draining
        1s b writable
          => b: lobby@1 chat alice 1
          => b: lobby@2 chat alice 2
          => b: draining, retry 0
          => close b 1001 draining
        stats
          => closing 2, users 2, accepted 2, in 2, bytes in 200, out 8, published 2
        ",
    );
}

#[test]
fn nobody_is_pinged_or_missed_while_it_lasts() {
    check(
        |config| {
            unlimited(config);
            config.heartbeat = Heartbeat::default();
            config.limits.close_timeout = Duration::from_secs(100);
            class(config, "", |class| class.presence = true);
        },
        "
        enter a alice lobby / enter b bob lobby
        1s drain 90s 0
          => a: draining, retry 0
          => close a 1001 draining
          => b: draining, retry 0
          => close b 1001 draining
        91s run
          => 91s closed a of alice: draining (1001), after 91s
          => 91s closed b of bob: draining (1001), after 91s
          => 91s drained
        deadline
          => deadline none
        ",
    );
}

#[test]
fn clients_come_back_within_the_spread() {
    let config = Config::default();
    let start = switchboard_core::Timestamp::ZERO;
    let mut hub = switchboard_core::Hub::new(config, 3, start).expect("sound");
    let drain = switchboard_core::Event::Drain {
        timeout: Duration::from_secs(30),
        spread: Duration::from_secs(10),
    };
    hub.handle(start, drain).for_each(drop);
    let mut seen = Vec::new();
    for n in 0..300 {
        let user = switchboard_core::UserName::new("alice").expect("a name");
        let ticket = switchboard_core::Ticket(n);
        let connect = switchboard_core::Event::Connect { ticket, attempt: Attempt::new(user) };
        let action = hub.handle(start, connect).next();
        let Some(switchboard_core::Action::Do(Operation::Reject { rejection, .. })) = action else {
            panic!("{action:?}")
        };
        seen.push(rejection.retry_after().expect("it says when"));
    }
    seen.sort();
    let (first, last) = (seen[0], seen[seen.len() - 1]);
    assert!(last <= Duration::from_secs(10) && last > Duration::from_secs(9), "{last:?}");
    assert!(first < Duration::from_secs(1), "{first:?}");
}
