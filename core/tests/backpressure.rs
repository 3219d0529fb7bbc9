//! Connections that read slowly: what waits for them, and when they are closed.

mod transcript;

use switchboard_core::Config;
use transcript::{check, class};

fn three(config: &mut Config) {
    config.limits.outbox_messages = 3;
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
        // Too much for b and c; d is full, and the notices about the others are too much for it.
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
        // The room counts no blocked member any more, whichever member it was.
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
