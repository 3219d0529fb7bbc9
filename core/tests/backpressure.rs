//! Connections that read slowly: what waits for them, what is dropped and said, and when it is too much.

mod transcript;

use switchboard_core::{Config, Overflow};
use transcript::{check, class};

/// Outboxes of three messages. `old:` drops the oldest, `new:` conflates.
fn three(config: &mut Config) {
    config.limits.outbox_messages = 3;
    class(config, "old:", |class| class.overflow = Overflow::DropOldest);
    class(config, "new:", |class| class.overflow = Overflow::Conflate);
}

#[test]
fn what_is_sent_to_a_blocked_one_waits_in_order_and_the_others_notice_nothing() {
    check(
        |_| {},
        "
        notices
        enter a alice lobby / enter b bob lobby
        b blocked
          => (b blocked)
        a say lobby 1 #1
          => a: lobby@1 chat alice 1 #1
          => a: ack #1 as 1
        b say lobby 2 #2
          => a: lobby@2 chat bob 2 #2
        a direct bob 3
        b members
        app reply b 4 #3
          => done: sent to 1
        view b
          => b is open in lobby, 6 messages of 438 bytes wait, latency unknown, seen at 0
        stats
          => connections 2, rooms 1, users 2, blocked 1, accepted 2, in 4, bytes in 400, out 5, published 2
        b writable
          => b: lobby@1 chat alice 1 #1
          => b: lobby@2 chat bob 2 #2
          => b: ack #2 as 2
          => b: direct alice 3
          => b: members of lobby: alice bob of 2
          => b: reply 4 #3
        stats
          => connections 2, rooms 1, users 2, accepted 2, in 4, bytes in 400, out 11, published 2
        a say lobby 5
          => a b: lobby@3 chat alice 5
        ",
    );
}

#[test]
fn blocked_and_writable_out_of_turn_change_nothing() {
    check(
        |_| {},
        "
        connect a alice lobby / a blocked / a writable / open a
          => accept a
          => a: connected alice lobby@0
        a blocked / a blocked
        stats
          => connections 1, rooms 1, users 1, blocked 1, accepted 1, out 1
        a writable / a writable
        stats
          => connections 1, rooms 1, users 1, accepted 1, out 1
        app close a normal
          => close a 1000 normal
          => done: closing 1
        a blocked
        a writable
        a lost
          => closed a of alice: normal (1000), after 0
        a blocked / a writable
        stats
          => accepted 1, out 1, stale events 2, ended normal 1
        ",
    );
}

#[test]
fn a_full_outbox_closes_by_default_and_everything_that_waited_is_counted() {
    check(
        three,
        "
        enter a alice lobby / enter b bob lobby
        b blocked
        a say lobby 1 / a say lobby 2 / a say lobby 3
          => a: lobby@1 chat alice 1
          => a: lobby@2 chat alice 2
          => a: lobby@3 chat alice 3
        view b
          => b is open in lobby, 3 messages of 243 bytes wait, latency unknown, seen at 0
        a say lobby 4
          => a: lobby@4 chat alice 4
          => close b 4008 slow_consumer
        stats
          => connections 1, closing 1, rooms 1, users 2, accepted 2, in 4, bytes in 400, out 6, published 4, dropped 4
        b writable
        5s tick
          => closed b of bob: slow_consumer (4008), after 5s
        ",
    );
}

#[test]
fn every_slow_one_of_a_broadcast_is_closed_after_it_and_the_rest_hears_of_it() {
    check(
        |config| {
            three(config);
            class(config, "", |class| {
                class.presence = true;
                class.presence_grace = std::time::Duration::ZERO;
            });
        },
        "
        enter a alice lobby / enter b bob lobby / enter c carol lobby / enter d dave lobby
        b blocked / c blocked / d blocked
        a say lobby 1 / a say lobby 2
          => a: lobby@1 chat alice 1
          => a: lobby@2 chat alice 2
        a direct bob 3 / a direct carol 3
        // Too much for b and c; d is full, and the news of the others is too much for it.
        a say lobby 4 #4
          => a: lobby@3 chat alice 4 #4
          => a: ack #4 as 3
          => a: carol left lobby
          => close c 4008 slow_consumer
          => a: dave left lobby
          => close d 4008 slow_consumer
          => a: bob left lobby
          => close b 4008 slow_consumer
        stats
          => connections 1, closing 3, rooms 1, users 4, accepted 4, in 5, bytes in 500, out 17, published 3, dropped 14
        ",
    );
}

#[test]
fn the_sender_itself_may_be_the_slow_one() {
    check(
        three,
        "
        enter a alice lobby / enter b bob lobby
        a blocked
        a say lobby 1 #1 / a say lobby 2 #2
          => b: lobby@1 chat alice 1 #1
          => b: lobby@2 chat alice 2 #2
          => close a 4008 slow_consumer
        stats
          => connections 1, closing 1, rooms 1, users 2, accepted 2, in 2, bytes in 200, out 4, published 2, dropped 4
        a lost
          => closed a of alice: slow_consumer (4008), after 0
        stats
          => connections 1, rooms 1, users 1, accepted 2, in 2, bytes in 200, out 4, published 2, dropped 4, ended slow_consumer 1
        ",
    );
}

#[test]
fn any_message_can_be_the_one_too_many() {
    check(
        three,
        "
        enter a alice / enter b bob
        b blocked
        a direct bob 1 / a direct bob 2 / a direct bob 3
        a direct bob 4 #4
          => a: ack #4
          => close b 4008 slow_consumer
        a direct bob 5 #5
          => a: error user_offline #5
        ",
    );
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
        // As much as the outlet takes: here, the gap alone.
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
        // Nothing that waits may go, but the new one may.
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
fn the_outbox_is_bounded_in_bytes() {
    // Each costs 64 bytes and its own: 12 of payload and 14 of names.
    check(
        |config| config.limits.outbox_bytes = 180,
        "
        enter a alice lobby / enter b bob lobby
        b blocked
        a say lobby x*10
          => a: lobby@1 chat alice xxxxxxxxxx
        view b
          => b is open in lobby, 1 messages of 90 bytes wait, latency unknown, seen at 0
        a say lobby x*10
          => a: lobby@2 chat alice xxxxxxxxxx
        view b
          => b is open in lobby, 2 messages of 180 bytes wait, latency unknown, seen at 0
        a direct bob 1
          => close b 4008 slow_consumer
        ",
    );
    check(
        |config| config.limits.outbox_bytes = 179,
        "
        enter a alice lobby / enter b bob lobby
        b blocked
        a say lobby x*10 / a say lobby x*10
          => a: lobby@1 chat alice xxxxxxxxxx
          => a: lobby@2 chat alice xxxxxxxxxx
          => close b 4008 slow_consumer
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
fn a_writable_outlet_gets_as_much_as_it_holds() {
    check(
        |config| {
            config.limits.outlet_high_water = 200;
            config.limits.outlet_low_water = 100;
        },
        "
        enter a alice lobby / enter b bob lobby
        b blocked
        a say lobby x*20 / a say lobby x*20 / a say lobby x*20
          => a: lobby@1 chat alice xxxxxxxxxxxxxxxxxxxx
          => a: lobby@2 chat alice xxxxxxxxxxxxxxxxxxxx
          => a: lobby@3 chat alice xxxxxxxxxxxxxxxxxxxx
        b writable
          => b: lobby@1 chat alice xxxxxxxxxxxxxxxxxxxx
          => b: lobby@2 chat alice xxxxxxxxxxxxxxxxxxxx
        view b
          => b is open in lobby, 1 messages of 100 bytes wait, latency unknown, seen at 0
        b writable
          => b: lobby@3 chat alice xxxxxxxxxxxxxxxxxxxx
        view b
          => b is open in lobby, latency unknown, seen at 0
        ",
    );
}

#[test]
fn a_health_ping_passes_what_waits() {
    check(
        |config| {
            config.heartbeat = switchboard_core::Heartbeat::default();
            config.limits.outbox_messages = 1;
        },
        "
        enter a alice lobby / enter b bob
        a blocked
        app publish lobby 1
          => done: published as 1 to 1
        next
          => b: ping n1
          => b: health_ping n1
        app probe alice 1s
          => a: ping n1
          => a: health_ping n1
          => done: probing 1
        view a
          => a is open in lobby, 1 messages of 76 bytes wait, latency unknown, seen at 0
        ",
    );
}

#[test]
fn a_close_comes_after_what_was_accepted() {
    check(
        |_| {},
        "
        enter a alice lobby / enter b bob lobby
        b blocked
        a say lobby 1 / a say lobby 2
          => a: lobby@1 chat alice 1
          => a: lobby@2 chat alice 2
        app close b normal
          => done: closing 1
        // It is in no room any more, and gets nothing new.
        a say lobby 3
          => a: lobby@3 chat alice 3
        a direct bob 4
          => a: error user_offline
        stats
          => connections 1, closing 1, rooms 1, users 2, blocked 1, accepted 2, in 4, bytes in 400, out 6, published 3, refused 1
        4s b writable
          => b: lobby@1 chat alice 1
          => b: lobby@2 chat alice 2
          => close b 1000 normal
        stats
          => connections 1, closing 1, rooms 1, users 2, accepted 2, in 4, bytes in 400, out 8, published 3, refused 1
        5s tick
          => closed b of bob: normal (1000), after 5s
        ",
    );
}

#[test]
fn a_close_does_not_wait_for_ever() {
    check(
        |_| {},
        "
        enter a alice lobby / enter b bob lobby
        b blocked
        a say lobby 1 / a say lobby 2
          => a: lobby@1 chat alice 1
          => a: lobby@2 chat alice 2
        1s app close b normal
          => done: closing 1
        6s-1us tick
        6s tick
          => closed b of bob: normal (1000), after 6s
        stats
          => connections 1, rooms 1, users 1, accepted 2, in 2, bytes in 200, out 4, published 2, dropped 2, ended normal 1
        ",
    );
}

#[test]
fn a_blocked_one_without_anything_waiting_is_closed_once_it_is_writable() {
    check(
        |_| {},
        "
        enter a alice
        a blocked
        app close a normal
          => done: closing 1
        a writable
          => close a 1000 normal
        ",
    );
}

#[test]
fn what_waited_for_a_lost_one_is_counted() {
    check(
        |_| {},
        "
        enter a alice lobby / enter b bob lobby
        b blocked
        a say lobby 1 / a say lobby 2
          => a: lobby@1 chat alice 1
          => a: lobby@2 chat alice 2
        b lost
          => closed b of bob: lost, after 0
        stats
          => connections 1, rooms 1, users 1, accepted 2, in 2, bytes in 200, out 4, published 2, dropped 2, ended lost 1
        ",
    );
}

#[test]
fn a_room_knows_its_blocked_members_wherever_they_go() {
    check(
        |_| {},
        "
        enter a alice lobby / enter b bob / enter c carol lobby
        b blocked
        b join lobby
        a say lobby 1
          => a c: lobby@1 chat alice 1
        b leave lobby
        a say lobby 2
          => a c: lobby@2 chat alice 2
        b join lobby
        c blocked
        a say lobby 3
          => a: lobby@3 chat alice 3
        b writable
          => b: joined lobby@0
          => b: lobby@1 chat alice 1
          => b: left lobby
          => b: joined lobby@2
          => b: lobby@3 chat alice 3
        a say lobby 4
          => a b: lobby@4 chat alice 4
        c lost
          => closed c of carol: lost, after 0
        a say lobby 5
          => a b: lobby@5 chat alice 5
        // The room has no blocked member, whoever was one.
        b blocked
        app close b normal
          => done: closing 1
        a say lobby 6
          => a: lobby@6 chat alice 6
        b writable
          => close b 1000 normal
        stats
          => connections 1, closing 1, rooms 1, users 2, accepted 3, in 9, bytes in 900, out 18, published 6, dropped 2, ended lost 1
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
