//! Coming back to a room: what was missed, and what is said when that is not there any more.

mod transcript;

use std::time::Duration;

use switchboard_core::{Config, History, Overflow, RoomClass};
use transcript::{check, class};

/// Rooms that keep so many publications.
fn keeps(events: usize) -> impl FnOnce(&mut Config) {
    move |config| class(config, "", |class| class.history = history(events))
}

fn history(events: usize) -> History {
    History { events, ..History::default() }
}

fn with_state(class: &mut RoomClass) {
    class.provides_state = true;
}

#[test]
fn who_comes_back_gets_exactly_what_was_missed_and_then_what_comes() {
    check(
        keeps(100),
        "
        enter a alice lobby / enter b bob lobby
        a say lobby one
        => a b: lobby@1 chat alice one
        b lost
        => closed b of bob: lost, after 0
        a say lobby two / a say lobby three
        => a: lobby@2 chat alice two
        => a: lobby@3 chat alice three
        enter b2 bob
        b2 join lobby@1 #j
        => b2: joined lobby@1 recovered #j
        => b2: lobby@2 chat alice two
        => b2: lobby@3 chat alice three
        a say lobby four
        => a b2: lobby@4 chat alice four
        ",
    );
}

#[test]
fn the_upgrade_itself_can_say_where_one_has_been() {
    check(
        keeps(100),
        "
        enter a alice lobby
        a say lobby one / a say lobby two
        => a: lobby@1 chat alice one
        => a: lobby@2 chat alice two
        connect b bob lobby@1
        => accept b
        // Between the reservation and the opening, one more is published.
        a say lobby three
        => a: lobby@3 chat alice three
        open b
        => b: connected bob lobby@1 recovered
        => b: lobby@2 chat alice two
        => b: lobby@3 chat alice three
        connect c carol lobby@x:1
        => accept c
        open c
        => c: connected carol lobby@3 not recovered
        => c: refresh lobby@3, unknown_epoch
        ",
    );
}

#[test]
fn nothing_missed_is_recovered_even_where_nothing_is_kept() {
    check(
        keeps(0),
        "
        enter a alice lobby / enter b bob lobby
        a say lobby one
        => a b: lobby@1 chat alice one
        b lost
        => closed b of bob: lost, after 0
        enter b2 bob
        b2 join lobby@1
        => b2: joined lobby@1 recovered
        b2 leave lobby
        => b2: left lobby
        a say lobby two
        => a: lobby@2 chat alice two
        b2 join lobby@1
        => b2: joined lobby@2 not recovered
        => b2: refresh lobby@2, too_old
        ",
    );
}

#[test]
fn a_part_of_what_was_missed_is_never_given() {
    check(
        keeps(2),
        "
        enter a alice lobby / enter b bob
        a say lobby one / a say lobby two / a say lobby three
        => a: lobby@1 chat alice one
        => a: lobby@2 chat alice two
        => a: lobby@3 chat alice three
        // Two and three are kept: enough for who has seen one, not for who has seen none.
        b join lobby@1
        => b: joined lobby@1 recovered
        => b: lobby@2 chat alice two
        => b: lobby@3 chat alice three
        b leave lobby
        => b: left lobby
        b join lobby@0
        => b: joined lobby@3 not recovered
        => b: refresh lobby@3, too_old
        ",
    );
}

#[test]
fn positions_of_elsewhere_and_of_the_future_are_none() {
    check(
        keeps(100),
        "
        enter a alice lobby hall / enter b bob
        a say lobby one / a say hall two
        => a: lobby@1 chat alice one
        => a: hall@1 chat alice two
        b join lobby@2
        => b: joined lobby@1 not recovered
        => b: refresh lobby@1, unknown_position
        b leave lobby
        => b: left lobby
        b join lobby@x:0
        => b: joined lobby@1 not recovered
        => b: refresh lobby@1, unknown_epoch
        ",
    );
}

#[test]
fn a_room_that_nobody_is_in_keeps_its_past_as_long_as_its_age_says() {
    check(
        |config| {
            class(config, "", |class| {
                class.history = History { age: Duration::from_secs(60), ..history(100) };
            });
        },
        "
        enter a alice lobby
        a say lobby one
        => a: lobby@1 chat alice one
        10s a lost
        => closed a of alice: lost, after 10s
        // Published into a room that nobody is in, and into one that nobody ever was in.
        30s app publish lobby two / app publish attic three
        => done: published as 2 to 0
        => done: published as 1 to 0
        stats
        => rooms 2, kept rooms 2, accepted 1, in 1, bytes in 100, out 2, published 3, ended lost 1
        59s enter b alice
        b join lobby@0
        => b: joined lobby@0 recovered
        => b: lobby@1 chat alice one
        => b: lobby@2 chat server two
        b leave lobby
        => b: left lobby
        // The first is too old now. The room stays, because somebody was in it a moment ago.
        70s run
        b join lobby@0
        => b: joined lobby@2 not recovered
        => b: refresh lobby@2, too_old
        b leave lobby
        => b: left lobby
        room attic
        => attic@1: 0 seats, , users
        91s run
        room attic
        => no attic
        130s run
        room lobby
        => no lobby
        ",
    );
}

#[test]
fn of_rooms_that_nobody_is_in_the_oldest_is_given_up() {
    check(
        |config| {
            class(config, "", |class| class.history = history(10));
            config.limits.max_kept_rooms = 2;
        },
        "
        1s app publish one x / 2s app publish two x / 3s app publish three x
        => done: published as 1 to 0
        => done: published as 1 to 0
        => done: published as 1 to 0
        room one
        => no one
        room two
        => two@1: 0 seats, , users
        // Two is in use again, so that four and three are the ones that are kept.
        4s enter a alice two / 5s app publish four x
        => done: published as 1 to 0
        room three
        => three@1: 0 seats, , users
        room four
        => four@1: 0 seats, , users
        6s a lost
        => closed a of alice: lost, after 2s
        room three
        => no three
        room two
        => two@1: 0 seats, , users
        ",
    );
}

#[test]
fn with_no_room_kept_a_publication_to_nobody_goes_nowhere() {
    check(
        |config| {
            class(config, "", |class| class.history = history(10));
            config.limits.max_kept_rooms = 0;
        },
        "
        app publish lobby x
        => done: published nowhere to 0
        enter a alice lobby
        a lost
        => closed a of alice: lost, after 0
        room lobby
        => no lobby
        ",
    );
}

#[test]
fn what_is_kept_is_bounded_in_bytes_for_a_room_and_for_all() {
    check(
        |config| {
            class(config, "", |class| class.history = History { bytes: 60, ..history(100) });
            config.limits.history_bytes = 100;
        },
        "
        enter a alice lobby / enter b bob hall / enter c carol
        // Each is 20 bytes of payload and 14 of names.
        a say lobby x*18 / a say lobby y*18
        => a: lobby@1 chat alice xxxxxxxxxxxxxxxxxx
        => a: lobby@2 chat alice yyyyyyyyyyyyyyyyyy
        c join lobby@0
        => c: joined lobby@2 not recovered
        => c: refresh lobby@2, too_old
        c leave lobby
        => c: left lobby
        c join lobby@1
        => c: joined lobby@1 recovered
        => c: lobby@2 chat alice yyyyyyyyyyyyyyyyyy
        b say hall z*18
        => b: hall@1 chat bob zzzzzzzzzzzzzzzzzz
        // Together it would be more than 100: the room that would keep one more has to give.
        b say hall z*38
        => b: hall@2 chat bob 40 bytes
        app publish attic w*38
        => done: published as 1 to 0
        room attic
        => attic@1: 0 seats, , users
        c join attic@0
        => c: joined attic@1 not recovered
        => c: refresh attic@1, too_old
        ",
    );
}

#[test]
fn who_was_excluded_stays_excluded_whatever_connection_it_has() {
    check(
        |config| {
            class(config, "", |class| {
                class.history = history(100);
                class.echo = false;
            });
        },
        "
        enter a alice lobby / enter b bob lobby / enter a2 alice lobby
        a say lobby one
        => a2 b: lobby@1 chat alice one
        b say lobby two
        => a a2: lobby@2 chat bob two
        a lost
        => closed a of alice: lost, after 0
        // The same client does not get its own; another one of the same user does.
        enter a3 alice session=a
        a3 join lobby@0
        => a3: joined lobby@0 recovered
        => a3: lobby@2 chat bob two
        a2 leave lobby
        => a2: left lobby
        a2 join lobby@0
        => a2: joined lobby@0 recovered
        => a2: lobby@1 chat alice one
        => a2: lobby@2 chat bob two
        ",
    );
}

#[test]
fn a_resume_answers_for_each_room_by_itself() {
    check(
        |config| {
            class(config, "", |class| class.history = history(100));
            class(config, "tiny", |class| class.max_members = switchboard_core::Limit::at_most(1));
            config.limits.max_rooms_per_connection = switchboard_core::Limit::at_most(3);
        },
        "
        enter a alice lobby tiny
        a say lobby one
        => a: lobby@1 chat alice one
        enter b bob
        b resume lobby@0 tiny hall #r
        => b: joined lobby@0 recovered
        => b: lobby@1 chat alice one
        => b: error lobby_full in tiny
        => b: joined hall@0
        => b: ack #r
        b resume one two three four #s
        => b: error too_many_rooms #s
        b resume one two #t
        => b: joined one@0
        => b: error too_many_rooms in two
        => b: ack #t
        b resume #u
        => b: ack #u
        ",
    );
}

#[test]
fn what_was_missed_goes_out_in_pieces_and_nothing_overtakes_it() {
    check(
        |config| {
            class(config, "", |class| class.history = history(100));
            config.limits.outlet_high_water = 200;
            config.limits.outlet_low_water = 100;
        },
        "
        enter a alice lobby / enter b bob
        a say lobby 1 / a say lobby 2 / a say lobby 3 / a say lobby 4 / a say lobby 5
        => a: lobby@1 chat alice 1
        => a: lobby@2 chat alice 2
        => a: lobby@3 chat alice 3
        => a: lobby@4 chat alice 4
        => a: lobby@5 chat alice 5
        b join lobby@0
        => b: joined lobby@0 recovered
        => b: lobby@1 chat alice 1
        => b: lobby@2 chat alice 2
        => b: lobby@3 chat alice 3
        // It is a member already; the new one and a word about somebody else wait behind the rest.
        a say lobby 6
        => a: lobby@6 chat alice 6
        deadline
        => deadline 1ms
        1ms run
        => 1ms b: lobby@4 chat alice 4
        => 1ms b: lobby@5 chat alice 5
        => 1ms b: lobby@6 chat alice 6
        a say lobby 7
        => a b: lobby@7 chat alice 7
        ",
    );
}

#[test]
fn a_blocked_socket_stops_the_replay_and_goes_on_with_it() {
    check(
        |config| {
            class(config, "", |class| class.history = history(100));
            config.limits.outlet_high_water = 150;
            config.limits.outlet_low_water = 100;
        },
        "
        enter a alice lobby / enter b bob
        a say lobby 1 / a say lobby 2 / a say lobby 3 / a say lobby 4 / a say lobby 5
        => a: lobby@1 chat alice 1
        => a: lobby@2 chat alice 2
        => a: lobby@3 chat alice 3
        => a: lobby@4 chat alice 4
        => a: lobby@5 chat alice 5
        b join lobby@0
        => b: joined lobby@0 recovered
        => b: lobby@1 chat alice 1
        => b: lobby@2 chat alice 2
        b blocked
        1s run
        b writable
        => b: lobby@3 chat alice 3
        => b: lobby@4 chat alice 4
        view b
        => b is open in lobby, 0 messages of 0 bytes wait, latency unknown, seen at 0
        b writable
        => b: lobby@5 chat alice 5
        view b
        => b is open in lobby, latency unknown, seen at 0
        ",
    );
}

#[test]
fn a_replay_whose_past_is_given_up_meanwhile_ends_the_connection_or_says_so() {
    for (overflow, ending) in [
        (
            Overflow::Close,
            "=> close b 4008 slow_consumer
             a say lobby 5
             => a: lobby@5 chat alice 5
            ",
        ),
        (
            Overflow::DropOldest,
            "=> b: gap lobby after 1 to 2, 1 dropped
             => b: lobby@3 chat alice 3
             => b: lobby@4 chat alice 4
             a say lobby 5
             => a b: lobby@5 chat alice 5
            ",
        ),
    ] {
        check(
            |config| {
                class(config, "", |class| {
                    class.history = history(2);
                    class.overflow = overflow;
                });
                config.limits.outlet_high_water = 60;
                config.limits.outlet_low_water = 10;
            },
            &format!(
                "
                enter a alice lobby / enter b bob
                a say lobby 1 / a say lobby 2
                => a: lobby@1 chat alice 1
                => a: lobby@2 chat alice 2
                b join lobby@0
                => b: joined lobby@0 recovered
                => b: lobby@1 chat alice 1
                b blocked
                a say lobby 3 / a say lobby 4
                => a: lobby@3 chat alice 3
                => a: lobby@4 chat alice 4
                b writable / b writable / b writable
                {ending}
                "
            ),
        );
    }
}

#[test]
fn a_connection_that_is_closed_in_the_middle_of_its_replay_gets_the_rest_first() {
    check(
        |config| {
            class(config, "", |class| class.history = history(100));
            config.limits.outlet_high_water = 60;
            config.limits.outlet_low_water = 10;
        },
        "
        enter a alice lobby / enter b bob
        a say lobby 1 / a say lobby 2 / a say lobby 3
        => a: lobby@1 chat alice 1
        => a: lobby@2 chat alice 2
        => a: lobby@3 chat alice 3
        b join lobby@0
        => b: joined lobby@0 recovered
        => b: lobby@1 chat alice 1
        app close b normal
        => done: closing 1
        1s run
        => 1ms b: lobby@2 chat alice 2
        => 2ms b: lobby@3 chat alice 3
        => 2ms close b 1000 normal
        ",
    );
}

#[test]
fn the_application_gives_the_state_and_what_came_meanwhile_follows_it() {
    check(
        |config| {
            class(config, "", |class| {
                class.history = history(2);
                with_state(class);
            });
        },
        "
        enter a alice lobby / enter b bob / enter c carol
        a say lobby 1 / a say lobby 2 / a say lobby 3
        => a: lobby@1 chat alice 1
        => a: lobby@2 chat alice 2
        => a: lobby@3 chat alice 3
        b join lobby@0 #b
        => state q0 of lobby?
        // Who comes while the application is being asked waits for the same answer. One who has missed nothing does not.
        c join lobby@0
        enter d dave
        d join lobby@3
        => d: joined lobby@3 recovered
        a say lobby 4
        => a d: lobby@4 chat alice 4
        // Who waits may publish already, and has a seat.
        b say lobby 5 #x
        => a d: lobby@5 chat bob 5 #x
        => b: ack #x as 5
        room lobby
        => lobby@5: 4 seats, a d, users alice dave
        app state q0 lobby everything
        => b: joined lobby@3 not recovered #b
        => b: refresh lobby@3, too_old: everything
        => b: lobby@4 chat alice 4
        => b: lobby@5 chat bob 5 #x
        => c: joined lobby@3 not recovered
        => c: refresh lobby@3, too_old: everything
        => c: lobby@4 chat alice 4
        => c: lobby@5 chat bob 5 #x
        => done: refreshed 2
        app state q0 lobby again
        => done: no_such_request
        a say lobby 6
        => a b c d: lobby@6 chat alice 6
        ",
    );
}

#[test]
fn the_application_has_its_time_and_no_more() {
    check(
        |config| class(config, "", with_state),
        "
        enter a alice lobby / enter b bob
        a say lobby 1
        => a: lobby@1 chat alice 1
        b join lobby@x:0
        => state q0 of lobby?
        a say lobby 2
        => a: lobby@2 chat alice 2
        deadline
        => deadline 2s
        2s run
        => 2s b: joined lobby@2 not recovered
        => 2s b: refresh lobby@2, unknown_epoch
        app state q0 lobby late
        => done: no_such_request
        // With nothing to give, or too much in between, members are told to see for themselves.
        enter c carol
        c join lobby@x:0
        => state q1 of lobby?
        app state q1 lobby -
        => c: joined lobby@2 not recovered
        => c: refresh lobby@2, unknown_epoch
        => done: refreshed 1
        ",
    );
}

#[test]
fn who_stops_waiting_for_the_state_is_not_told() {
    check(
        |config| class(config, "", with_state),
        "
        enter a alice lobby / enter b bob / enter c carol / enter d dave
        b join lobby@x:0 / c join lobby@x:0 / d join lobby@x:0
        => state q0 of lobby?
        b lost
        => closed b of bob: lost, after 0
        c leave lobby
        => c: left lobby
        a leave lobby
        => a: left lobby
        app state q0 lobby x
        => d: joined lobby@0 not recovered
        => d: refresh lobby@0, unknown_epoch: x
        => done: refreshed 1
        d leave lobby
        => d: left lobby
        d join lobby@x:0
        => state q1 of lobby?
        d leave lobby
        => d: left lobby
        // Nobody is in the room any more, so that nothing is wanted.
        app state q1 lobby x
        => done: no_such_request
        ",
    );
}

#[test]
fn the_past_can_be_asked_for() {
    check(
        |config| {
            class(config, "", |class| class.history = history(4));
            config.limits.history_listed = 3;
        },
        "
        enter a alice lobby
        a history lobby #0
        => a: history of lobby@0: #0
        a say lobby 1 / a say lobby 2 / a say lobby 3 / a say lobby 4 / a say lobby 5
        => a: lobby@1 chat alice 1
        => a: lobby@2 chat alice 2
        => a: lobby@3 chat alice 3
        => a: lobby@4 chat alice 4
        => a: lobby@5 chat alice 5
        a history lobby #1
        => a: history of lobby@5: 3 3, 4 4, 5 5 #1
        a history - limit=1 #2
        => a: history of lobby@5: 5 5 #2
        a history lobby@1 #3
        => a: history of lobby@5: 2 2, 3 3, 4 4, and more #3
        a history lobby@4 limit=9 #4
        => a: history of lobby@5: 5 5 #4
        a history lobby@5 #5
        => a: history of lobby@5: #5
        a history lobby@0 #6
        => a: error unknown_position (since) #6
        a history lobby@6 #7
        => a: error unknown_position (since) #7
        a history attic #8
        => a: error not_a_member #8
        ",
    );
}

#[test]
fn an_answer_about_the_past_is_bounded_in_bytes_but_never_empty() {
    check(
        |config| {
            class(config, "", |class| class.history = history(10));
            config.limits.outlet_high_water = 50;
            config.limits.outlet_low_water = 10;
        },
        "
        enter a alice lobby
        a say lobby x*98 / a say lobby y / a say lobby z
        => a: lobby@1 chat alice 100 bytes
        => a: lobby@2 chat alice y
        => a: lobby@3 chat alice z
        a history lobby@0
        => a: history of lobby@3: 1 100 bytes, and more
        a history lobby@1
        => a: history of lobby@3: 2 y, 3 z
        ",
    );
}

#[test]
fn joining_twice_changes_nothing_unless_one_says_where_one_has_been() {
    check(
        keeps(1),
        "
        enter a alice lobby
        a say lobby 1 / a say lobby 2
        => a: lobby@1 chat alice 1
        => a: lobby@2 chat alice 2
        a join lobby #1
        => a: joined lobby@2 #1
        a join lobby@1 #2
        => a: joined lobby@1 recovered #2
        => a: lobby@2 chat alice 2
        a join lobby@0 #3
        => a: joined lobby@2 not recovered #3
        => a: refresh lobby@2, too_old
        room lobby
        => lobby@2: 1 seats, a, users alice
        ",
    );
}
