//! What rooms keep, for how long, and how it is queried.

mod transcript;

use std::time::Duration;

use switchboard_core::History;
use transcript::{check, class};

fn history(events: usize) -> History {
    History { events, ..History::default() }
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
        // Published to an empty room, and to one that nobody was ever in.
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
        // The first has expired. The room stays, because it was only just left.
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
            config.recovery.max_kept_rooms = 2;
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
        // Two is in use again, so three and four are the ones that are kept.
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
            config.recovery.max_kept_rooms = 0;
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
            config.recovery.history_bytes = 100;
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
        // Together it would be more than 100: the room that would keep one more must drop
        // something.
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
            // As much as the second and the third have together.
            config.limits.outlet_high_water = 34;
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
fn what_all_rooms_keep_may_be_as_much_as_is_allowed_and_no_more() {
    check(
        |config| {
            class(config, "", |class| class.history = history(100));
            // 34 bytes in the lobby, and 31 in the hall, where the names are shorter.
            config.recovery.history_bytes = 65;
        },
        "
        enter a alice lobby / enter b bob hall / enter c carol
        a say lobby x*18
        => a: lobby@1 chat alice xxxxxxxxxxxxxxxxxx
        b say hall z*18
        => b: hall@1 chat bob zzzzzzzzzzzzzzzzzz
        c join lobby@0
        => c: joined lobby@0 recovered
        => c: lobby@1 chat alice xxxxxxxxxxxxxxxxxx
        c join hall@0
        => c: joined hall@0 recovered
        => c: hall@1 chat bob zzzzzzzzzzzzzzzzzz
        c leave hall / c leave lobby
        => c: left hall
        => c: left lobby
        // One more, and the room that keeps it drops its oldest; the other room keeps all.
        b say hall 1
        => b: hall@2 chat bob 1
        c join hall@0
        => c: joined hall@2 not recovered
        => c: refresh hall@2, too_old
        c join lobby@0
        => c: joined lobby@0 recovered
        => c: lobby@1 chat alice xxxxxxxxxxxxxxxxxx
        ",
    );
}

#[test]
fn for_a_room_in_use_one_that_nobody_is_in_is_given_up() {
    check(
        |config| {
            class(config, "", |class| class.history = history(100));
            // 29 bytes in the attic, and 34 in the lobby.
            config.recovery.history_bytes = 63;
        },
        "
        app publish attic w*18
        => done: published as 1 to 0
        enter a alice lobby / enter b bob
        a say lobby x*18
        => a: lobby@1 chat alice xxxxxxxxxxxxxxxxxx
        room attic
        => attic@1: 0 seats, , users
        a say lobby 1
        => a: lobby@2 chat alice 1
        room attic
        => no attic
        b join lobby@0
        => b: joined lobby@0 recovered
        => b: lobby@1 chat alice xxxxxxxxxxxxxxxxxx
        => b: lobby@2 chat alice 1
        ",
    );
}

#[test]
fn a_room_keeps_as_many_bytes_as_it_may() {
    check(
        |config| {
            // Each is 20 bytes of payload and 14 of names.
            class(config, "", |class| class.history = History { bytes: 68, ..history(100) });
        },
        "
        enter a alice lobby / enter b bob
        a say lobby x*18 / a say lobby y*18
        => a: lobby@1 chat alice xxxxxxxxxxxxxxxxxx
        => a: lobby@2 chat alice yyyyyyyyyyyyyyyyyy
        b join lobby@0
        => b: joined lobby@0 recovered
        => b: lobby@1 chat alice xxxxxxxxxxxxxxxxxx
        => b: lobby@2 chat alice yyyyyyyyyyyyyyyyyy
        ",
    );
}
