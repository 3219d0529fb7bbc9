//! Heartbeats, stale and idle connections.

mod transcript;

use std::collections::BTreeSet;
use std::time::Duration;

use switchboard_core::{
    Action, Attempt, Config, Event, Heartbeat, HeartbeatMode, Hub, Limit, Operation, Ticket,
    Timestamp, UserName,
};
use transcript::check;

/// The defaults: a ping every 30 s, stale after 45 s.
fn both(config: &mut Config) {
    config.heartbeat = Heartbeat::default();
}

fn protocol(config: &mut Config) {
    config.heartbeat = Heartbeat { mode: HeartbeatMode::Protocol, ..Heartbeat::default() };
}

fn application(config: &mut Config) {
    config.heartbeat = Heartbeat { mode: HeartbeatMode::Application, ..Heartbeat::default() };
}

#[test]
fn the_first_ping_comes_within_the_second_half_of_the_interval_and_then_each_interval() {
    let user = UserName::new("alice").expect("a name");
    let interval = Duration::from_secs(30);
    let mut first = BTreeSet::new();
    for seed in 0..200 {
        let mut config = Config::default();
        both(&mut config);
        let start = Timestamp::from_millis(500);
        let mut hub = Hub::new(config, seed, start).expect("sound");
        let connect = Event::Connect { ticket: Ticket(1), attempt: Attempt::new(user.clone()) };
        let Some(Action::Do(&Operation::Accept { connection, .. })) =
            hub.handle(start, connect).next()
        else {
            panic!("there is a seat");
        };
        let opened = Timestamp::from_millis(1_000);
        hub.handle(opened, Event::Opened { connection }).for_each(drop);
        let at = hub.next_deadline().expect("a ping");
        assert!(opened + interval / 2 <= at && at <= opened + interval, "{at:?}");
        first.insert(at);
        let pings =
            hub.handle(at, Event::Tick).filter(|a| matches!(a, Action::Do(Operation::Ping { .. })));
        assert_eq!(pings.count(), 1);
        hub.handle(at, Event::Alive { connection }).for_each(drop);
        let mut next = hub.next_deadline().expect("a deadline");
        if next < at + interval {
            // The old time of staleness comes up first, and moves.
            assert_eq!(hub.handle(next, Event::Tick).count(), 0);
            next = hub.next_deadline().expect("a ping");
        }
        assert_eq!(next, at + interval);
    }
    // With 200 draws from 128 slots, 101 distinct ones are expected.
    assert!(first.len() > 90, "they are spread: {}", first.len());
}

#[test]
fn many_connections_are_pinged_in_a_few_hundred_moments() {
    let mut config = Config::default();
    protocol(&mut config);
    config.limits.max_connections = Limit::NONE;
    config.limits.max_per_user = Limit::NONE;
    let mut hub = Hub::new(config, 1, Timestamp::ZERO).expect("sound");
    let connections = 3_000;
    for n in 0..connections {
        let now = Timestamp::from_millis(n);
        let user = UserName::new(&format!("user-{n}")).expect("a name");
        let connect = Event::Connect { ticket: Ticket(n), attempt: Attempt::new(user) };
        let Some(Action::Do(&Operation::Accept { connection, .. })) =
            hub.handle(now, connect).next()
        else {
            panic!("there is a seat");
        };
        hub.handle(now, Event::Opened { connection }).for_each(drop);
    }
    let (mut pings, mut moments) = (0, 0);
    let end = Timestamp::from_millis(33_000);
    while let Some(at) = hub.next_deadline().filter(|at| *at <= end) {
        let new = hub
            .handle(at, Event::Tick)
            .filter(|a| matches!(a, Action::Do(Operation::Ping { .. })))
            .count();
        (pings, moments) = (pings + new, moments + 1);
    }
    assert_eq!(pings, connections as usize);
    // Half of the 256 slots of an interval, and those of the three seconds in which they connected.
    assert!((100..=160).contains(&moments), "{moments}");
}

#[test]
fn in_mode_protocol_a_ping_is_a_frame() {
    check(
        protocol,
        "
        enter a alice / next
          => a: ping n1
        +20ms a pong n1
        view a
          => a is open in no room, latency 20ms, seen at 17480863us
        +30s-21ms tick
        +1ms tick
          => a: ping n2
        +5ms a pong n2
        view a
          => a is open in no room, latency 5ms, seen at 47465863us
        ",
    );
}

#[test]
fn in_mode_application_a_ping_is_a_message() {
    check(
        application,
        "
        enter a alice / next
          => a: health_ping n1
        +20ms a health_pong n1
        view a
          => a is open in no room, latency 20ms, seen at 17480863us
        ",
    );
}

#[test]
fn in_mode_both_the_first_answer_counts_and_the_second_changes_nothing() {
    check(
        both,
        "
        enter a alice / next
          => a: ping n1
          => a: health_ping n1
        +20ms a pong n1
        +20ms a health_pong n1
        view a
          => a is open in no room, latency 20ms, seen at 17480863us
        ",
    );
}

#[test]
fn a_silent_connection_is_closed_at_45_s_and_gone_after_the_close_time_out() {
    check(
        both,
        "
        1s enter a alice / next
          => a: ping n1
          => a: health_ping n1
        46s-1us tick
        46s tick
          => close a 4010 stale
        51s-1us tick
        51s tick
          => closed a of alice: stale (4010), after 50s
        stats
          => accepted 1, out 2, ended stale 1
        ",
    );
}

#[test]
fn one_that_answers_every_ping_stays() {
    check(
        protocol,
        "
        enter a alice
        next / +1s a pong n1
          => a: ping n1
        +29s tick / +1s a pong n2
          => a: ping n2
        +29s tick / +1s a pong n3
          => a: ping n3
        +29s tick / +1s a pong n4
          => a: ping n4
        ",
    );
}

#[test]
fn any_frame_is_life() {
    check(
        |config| {
            protocol(config);
            config.heartbeat.interval = Duration::from_secs(44);
        },
        "
        enter a alice lobby
        40s a say lobby x / tick
          => a: lobby@1 chat alice x
          => a: ping n1
        80s a alive / tick
        120s a garbage / tick
          => a: error bad_message
          => a: ping n2
        160s a health_ping 7 / tick
          => a: health_pong 7
        190s tick
          => a: ping n3
        205s-1us tick
        view a
          => a is open in lobby, latency unknown, seen at 160s
        205s tick
          => close a 4010 stale
        ",
    );
}

#[test]
fn a_pong_that_answers_nothing_is_no_life() {
    check(
        both,
        "
        enter a alice / next
          => a: ping n1
          => a: health_ping n1
        40s a pong / a pong 5 / a health_pong 5 / a health_pong
        view a
          => a is open in no room, latency unknown, seen at 0
        45s tick
          => close a 4010 stale
        ",
    );
}

#[test]
fn a_pong_counts_once() {
    check(
        protocol,
        "
        enter a alice / next
          => a: ping n1
        30s a pong n1
        40s a pong n1
        view a
          => a is open in no room, latency 12539137us, seen at 30s
        60s tick
          => a: ping n2
        75s-1us tick
        75s tick
          => close a 4010 stale
        ",
    );
}

#[test]
fn a_health_ping_is_answered_with_its_own_number() {
    check(
        |_| {},
        "
        enter a alice
        a health_ping 1790000000000
          => a: health_pong 1790000000000
        a health_ping -1.50e3
          => a: health_pong -1.50e3
        ",
    );
}

#[test]
fn without_an_interval_nothing_is_pinged_and_nothing_goes_stale() {
    check(
        |_| {},
        "
        enter a alice
        deadline
          => deadline none
        100000s tick
        ",
    );
}

#[test]
fn one_without_messages_is_idle_and_pings_and_pongs_do_not_help() {
    check(
        |config| {
            protocol(config);
            config.heartbeat.idle_timeout = Duration::from_secs(40);
        },
        "
        enter a alice lobby
        10s a say lobby x
          => a: lobby@1 chat alice x
        next
          => a: ping n1
        35s a pong n1 / a health_ping 1 / a alive
          => a: health_pong 1
        50s-1us tick
        50s tick
          => close a 1008 idle
        stats
          => closing 1, users 1, accepted 1, in 2, bytes in 200, out 3, published 1
        ",
    );
}

#[test]
fn a_tick_does_a_bounded_number_of_deadlines_and_says_that_more_are_due() {
    check(
        |config| config.limits.work_per_tick = 2,
        "
        connect a u1 / connect b u2 / connect c u3 / connect d u4 / connect e u5
          => accept a
          => accept b
          => accept c
          => accept d
          => accept e
        10s tick
          => closed a of u1: the handshake failed, after 10s
          => closed b of u2: the handshake failed, after 10s
        deadline
          => deadline 10s
        tick
          => closed c of u3: the handshake failed, after 10s
          => closed d of u4: the handshake failed, after 10s
        deadline
          => deadline 10s
        tick
          => closed e of u5: the handshake failed, after 10s
        deadline
          => deadline none
        ",
    );
}

#[test]
fn after_a_long_sleep_everybody_is_asked_before_anybody_is_stale() {
    check(
        protocol,
        "
        enter a alice / enter b bob
        1000s tick
          => a: ping n1
          => b: ping n1
        // The time between the ping and the end of the patience: 15 s.
        1001s b pong n1
        1015s-1us tick
        1015s tick
          => close a 4010 stale
        1046s run
          => 1020s closed a of alice: stale (4010), after 1020s
          => 1030s b: ping n2
          => 1046s close b 4010 stale
        ",
    );
}

#[test]
fn a_sleep_between_the_ping_and_its_answer_takes_no_one_along_who_answers_first() {
    check(
        protocol,
        "
        enter a alice / enter b bob
        30s tick
          => a: ping n1
          => b: ping n1
        // Both were asked; what b said in time is read first.
        1000s b pong n1 / tick
          => close a 4010 stale
          => b: ping n2
        ",
    );
}
