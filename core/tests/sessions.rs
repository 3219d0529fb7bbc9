//! One client over several connections: a new one takes over from the old one, and its seats can be
//! held.

mod transcript;

use std::time::Duration;

use switchboard_core::{Attempt, Config, Limit, Operation, UserLimitPolicy};
use transcript::{check, class};

fn presence(config: &mut Config) {
    class(config, "", |class| {
        class.presence = true;
        class.presence_grace = Duration::ZERO;
    });
}

/// Seats are held for ten seconds.
fn holding(config: &mut Config) {
    presence(config);
    config.recovery.session_window = Duration::from_secs(10);
}

#[test]
fn who_comes_back_ends_its_own_past_and_has_its_seats() {
    check(
        |config| {
            presence(config);
            class(config, "", |class| class.max_members = Limit::at_most(2));
            config.limits.max_connections = Limit::at_most(2);
            config.limits.max_per_user = Limit::at_most(1);
        },
        "
        enter a alice lobby / enter b bob lobby
        // Everything is full: the server, the room and the user.
        connect x bob lobby
        => reject server_full, 503 or 4002 server_full, retry 5s
        connect b2 bob session=b
        => close b 4004 replaced
        => closed b of bob: replaced (4004), after 0
        => accept b2
        open b2
        => b2: connected bob, held lobby
        room lobby
        => lobby@0: 2 seats, a, users alice bob
        b2 join lobby
        => b2: joined lobby@0, 2 users
        // The old socket's events no longer count.
        b say lobby hello
        b lost
        stats
        => connections 2, rooms 1, users 2, accepted 3, in 1, bytes in 100, out 5, stale events 2, rejected server_full 1, ended replaced 1
        ",
    );
}

#[test]
fn a_room_that_the_upgrade_names_is_joined_at_once() {
    check(
        holding,
        "
        enter a alice lobby / enter b bob lobby hall
        connect b2 bob lobby session=b
        => close b 4004 replaced
        => accept b2
        open b2
        => b2: connected bob lobby@0, held hall
        b2 members lobby
        => b2: members of lobby: alice bob of 2
        ",
    );
}

#[test]
fn only_the_same_user_can_take_over() {
    check(
        holding,
        "
        enter a alice lobby
        connect m mallory session=a
        => accept m
        open m
        => m: connected mallory
        view a
        => a is open in lobby, latency unknown, seen at 0
        ",
    );
}

#[test]
fn an_attempt_that_comes_again_before_it_was_answered_takes_over_too() {
    check(
        holding,
        "
        enter a alice lobby
        connect a2 alice session=a
        => close a 4004 replaced
        => accept a2
        connect a3 alice session=a
        => closed a2 of alice: replaced (4004), after 0
        => accept a3
        open a3
        => a3: connected alice, held lobby
        a3 join lobby
        => a3: joined lobby@0, 1 users
        ",
    );
}

#[test]
fn seats_that_are_not_claimed_are_given_back() {
    check(
        |config| {
            holding(config);
            config.limits.handshake_timeout = Duration::from_secs(4);
        },
        "
        enter a alice lobby hall / enter b bob lobby
        connect a2 alice session=a
        => close a 4004 replaced
        => accept a2
        1s open a2
        => a2: connected alice, held lobby hall
        a2 join hall
        => a2: joined hall@0, 1 users
        5s-1us run
        5s run
        => 5s closed a of alice: replaced (4004), after 5s
        => 5s b: alice left lobby
        a2 say lobby x
        => a2: error not_a_member
        ",
    );
}

#[test]
fn a_lost_connection_is_not_missed_if_it_comes_back_in_time() {
    check(
        holding,
        "
        enter a alice lobby / enter b bob lobby
        5s b lost
        => closed b of bob: lost, after 5s
        a members
        => a: members of lobby: alice bob of 2
        room lobby
        => lobby@0: 2 seats, a, users alice bob
        online bob
        => bob is offline
        stats
        => connections 1, rooms 1, users 2, held 1, accepted 2, in 1, bytes in 100, out 4, ended lost 1
        15s-1us connect b2 bob lobby session=b
        => accept b2
        open b2
        => b2: connected bob lobby@0
        60s run
        a members
        => a: members of lobby: alice bob of 2
        ",
    );
}

#[test]
fn who_does_not_come_back_in_time_leaves_once() {
    check(
        holding,
        "
        notices
        enter a alice lobby / enter b bob lobby
        b lost
        => (b left lobby)
        => closed b of bob: lost, after 0
        60s run
        => 10s a: bob left lobby
        => 10s (a session of bob expired)
        stats
        => connections 1, rooms 1, users 1, accepted 2, out 4, ended lost 1
        // Too late: it counts as a new client.
        connect b2 bob lobby session=b
        => accept b2
        open b2
        => b2: connected bob lobby@0
        => (b2 of bob opened)
        => (b2 joined lobby)
        => a: bob joined lobby
        ",
    );
}

#[test]
fn held_seats_are_taken_seats() {
    check(
        |config| {
            holding(config);
            class(config, "", |class| class.max_members = Limit::at_most(2));
            config.limits.max_connections = Limit::at_most(3);
            config.limits.max_per_user = Limit::at_most(1);
        },
        "
        enter a alice lobby / enter b bob lobby
        b lost
        => closed b of bob: lost, after 0
        connect c carol lobby
        => reject lobby_full, 503 or 4002 lobby_full, retry 5s
        connect b9 bob
        => reject user_limit, 503 or 4002 user_limit, retry 5s
        enter c carol
        c join lobby
        => c: error lobby_full
        connect d dave
        => reject server_full, 503 or 4002 server_full, retry 5s
        percent
        => 100 %
        connect b2 bob lobby session=b
        => accept b2
        open b2
        => b2: connected bob lobby@0
        ",
    );
}

#[test]
fn who_went_on_purpose_is_gone_at_once() {
    check(
        holding,
        "
        enter a alice lobby / enter b bob lobby / enter c carol lobby / enter d dave lobby / enter e erin lobby
        b closes
        => a c d e: bob left lobby
        => closed b of bob: closed by the peer (1000), after 0
        c closes 1001
        => a d e: carol left lobby
        => closed c of carol: closed by the peer (1001), after 0
        app close d forbidden
        => a e: dave left lobby
        => close d 4003 forbidden
        => done: closing 1
        // A code that does not tell whether the user meant to leave.
        e closes 4999
        => closed e of erin: closed by the peer (4999), after 0
        stats
        => connections 1, closing 1, rooms 1, users 3, held 1, accepted 5, out 24, ended closed_by_peer 3
        ",
    );
}

#[test]
fn a_slow_or_stale_one_may_come_back_to_its_seats() {
    check(
        |config| {
            holding(config);
            config.limits.outbox_messages = 1;
        },
        "
        enter a alice lobby / enter b bob lobby
        b blocked
        a say lobby 1 / a say lobby 2
        => a: lobby@1 chat alice 1
        => a: lobby@2 chat alice 2
        => close b 4008 slow_consumer
        // Before the old socket is gone, and after.
        connect b2 bob lobby session=b
        => accept b2
        open b2
        => b2: connected bob lobby@2
        b2 blocked
        a say lobby 3 / a say lobby 4
        => a: lobby@3 chat alice 3
        => a: lobby@4 chat alice 4
        => close b2 4008 slow_consumer
        b2 lost
        => closed b2 of bob: slow_consumer (4008), after 0
        room lobby
        => lobby@4: 2 seats, a, users alice bob
        connect b3 bob lobby session=b
        => accept b3
        open b3
        => b3: connected bob lobby@4
        ",
    );
}

#[test]
fn a_kick_ends_what_is_held() {
    check(
        holding,
        "
        enter a alice lobby / enter b bob lobby
        b lost
        => closed b of bob: lost, after 0
        app close_user bob forbidden
        => a: bob left lobby
        => done: closing 1
        stats
        => connections 1, rooms 1, users 1, accepted 2, out 4, ended lost 1
        ",
    );
}

#[test]
fn the_one_that_is_replaced_is_one_that_is_not_even_there() {
    check(
        |config| {
            holding(config);
            config.limits.max_per_user = Limit::at_most(2);
            config.limits.user_limit_policy = UserLimitPolicy::ReplaceOldest;
        },
        "
        enter a alice lobby / enter b alice hall / enter c carol hall
        b lost
        => closed b of alice: lost, after 0
        connect d alice
        => c: alice left hall
        => accept d
        view a
        => a is open in lobby, latency unknown, seen at 0
        ",
    );
}

#[test]
fn a_failed_handshake_does_not_cost_the_seats_that_were_held() {
    check(
        holding,
        "
        enter a alice lobby / enter b bob lobby
        b lost
        => closed b of bob: lost, after 0
        9s connect b2 bob lobby session=b
        => accept b2
        9s b2 fails
        => closed b2 of bob: the handshake failed, after 0
        // The window starts afresh.
        18s connect b3 bob session=b
        => accept b3
        open b3
        => b3: connected bob, held lobby
        b3 join lobby
        => b3: joined lobby@0, 2 users
        ",
    );
}

#[test]
fn a_drain_holds_nothing() {
    check(
        holding,
        "
        enter a alice lobby / enter b bob lobby / enter c carol
        b lost
        => closed b of bob: lost, after 0
        drain 5s 0s
        => a: draining, retry 0
        => close a 1001 draining
        => c: draining, retry 0
        => close c 1001 draining
        a lost
        => closed a of alice: draining (1001), after 0
        c lost
        => closed c of carol: draining (1001), after 0
        => drained
        ",
    );
}

#[test]
fn a_thousand_times_back_over_half_open_ones_and_never_closed_by_its_own_past() {
    use switchboard_core::{Action, Event, Hub, Output, RoomName, Ticket, Timestamp, UserName};

    let mut config = Config::default();
    config.limits.max_connections = Limit::at_most(3);
    config.limits.max_per_user = Limit::at_most(1);
    config.limits.close_timeout = Duration::from_secs(3_600);
    let mut hub = Hub::new(config, 1, Timestamp::ZERO).unwrap();
    let user = UserName::new("alice").unwrap();
    let lobby = RoomName::new("lobby").unwrap();
    let (mut session, mut last) = (None, None);
    for n in 0..1_000 {
        let now = Timestamp::from_millis(n);
        let rooms = vec![(lobby.clone(), None)];
        let connect = Event::Connect {
            ticket: Ticket(n),
            attempt: Attempt { rooms, session, ..Attempt::new(user.clone()) },
        };
        let accepted = hub.handle(now, connect).find_map(|action| {
            if let Action::Do(&Operation::Accept { connection, .. }) = action {
                Some(connection)
            } else {
                None
            }
        });
        let id = accepted.expect("its own past leaves it a seat");
        for action in hub.handle(now, Event::Opened { connection: id }) {
            if let Action::Do(&Operation::Close { connection, .. })
            | Action::Tell(&Output::Closed { connection, .. }) = action
            {
                assert_ne!(connection, id);
            }
        }
        session = hub.connection(id).map(|view| view.session());
        // The old one wakes up and sends something.
        if let Some(old) = last.replace(id) {
            let _ = hub.handle(now, Event::Alive { connection: old });
            let _ = hub.handle(now, Event::Pong { connection: old, nonce: Some(1) });
        }
        assert!(hub.connection(id).is_some_and(|view| view.is_open()));
        assert_eq!(hub.room("lobby").map(|room| room.members().len()), Some(1));
    }
}
