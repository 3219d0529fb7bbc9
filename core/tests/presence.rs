//! Users come and go, not sockets.

mod transcript;

use switchboard_core::Config;
use transcript::{check, class};

/// Presence everywhere, with the default grace of 3 s.
fn presence(config: &mut Config) {
    class(config, "", |class| class.presence = true);
}

fn without_grace(config: &mut Config) {
    class(config, "", |class| {
        class.presence = true;
        class.presence_grace = std::time::Duration::ZERO;
    });
}

#[test]
fn a_second_tab_is_nothing_new_and_the_last_one_is_missed() {
    check(
        without_grace,
        "
        enter a alice lobby
        connect b bob lobby / open b
          => accept b
          => b: connected bob lobby@0
          => a: bob joined lobby
        connect c bob / open c
          => accept c
          => c: connected bob
        c join lobby
          => c: joined lobby@0, 2 users
        b lost
          => closed b of bob: lost, after 0
        c lost
          => a: bob left lobby
          => closed c of bob: lost, after 0
        ",
    );
}

#[test]
fn who_comes_back_within_the_grace_was_never_away() {
    check(
        presence,
        "
        enter a alice lobby / enter b bob lobby
        1s b lost
          => closed b of bob: lost, after 1s
        deadline
          => deadline 4s
        a members
          => a: members of lobby: alice bob of 2
        4s-1us connect c bob lobby
          => accept c
        open c
          => c: connected bob lobby@0
        9s tick
        a members
          => a: members of lobby: alice bob of 2
        ",
    );
}

#[test]
fn the_grace_ends_on_time() {
    check(
        presence,
        "
        enter a alice lobby / enter b bob lobby
        1s b lost
          => closed b of bob: lost, after 1s
        4s-1us tick
        stats
          => connections 1, rooms 1, users 2, accepted 2, out 3, ended lost 1
        4s tick
          => a: bob left lobby
        stats
          => connections 1, rooms 1, users 1, accepted 2, out 4, ended lost 1
        connect c bob lobby / open c
          => accept c
          => c: connected bob lobby@0
          => a: bob joined lobby
        ",
    );
}

#[test]
fn a_reserved_seat_is_not_back_yet() {
    check(
        presence,
        "
        enter a alice lobby / enter b bob lobby
        b lost
          => closed b of bob: lost, after 0
        1s connect c bob lobby
          => accept c
        3s tick
          => a: bob left lobby
        open c
          => c: connected bob lobby@0
          => a: bob joined lobby
        ",
    );
}

#[test]
fn leaving_counts_at_once() {
    check(
        presence,
        "
        enter a alice lobby / enter b bob lobby / enter c bob lobby
        b leave lobby
          => b: left lobby
        c leave lobby
          => a: bob left lobby
          => c: left lobby
        c join lobby
          => a: bob joined lobby
          => c: joined lobby@0, 2 users
        // The other tab was lost just before; this message shows it.
        b join lobby
          => b: joined lobby@0, 2 users
        c lost
          => closed c of bob: lost, after 0
        b leave lobby
          => a: bob left lobby
          => b: left lobby
        deadline
          => deadline none
        ",
    );
}

#[test]
fn the_grace_is_per_room() {
    check(
        presence,
        "
        enter a alice den lobby / enter b bob den lobby
        b lost
          => closed b of bob: lost, after 0
        1s connect c bob den / open c
          => accept c
          => c: connected bob den@0
        3s tick
          => a: bob left lobby
        ",
    );
}

#[test]
fn the_second_tab_of_one_that_is_lost_keeps_the_user_there() {
    check(
        presence,
        "
        enter a alice lobby / enter b bob lobby / enter c bob lobby
        b lost
          => closed b of bob: lost, after 0
        deadline
          => deadline none
        5s c lost
          => closed c of bob: lost, after 5s
        8s tick
          => a: bob left lobby
        ",
    );
}

#[test]
fn nobody_waits_in_an_empty_room() {
    check(
        presence,
        "
        enter a alice lobby / enter b bob lobby
        a lost
          => closed a of alice: lost, after 0
        b lost
          => closed b of bob: lost, after 0
        deadline
          => deadline none
        room lobby
          => no lobby
        stats
          => accepted 2, out 3, ended lost 2
        1s connect c bob lobby / open c
          => accept c
          => c: connected bob lobby@0
        ",
    );
}

#[test]
fn a_room_held_by_a_reserved_seat_alone_lets_the_absence_end() {
    check(
        presence,
        "
        enter a alice lobby
        connect b bob lobby
          => accept b
        a lost
          => closed a of alice: lost, after 0
        room lobby
          => lobby@0: 1 seats, , users alice
        3s tick
        stats
          => reserved 1, rooms 1, users 1, accepted 2, out 1, ended lost 1
        b fails
          => closed b of bob: the handshake failed, after 3s
        room lobby
          => no lobby
        ",
    );
}

#[test]
fn a_reserved_seat_that_is_given_back_takes_the_absent_along() {
    check(
        presence,
        "
        enter a alice lobby
        connect b bob lobby
          => accept b
        a lost
          => closed a of alice: lost, after 0
        b fails
          => closed b of bob: the handshake failed, after 0
        deadline
          => deadline none
        stats
          => accepted 2, out 1, ended lost 1, ended handshake_failed 1
        ",
    );
}

#[test]
fn a_closed_connection_is_away_like_a_lost_one() {
    check(
        presence,
        "
        enter a alice lobby / enter b bob lobby / enter c carol lobby
        app close b forbidden
          => close b 4003 forbidden
          => done: closing 1
        c closes
          => closed c of carol: closed by the peer (1000), after 0
        3s tick
          => a: bob left lobby
          => a: carol left lobby
        // Its socket ends only now.
        b lost
          => closed b of bob: forbidden (4003), after 3s
        ",
    );
}

#[test]
fn a_room_without_presence_is_silent_but_answers() {
    check(
        |_| {},
        "
        enter a alice lobby
        connect b bob lobby / open b
          => accept b
          => b: connected bob lobby@0
        b members
          => b: members of lobby: alice bob of 2
        b leave
          => b: left lobby
        b join lobby
          => b: joined lobby@0
        b lost
          => closed b of bob: lost, after 0
        deadline
          => deadline 38us
        // Until then, the bytes of the answer count against her next connection.
        next
        deadline
          => deadline none
        ",
    );
}

#[test]
fn how_many_users_there_are_counts_those_that_are_away_for_a_moment() {
    check(
        presence,
        "
        enter a alice lobby / enter b bob lobby / enter c bob lobby
        connect d dave / open d
          => accept d
          => d: connected dave
        d join lobby #1
          => a b c: dave joined lobby
          => d: joined lobby@0, 3 users #1
        a lost
          => closed a of alice: lost, after 0
        d leave
          => b c: dave left lobby
          => d: left lobby
        d join lobby #2
          => b c: dave joined lobby
          => d: joined lobby@0, 3 users #2
        3s tick
          => b c d: alice left lobby
        d join lobby #3
          => d: joined lobby@0, 2 users #3
        ",
    );
}

#[test]
fn absences_at_the_same_moment_end_in_one_tick_each_once() {
    check(
        presence,
        "
        enter a alice lobby / enter b bob lobby / enter c carol lobby / enter d dave lobby
        b lost / c lost / d lost
          => closed b of bob: lost, after 0
          => closed c of carol: lost, after 0
          => closed d of dave: lost, after 0
        2s connect e carol lobby / open e
          => accept e
          => e: connected carol lobby@0
        3s tick
          => a e: bob left lobby
          => a e: dave left lobby
        4s e lost
          => closed e of carol: lost, after 2s
        7s tick
          => a: carol left lobby
        ",
    );
}
