//! What is dropped for a slow member, and how it is told.

mod transcript;

use switchboard_core::{Config, History, Overflow};
use transcript::{check, class};

/// Outboxes of three messages. `old:` drops the oldest, `new:` conflates.
fn three(config: &mut Config) {
    config.limits.outbox_messages = 3;
    class(config, "old:", |class| class.overflow = Overflow::DropOldest);
    class(config, "new:", |class| class.overflow = Overflow::Conflate);
}

#[test]
fn the_oldest_are_dropped_and_one_gap_says_which() {
    check(
        three,
        "
        enter a alice old:x / enter b bob old:x
        a say old:x 1
          => a b: old:x@1 chat alice 1
        b blocked
        a say old:x 2 / a say old:x 3 / a say old:x 4
          => a: old:x@2 chat alice 2
          => a: old:x@3 chat alice 3
          => a: old:x@4 chat alice 4
        view b
          => b is open in old:x, 3 messages of 243 bytes wait, latency unknown, seen at 0
        a say old:x 5
          => a: old:x@5 chat alice 5
        a say old:x 6
          => a: old:x@6 chat alice 6
        view b
          => b is open in old:x, 3 messages of 243 bytes wait, latency unknown, seen at 0
        stats
          => connections 2, rooms 1, users 2, blocked 1, accepted 2, in 6, bytes in 600, out 9, published 6, dropped 2
        b writable
          => b: gap old:x after 1 to 3, 2 dropped
          => b: old:x@4 chat alice 4
          => b: old:x@5 chat alice 5
          => b: old:x@6 chat alice 6
        a say old:x 7
          => a b: old:x@7 chat alice 7
        stats
          => connections 2, rooms 1, users 2, accepted 2, in 7, bytes in 700, out 15, published 7, dropped 2
        ",
    );
}

#[test]
fn a_second_gap_after_the_first_was_announced() {
    check(
        |config| {
            three(config);
            config.limits.outbox_messages = 1;
            config.limits.outlet_high_water = 2;
            config.limits.outlet_low_water = 1;
        },
        "
        enter a alice old:x / enter b bob old:x
        b blocked
        a say old:x 1 / a say old:x 2 / a say old:x 3
          => a: old:x@1 chat alice 1
          => a: old:x@2 chat alice 2
          => a: old:x@3 chat alice 3
        // As much as the outlet takes: here, only the gap.
        b writable
          => b: gap old:x after 0 to 2, 2 dropped
        view b
          => b is open in old:x, 1 messages of 81 bytes wait, latency unknown, seen at 0
        a say old:x 4
          => a: old:x@4 chat alice 4
        a say old:x 5
          => a: old:x@5 chat alice 5
        b writable
          => b: gap old:x after 2 to 4, 2 dropped
        b writable
          => b: old:x@5 chat alice 5
        b writable
        view b
          => b is open in old:x, latency unknown, seen at 0
        a say old:x 6
          => a b: old:x@6 chat alice 6
        ",
    );
}

#[test]
fn what_may_not_be_dropped_pushes_out_what_may() {
    check(
        three,
        "
        enter a alice old:x / enter b bob old:x
        b blocked
        a say old:x 1 / a direct bob 2 / a say old:x 3
          => a: old:x@1 chat alice 1
          => a: old:x@2 chat alice 3
        a direct bob 4
        a direct bob 5
        view b
          => b is open in old:x, 3 messages of 201 bytes wait, latency unknown, seen at 0
        b writable
          => b: gap old:x after 0 to 2, 2 dropped
          => b: direct alice 2
          => b: direct alice 4
          => b: direct alice 5
        b blocked
        a direct bob 6 / a direct bob 7 / a direct bob 8
        // Nothing that waits may be dropped, but the new one may.
        a say old:x 9
          => a: old:x@3 chat alice 9
        a direct bob 10
          => close b 4008 slow_consumer
        ",
    );
}

#[test]
fn gaps_are_per_room_and_stand_where_the_hole_begins() {
    check(
        three,
        "
        enter a alice old:x old:y / enter b bob old:x old:y
        b blocked
        a say old:x 1 / a say old:y 2 / a say old:x 3
          => a: old:x@1 chat alice 1
          => a: old:y@1 chat alice 2
          => a: old:x@2 chat alice 3
        a say old:y 4 / a say old:y 5 / a say old:x 6
          => a: old:y@2 chat alice 4
          => a: old:y@3 chat alice 5
          => a: old:x@3 chat alice 6
        b writable
          => b: gap old:x after 0 to 2, 2 dropped
          => b: gap old:y after 0 to 1, 1 dropped
          => b: old:y@2 chat alice 4
          => b: old:y@3 chat alice 5
          => b: old:x@3 chat alice 6
        ",
    );
}

#[test]
fn what_waits_for_other_rooms_does_not_part_a_gap() {
    check(
        |config| {
            three(config);
            config.limits.outbox_messages = 4;
            class(config, "", |class| class.history = History::default());
        },
        "
        enter a alice old:x lobby / enter b bob old:x
        a say lobby 1
          => a: lobby@1 chat alice 1
        b blocked
        a say old:x 1
          => a: old:x@1 chat alice 1
        // The answer, what was missed in the lobby, and what arrives there, wait behind it.
        b join lobby@0
        a say lobby 2
          => a: lobby@2 chat alice 2
        a say old:x 2 / a say old:x 3 / a say old:x 4
          => a: old:x@2 chat alice 2
          => a: old:x@3 chat alice 3
          => a: old:x@4 chat alice 4
        b writable
          => b: gap old:x after 0 to 2, 2 dropped
          => b: joined lobby@0 recovered
          => b: lobby@1 chat alice 1
          => b: lobby@2 chat alice 2
          => b: old:x@3 chat alice 3
          => b: old:x@4 chat alice 4
        ",
    );
}

#[test]
fn the_newest_of_each_key_is_kept() {
    check(
        three,
        "
        enter a alice new:x / enter b bob new:x / enter c carol new:x
        b blocked
        a say new:x 1 key=gold / a say new:x 2 key=tin / a say new:x 3 key=gold
          => a c: new:x@1 chat alice 1
          => a c: new:x@2 chat alice 2
          => a c: new:x@3 chat alice 3
        view b
          => b is open in new:x, 2 messages of 162 bytes wait, latency unknown, seen at 0
        c say new:x 4 key=tin
          => a c: new:x@4 chat carol 4
        c say new:x 5 key=gold
          => a c: new:x@5 chat carol 5
        stats
          => connections 3, rooms 1, users 3, blocked 1, accepted 3, in 5, bytes in 500, out 13, published 5, dropped 3
        b writable
          => b: gap new:x after 0 to 3, 3 dropped
          => b: new:x@4 chat carol 4
          => b: new:x@5 chat carol 5
        ",
    );
}

#[test]
fn a_hole_before_another_one_makes_one_of_the_two() {
    check(
        three,
        "
        enter a alice new:x / enter b bob new:x
        b blocked
        a say new:x 1 key=gold / a say new:x 2 key=tin / a say new:x 3 key=tin / a say new:x 4 key=gold
          => a: new:x@1 chat alice 1
          => a: new:x@2 chat alice 2
          => a: new:x@3 chat alice 3
          => a: new:x@4 chat alice 4
        b writable
          => b: gap new:x after 0 to 2, 2 dropped
          => b: new:x@3 chat alice 3
          => b: new:x@4 chat alice 4
        ",
    );
}

#[test]
fn without_a_key_the_sender_and_the_type_decide() {
    check(
        three,
        "
        enter a alice new:x / enter b bob new:x / enter c carol new:x
        b blocked
        a say new:x 1 type=move / c say new:x 2 type=move / a say new:x 3 type=turn
          => a c: new:x@1 move alice 1
          => a c: new:x@2 move carol 2
          => a c: new:x@3 turn alice 3
        a say new:x 4 type=move
          => a c: new:x@4 move alice 4
        c say new:x 5 type=move
          => a c: new:x@5 move carol 5
        a say new:x 6 type=turn
          => a c: new:x@6 turn alice 6
        b writable
          => b: gap new:x after 0 to 3, 3 dropped
          => b: new:x@4 move alice 4
          => b: new:x@5 move carol 5
          => b: new:x@6 turn alice 6
        ",
    );
}

#[test]
fn more_keys_than_fit_close_a_conflating_member() {
    check(
        three,
        "
        enter a alice new:x / enter b bob new:x
        b blocked
        a say new:x 1 key=1 / a say new:x 2 key=2 / a say new:x 3 key=3
          => a: new:x@1 chat alice 1
          => a: new:x@2 chat alice 2
          => a: new:x@3 chat alice 3
        a say new:x 4 key=3
          => a: new:x@4 chat alice 4
        a say new:x 5 key=4
          => a: new:x@5 chat alice 5
          => close b 4008 slow_consumer
        stats
          => connections 1, closing 1, rooms 1, users 2, accepted 2, in 5, bytes in 500, out 7, published 5, dropped 5
        ",
    );
}

#[test]
fn the_same_key_in_another_room_is_another_one() {
    check(
        three,
        "
        enter a alice new:x new:y / enter b bob new:x new:y
        b blocked
        a say new:x 1 key=k / a say new:y 2 key=k / a say new:x 3 key=k
          => a: new:x@1 chat alice 1
          => a: new:y@1 chat alice 2
          => a: new:x@2 chat alice 3
        b writable
          => b: gap new:x after 0 to 1, 1 dropped
          => b: new:y@1 chat alice 2
          => b: new:x@2 chat alice 3
        ",
    );
}

#[test]
fn as_many_as_needed_are_dropped_for_a_large_one() {
    check(
        |config| {
            class(config, "old:", |class| class.overflow = Overflow::DropOldest);
            config.limits.outbox_bytes = 400;
        },
        "
        enter a alice old:x / enter b bob old:x
        b blocked
        a say old:x 1 / a say old:x 2 / a say old:x 3 / a say old:x 4
          => a: old:x@1 chat alice 1
          => a: old:x@2 chat alice 2
          => a: old:x@3 chat alice 3
          => a: old:x@4 chat alice 4
        view b
          => b is open in old:x, 4 messages of 324 bytes wait, latency unknown, seen at 0
        a say old:x x*200
          => a: old:x@5 chat alice 202 bytes
        view b
          => b is open in old:x, 2 messages of 361 bytes wait, latency unknown, seen at 0
        // One that fits in no outbox is dropped itself.
        a say old:x x*400
          => a: old:x@6 chat alice 402 bytes
        view b
          => b is open in old:x, 0 messages of 0 bytes wait, latency unknown, seen at 0
        b writable
          => b: gap old:x after 0 to 6, 6 dropped
        ",
    );
}

#[test]
fn what_had_been_accepted_before_leaving_still_comes() {
    check(
        three,
        "
        enter a alice old:x / enter b bob old:x
        b blocked
        a say old:x 1
          => a: old:x@1 chat alice 1
        b leave old:x
        a say old:x 2
          => a: old:x@2 chat alice 2
        b writable
          => b: old:x@1 chat alice 1
          => b: left old:x
        ",
    );
}

#[test]
fn a_gap_never_joins_two_epochs() {
    check(
        three,
        "
        enter a alice / enter b bob old:x
        b blocked
        app publish old:x 1 / app publish old:x 2 / app publish old:x 3 / app publish old:x 4
          => done: published as 1 to 1
          => done: published as 2 to 1
          => done: published as 3 to 1
          => done: published as 4 to 1
        b leave old:x
        // The room was empty: its successor has another epoch.
        b join old:x
        app publish old:x 5 / app publish old:x 6 / app publish old:x 7
          => done: published as 1 to 1
          => done: published as 2 to 1
          => done: published as 3 to 1
        b writable
          => b: gap old:x after 0 to 4, 4 dropped
          => b: left old:x
          => b: joined old:x@e2:0
          => b: gap old:x after e2:0 to e2:2, 2 dropped
          => b: old:x@e2:3 chat server 7
        ",
    );
}

#[test]
fn a_gap_never_reaches_over_leaving_and_joining_again() {
    check(
        three,
        "
        enter b bob old:x / enter c carol old:x
        b blocked
        app publish old:x 1 except=c / app publish old:x 2 except=c / app publish old:x 3 except=c
          => done: published as 1 to 1
          => done: published as 2 to 1
          => done: published as 3 to 1
        b leave old:x
        b join old:x
        app publish old:x 4 except=c / app publish old:x 5 except=c / app publish old:x 6 except=c
          => done: published as 4 to 1
          => done: published as 5 to 1
          => done: published as 6 to 1
        b writable
          => b: gap old:x after 0 to 3, 3 dropped
          => b: left old:x
          => b: joined old:x@3
          => b: gap old:x after 3 to 5, 2 dropped
          => b: old:x@6 chat server 6
        ",
    );
}

#[test]
fn a_gap_that_the_application_sends_waits_like_any_message() {
    check(
        |_| {},
        "
        enter a alice lobby
        a blocked
        app gap a lobby
          => done: sent to 1
        view a
          => a is open in lobby, 1 messages of 69 bytes wait, latency unknown, seen at 0
        a writable
          => a: gap lobby after 0 to 0, 0 dropped
        view a
          => a is open in lobby, latency unknown, seen at 0
        ",
    );
}
