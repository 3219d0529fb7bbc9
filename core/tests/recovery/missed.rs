//! Resuming in a room: what was missed, and what is sent if that is no longer kept.

use crate::transcript::{check, class};
use switchboard_core::{Config, History, Overflow};

/// Rooms that keep this many publications.
fn keeps(events: usize) -> impl FnOnce(&mut Config) {
    move |config| class(config, "", |class| class.history = history(events))
}

fn history(events: usize) -> History {
    History { events, ..History::default() }
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
        // Two and three are kept: enough for a member that has seen one, not for one that has seen
        // none.
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
        stats
        => connections 2, rooms 2, users 2, accepted 2, in 5, bytes in 500, out 9, published 2, refreshed 2
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
        // The same client does not get its own publications; another client of the same user does.
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
fn a_resume_of_many_rooms_does_not_fill_the_outbox() {
    check(
        |config| {
            class(config, "", |class| class.history = history(100));
            config.limits.outbox_messages = 3;
        },
        "
        enter a alice one two three four five six
        a say one 1 / a say two 2 / a say three 3 / a say four 4 / a say five 5 / a say six 6
        => a: one@1 chat alice 1
        => a: two@1 chat alice 2
        => a: three@1 chat alice 3
        => a: four@1 chat alice 4
        => a: five@1 chat alice 5
        => a: six@1 chat alice 6
        enter b bob
        b resume one@0 two@0 three@0 four@0 five@0 six@0 #r
        => b: joined one@0 recovered
        => b: one@1 chat alice 1
        => b: joined two@0 recovered
        => b: two@1 chat alice 2
        => b: joined three@0 recovered
        => b: three@1 chat alice 3
        => b: joined four@0 recovered
        => b: four@1 chat alice 4
        => b: joined five@0 recovered
        => b: five@1 chat alice 5
        => b: joined six@0 recovered
        => b: six@1 chat alice 6
        => b: ack #r
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
        // It is a member already; the new publication and a notice about another member wait behind
        // the rest.
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
             a say lobby 6
             => a: lobby@6 chat alice 6
            ",
        ),
        (
            Overflow::DropOldest,
            "=> b: gap lobby after 1 to 2, 1 dropped
             => b: lobby@3 chat alice 3
             => b: lobby@4 chat alice 4
             => b: lobby@5 chat alice 5
             a say lobby 6
             => a b: lobby@6 chat alice 6
            ",
        ),
    ] {
        check(
            |config| {
                class(config, "", |class| {
                    class.history = history(3);
                    class.overflow = overflow;
                });
                config.limits.outlet_high_water = 60;
                config.limits.outlet_low_water = 10;
            },
            &format!(
                "
                enter a alice lobby / enter b bob
                a say lobby 1 / a say lobby 2 / a say lobby 3
                => a: lobby@1 chat alice 1
                => a: lobby@2 chat alice 2
                => a: lobby@3 chat alice 3
                b join lobby@0
                => b: joined lobby@0 recovered
                => b: lobby@1 chat alice 1
                b blocked
                // Of what b has missed, the second was dropped, and the third is still kept.
                a say lobby 4 / a say lobby 5
                => a: lobby@4 chat alice 4
                => a: lobby@5 chat alice 5
                b writable / b writable / b writable / b writable
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
