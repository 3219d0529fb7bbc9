//! Who gets a seat, who is refused, and when seats become free.

mod transcript;

use std::time::Duration;

use switchboard_core::{Config, Limit, Rejection, RoomName, UserLimitPolicy};
use transcript::{check, class};

/// Caps of 3 connections in all, 2 per room, 2 per user.
fn small(config: &mut Config) {
    config.limits.max_connections = Limit::at_most(3);
    config.limits.max_per_user = Limit::at_most(2);
    class(config, "", |class| class.max_members = Limit::at_most(2));
}

fn replacing(config: &mut Config) {
    small(config);
    config.limits.user_limit_policy = UserLimitPolicy::ReplaceOldest;
}

#[test]
fn the_server_takes_as_many_as_it_has_seats() {
    check(
        small,
        "
        connect a alice
          => accept a
        connect b bob
          => accept b
        connect c carol
          => accept c
        percent
          => 100 %
        connect d dave
          => reject server_full, 503 or 4002 server_full, retry 5s
        stats
          => reserved 3, users 3, accepted 3, rejected server_full 1
        a fails
          => closed a of alice: the handshake failed, after 0
        connect d dave
          => accept d
        ",
    );
}

#[test]
fn a_room_takes_as_many_as_it_has_seats() {
    check(
        small,
        "
        enter a alice lobby
        connect b bob lobby
          => accept b
        // A reserved seat counts.
        connect c carol lobby
          => reject lobby_full, 503 or 4002 lobby_full, retry 5s
        open b
          => b: connected bob lobby@0
        connect c carol lobby
          => reject lobby_full, 503 or 4002 lobby_full, retry 5s
        // All rooms or none: a refused attempt holds no seat in the free one.
        connect c carol den lobby
          => reject lobby_full, 503 or 4002 lobby_full, retry 5s
        room den
          => no den
        a leave lobby
          => a: left lobby
        connect c carol den lobby
          => accept c
        room lobby
          => lobby@0: 2 seats, b, users bob
        ",
    );
}

#[test]
fn a_user_has_as_many_connections_as_it_may() {
    check(
        small,
        "
        enter a alice
        connect b alice
          => accept b
        connect c alice
          => reject user_limit, 503 or 4002 user_limit, retry 5s
        connect d bob
          => accept d
        // The seat is free again at once.
        a lost
          => closed a of alice: lost, after 0
        connect c alice
          => accept c
        ",
    );
}

#[test]
fn the_server_is_named_before_the_room_and_the_room_before_the_user() {
    check(
        |config| {
            small(config);
            config.limits.max_rooms_per_connection = Limit::at_most(3);
        },
        "
        enter a alice lobby / enter b alice lobby
        connect c alice lobby
          => reject lobby_full, 503 or 4002 lobby_full, retry 5s
        connect c alice den
          => reject user_limit, 503 or 4002 user_limit, retry 5s
        enter c carol
        connect d alice lobby
          => reject server_full, 503 or 4002 server_full, retry 5s
        connect d alice r1 r2 r3
          => reject server_full, 503 or 4002 server_full, retry 5s
        connect d alice r1 r2 r3 r4
          => reject too_many_rooms, 403 or 4003 forbidden, retry never
        connect d alice r1 r2 r3 r4 r1
          => reject too_many_rooms, 403 or 4003 forbidden, retry never
        stats
          => connections 3, rooms 1, users 2, accepted 3, out 3, rejected server_full 2, rejected lobby_full 1, rejected user_limit 1, rejected too_many_rooms 2
        ",
    );
}

#[test]
fn a_room_that_is_named_twice_takes_one_seat() {
    check(
        small,
        "
        connect a alice lobby lobby den
          => accept a
        view a
          => a is reserved in den lobby, latency unknown, seen at 0
        room lobby
          => lobby@0: 1 seats, , users
        connect b bob lobby
          => accept b
        open a
          => a: connected alice den@0 lobby@0
        ",
    );
}

#[test]
fn a_failed_handshake_gives_every_seat_back() {
    check(
        small,
        "
        connect a alice lobby den
          => accept a
        stats
          => reserved 1, rooms 2, users 1, accepted 1
        5ms a fails
          => closed a of alice: the handshake failed, after 5ms
        stats
          => accepted 1, ended handshake_failed 1
        room lobby
          => no lobby
        // The attempt is gone: events about it change nothing.
        open a
        a fails
        stats
          => accepted 1, stale events 2, ended handshake_failed 1
        ",
    );
}

#[test]
fn a_handshake_has_its_time_to_the_microsecond() {
    check(
        small,
        "
        1s connect a alice lobby
          => accept a
        deadline
          => deadline 11s
        11s-1us tick
        view a
          => a is reserved in lobby, latency unknown, seen at 1s
        11s tick
          => closed a of alice: the handshake failed, after 10s
        deadline
          => deadline none
        stats
          => accepted 1, ended handshake_failed 1
        // Completed at the last moment, it is in.
        20s connect b bob lobby
          => accept b
        30s-1us open b
          => b: connected bob lobby@0
        30s tick
        view b
          => b is open in lobby, latency unknown, seen at 29999999us
        ",
    );
}

#[test]
fn a_late_upgrade_still_finds_its_seat_until_the_deadline_is_handled() {
    check(
        small,
        "
        connect a alice lobby
          => accept a
        12s open a
          => a: connected alice lobby@0
        tick
        ",
    );
}

#[test]
fn a_closed_connection_frees_its_room_and_user_at_once_and_the_server_with_its_socket() {
    check(
        small,
        "
        enter a alice lobby / enter b alice lobby / enter c carol
        app close a normal
          => close a 1000 normal
          => done: closing 1
        stats
          => connections 2, closing 1, rooms 1, users 2, accepted 3, out 3
        connect d alice lobby
          => reject server_full, 503 or 4002 server_full, retry 5s
        b lost
          => closed b of alice: lost, after 0
        connect d alice lobby
          => accept d
        connect e eve lobby
          => reject server_full, 503 or 4002 server_full, retry 5s
        a closes
          => closed a of alice: normal (1000), after 0
        connect e eve lobby
          => accept e
        ",
    );
}

#[test]
fn the_oldest_of_the_user_is_replaced() {
    check(
        replacing,
        "
        enter a alice / enter b alice
        a lost
          => closed a of alice: lost, after 0
        enter c alice
        // c took the slot of a, but b is older.
        connect d alice
          => close b 4004 replaced
          => accept d
        open d
          => d: connected alice
        connect e alice
          => close c 4004 replaced
          => closed c of alice: replaced (4004), after 0
          => accept e
        stats
          => connections 1, reserved 1, closing 1, users 1, accepted 5, out 4, ended replaced 1, ended lost 1
        ",
    );
}

#[test]
fn the_oldest_is_replaced_although_it_is_still_reserved() {
    check(
        replacing,
        "
        connect a alice lobby
          => accept a
        enter b alice lobby
        connect c alice lobby
          => closed a of alice: replaced (4004), after 0
          => accept c
        open c
          => c: connected alice lobby@0
        open a
        stats
          => connections 2, rooms 1, users 1, accepted 3, out 2, stale events 1, ended replaced 1
        ",
    );
}

#[test]
fn the_oldest_gives_its_seat_on_a_full_server_without_delay() {
    check(
        replacing,
        "
        enter a alice lobby / enter b alice / enter c carol lobby
        connect d alice lobby
          => close a 4004 replaced
          => closed a of alice: replaced (4004), after 0
          => accept d
        stats
          => connections 2, reserved 1, rooms 1, users 2, accepted 4, out 3, ended replaced 1
        ",
    );
}

#[test]
fn nobody_is_replaced_when_the_room_stays_full_anyway() {
    check(
        replacing,
        "
        enter a alice / enter b alice lobby / enter c carol lobby
        connect d alice lobby
          => reject lobby_full, 503 or 4002 lobby_full, retry 5s
        view a
          => a is open in no room, latency unknown, seen at 0
        connect d alice
          => close a 4004 replaced
          => closed a of alice: replaced (4004), after 0
          => accept d
        connect e eve
          => reject server_full, 503 or 4002 server_full, retry 5s
        stats
          => connections 2, reserved 1, rooms 1, users 2, accepted 4, out 3, rejected server_full 1, rejected lobby_full 1, ended replaced 1
        ",
    );
}

#[test]
fn nobody_is_replaced_when_the_server_stays_full_anyway() {
    check(
        |config| {
            replacing(config);
            config.limits.max_connections = Limit::at_most(2);
        },
        "
        enter a alice / enter b bob
        connect c alice
          => reject server_full, 503 or 4002 server_full, retry 5s
        a lost
          => closed a of alice: lost, after 0
        connect c bob
          => accept c
        connect d bob
          => close b 4004 replaced
          => closed b of bob: replaced (4004), after 0
          => accept d
        ",
    );
}

#[test]
fn the_replaced_one_does_not_cost_its_user_the_room() {
    check(
        |config| {
            replacing(config);
            config.limits.max_per_user = Limit::at_most(1);
            class(config, "", |class| class.presence = true);
        },
        "
        enter a alice lobby / enter b bob lobby
        // Other members are told nothing: alice is back within the grace time.
        connect c alice lobby
          => close a 4004 replaced
          => accept c
        open c
          => c: connected alice lobby@0
        a lost
          => closed a of alice: replaced (4004), after 0
        10s tick
        room lobby
          => lobby@0: 2 seats, b c, users alice bob
        ",
    );
}

#[test]
fn a_limit_of_zero_admits_nobody() {
    check(
        |config| config.limits.max_per_user = Limit::at_most(0),
        "
        connect a alice
          => reject user_limit, 503 or 4002 user_limit, retry 5s
        ",
    );
}

#[test]
fn without_a_limit_there_is_always_a_seat() {
    check(
        |config| {
            config.limits.max_connections = Limit::NONE;
            config.limits.max_per_user = Limit::NONE;
            class(config, "", |class| class.max_members = Limit::NONE);
        },
        "
        enter a alice lobby / enter b alice lobby / enter c alice lobby / enter d alice lobby
        enter e alice lobby / enter f alice lobby / enter g alice lobby / enter h alice lobby
        percent
          => 0 %
        stats
          => connections 8, rooms 1, users 1, accepted 8, out 8
        ",
    );
}

#[test]
fn a_burst_of_fifty_gets_exactly_the_seats_there_are() {
    let script: Vec<_> = (0..50)
        .map(|n| {
            let answer = match n {
                0..3 => format!("accept c{n}"),
                _ => "reject server_full, 503 or 4002 server_full, retry 5s".to_owned(),
            };
            format!("connect c{n} u{} {}\n=> {answer}", n % 7, ["x", "y"][n % 2])
        })
        .collect();
    check(small, &script.join("\n"));
}

#[test]
fn a_rejection_says_why() {
    let room = RoomName::new("lobby").expect("a good name");
    for (rejection, text) in [
        (Rejection::ServerFull, "the server is full"),
        (Rejection::LobbyFull(room), "the room \"lobby\" is full"),
        (Rejection::UserLimit, "this user has as many connections as it may"),
        (Rejection::TooManyRooms, "more rooms than one connection may be in"),
        (Rejection::Draining { retry_after: Duration::ZERO }, "the server is shutting down"),
    ] {
        assert_eq!(rejection.to_string(), text);
    }
}
