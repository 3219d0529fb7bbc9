//! Asking whether a user's connections are alive at this moment.

mod transcript;

use switchboard_core::{Config, Heartbeat, HeartbeatMode};
use transcript::check;

fn both(config: &mut Config) {
    config.heartbeat = Heartbeat::default();
}

fn protocol(config: &mut Config) {
    config.heartbeat = Heartbeat { mode: HeartbeatMode::Protocol, ..Heartbeat::default() };
}

#[test]
fn a_probe_asks_every_open_connection_and_says_how_long_each_took() {
    check(
        protocol,
        "
        enter a alice / enter b alice / connect c alice
          => accept c
        1s app probe alice 2s
          => a: ping n1
          => b: ping n1
          => done: probing 2
        +30ms b pong n1
        +20ms a pong n1
          => probed t1: a 50ms, b 30ms
        view a
          => a is open in no room, latency 50ms, seen at 1050ms
        view b
          => b is open in no room, latency 30ms, seen at 1030ms
        ",
    );
}

#[test]
fn a_probe_without_an_answer_ends_on_time() {
    check(
        protocol,
        "
        enter a alice / enter b alice
        1s app probe alice 2s
          => a: ping n1
          => b: ping n1
          => done: probing 2
        2s b pong n1
        3s-1us tick
        3s tick
          => probed t1: a no answer, b 1s
        // Too late: it answers nothing, and is not a sign of life.
        4s a pong n1
        view a
          => a is open in no room, latency unknown, seen at 0
        // The driver is late: connections that were not asked yet get the usual time to answer.
        45s tick
          => a: ping n2
          => b: ping n2
        60s-1us tick
        60s tick
          => close a 4010 stale
          => close b 4010 stale
        ",
    );
}

#[test]
fn an_answer_counts_once_and_for_its_own_connection() {
    check(
        both,
        "
        enter a alice / enter b alice
        1s app probe alice 2s
          => a: ping n1
          => a: health_ping n1
          => b: ping n1
          => b: health_ping n1
          => done: probing 2
        1100ms a health_pong n1 / a pong n1 / a health_pong n1
        view a
          => a is open in no room, latency 100ms, seen at 1100ms
        1300ms b pong n1
          => probed t1: a 100ms, b 300ms
        ",
    );
}

#[test]
fn two_probes_at_once_do_not_mix() {
    check(
        protocol,
        "
        enter a alice
        1s app probe alice 2s
          => a: ping n1
          => done: probing 1
        1s app probe alice 3s
          => a: ping n2
          => done: probing 1
        1500ms a pong n2
          => probed t2: a 500ms
        2s a pong n1
          => probed t1: a 1s
        view a
          => a is open in no room, latency 1s, seen at 2s
        deadline
          => deadline 17460863us
        ",
    );
}

#[test]
fn a_probe_and_a_heartbeat_do_not_mix() {
    check(
        protocol,
        "
        enter a alice / next / app probe alice 2s
          => a: ping n1
          => a: ping n2
          => done: probing 1
        +10ms a pong n2
          => probed t1: a 10ms
        +10ms a pong n1
        view a
          => a is open in no room, latency 20ms, seen at 17480863us
        ",
    );
}

#[test]
fn a_connection_that_ends_answers_its_probes() {
    check(
        protocol,
        "
        enter a alice / enter b alice / enter c alice
        1s app probe alice 2s / app probe alice 5s
          => a: ping n1
          => b: ping n1
          => c: ping n1
          => done: probing 3
          => a: ping n2
          => b: ping n2
          => c: ping n2
          => done: probing 3
        a lost
          => closed a of alice: lost, after 1s
        app close b normal
          => close b 1000 normal
          => done: closing 1
        b pong n1
        1200ms c pong n2
          => probed t2: a no answer, b no answer, c 200ms
        c lost
          => probed t1: a no answer, b no answer, c no answer
          => closed c of alice: lost, after 1200ms
        deadline
          => deadline 6s
        stats
          => closing 1, users 1, accepted 3, out 3, ended lost 2
        ",
    );
}

#[test]
fn there_is_nobody_to_probe() {
    check(
        |config| config.limits.max_probes = 1,
        "
        app probe alice 2s
          => done: user_offline
        connect a alice
          => accept a
        app probe alice 2s
          => done: user_offline
        open a / app probe alice 2s / app probe alice 2s
          => a: connected alice
          => a: ping n1
          => a: health_ping n1
          => done: probing 1
          => done: rate_limited
        a pong n1
          => probed t3: a 0
        app close a normal
          => close a 1000 normal
          => done: closing 1
        app probe alice 2s
          => done: user_offline
        ",
    );
}

#[test]
fn a_probe_of_no_time_is_over_at_once() {
    check(
        protocol,
        "
        enter a alice
        1s app probe alice 0
          => a: ping n1
          => done: probing 1
        deadline
          => deadline 1s
        tick
          => probed t1: a no answer
        a pong n1
        view a
          => a is open in no room, latency unknown, seen at 0
        ",
    );
}
