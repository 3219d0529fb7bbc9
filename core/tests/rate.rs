//! The limits on the rate and size of a connection's messages.

mod transcript;

use switchboard_core::{Config, Rate};
use transcript::check;

/// Ten a second, three at once, and two strikes.
fn slow(config: &mut Config) {
    config.limits.messages = Rate { per_second: 10, burst: 3 };
    config.limits.rate_limit_strikes = 2;
}

#[test]
fn after_the_burst_the_rate_decides() {
    check(
        slow,
        "
        enter a alice lobby
        1s a frame / a frame / a frame
          => raw from a: 3 bytes
          => raw from a: 3 bytes
          => raw from a: 3 bytes
        a say lobby x #4
          => a: error rate_limited #4
        1100ms-1us a say lobby x #5
          => a: error rate_limited #5
        1100ms a frame
          => raw from a: 3 bytes
        1s+200ms a frame
          => raw from a: 3 bytes
        stats
          => connections 1, rooms 1, users 1, accepted 1, in 7, bytes in 700, out 3, refused 2
        ",
    );
}

#[test]
fn going_on_after_the_strikes_closes() {
    check(
        slow,
        "
        enter a alice
        a frame / a frame / a frame
          => raw from a: 3 bytes
          => raw from a: 3 bytes
          => raw from a: 3 bytes
        a frame
          => a: error rate_limited
        a frame
          => a: error rate_limited
        a frame
          => close a 4029 rate_limited
        a frame
        stats
          => closing 1, users 1, accepted 1, in 6, bytes in 600, out 3, refused 2
        ",
    );
}

#[test]
fn strikes_are_forgiven_once_the_whole_burst_is_back() {
    check(
        slow,
        "
        enter a alice
        a frame / a frame / a frame / a frame / a frame
          => raw from a: 3 bytes
          => raw from a: 3 bytes
          => raw from a: 3 bytes
          => a: error rate_limited
          => a: error rate_limited
        // One message too early: the strikes stay.
        300ms-1us a frame / a frame / a frame / a frame
          => raw from a: 3 bytes
          => raw from a: 3 bytes
          => close a 4029 rate_limited
        ",
    );
    check(
        slow,
        "
        enter a alice
        a frame / a frame / a frame / a frame / a frame
          => raw from a: 3 bytes
          => raw from a: 3 bytes
          => raw from a: 3 bytes
          => a: error rate_limited
          => a: error rate_limited
        300ms a frame / a frame / a frame / a frame / a frame
          => raw from a: 3 bytes
          => raw from a: 3 bytes
          => raw from a: 3 bytes
          => a: error rate_limited
          => a: error rate_limited
        ",
    );
}

#[test]
fn every_message_counts_even_one_that_makes_no_sense() {
    check(
        slow,
        "
        enter a alice lobby
        a garbage / a health_ping 1 / a members
          => a: error bad_message
          => a: health_pong 1
          => a: members of lobby: alice of 1
        a join den #1
          => a: error rate_limited #1
        a leave lobby #2
          => a: error rate_limited #2
        ",
    );
}

#[test]
fn a_peers_own_pings_and_unasked_pongs_count_in_silence() {
    check(
        slow,
        "
        enter a alice lobby
        a pong 1 / a pong / a alive
        a alive
        a frame
          => a: error rate_limited
        a pong 1
          => close a 4029 rate_limited
        ",
    );
}

#[test]
fn the_pong_of_a_ping_is_free() {
    check(
        slow,
        "
        enter a alice
        1s app probe alice 2s
          => a: ping n1
          => a: health_ping n1
          => done: probing 1
        a pong n1
          => probed t1: a 0
        a frame / a frame / a frame
          => raw from a: 3 bytes
          => raw from a: 3 bytes
          => raw from a: 3 bytes
        a frame
          => a: error rate_limited
        ",
    );
}

#[test]
fn bytes_have_a_rate_too() {
    check(
        |config| {
            config.limits.max_message_bytes = 1_000;
            config.limits.bytes = Rate { per_second: 1_000, burst: 1_000 };
        },
        "
        enter a alice
        a frame bytes=1000
          => raw from a: 3 bytes
        a frame bytes=1
          => a: error rate_limited
        1ms a frame bytes=1
          => raw from a: 3 bytes
        500ms a frame bytes=500
          => a: error rate_limited
        500ms a frame bytes=499
          => raw from a: 3 bytes
        ",
    );
}

#[test]
fn the_largest_message_has_exactly_so_many_bytes() {
    check(
        |config| config.limits.max_message_bytes = 1_000,
        "
        enter a alice lobby
        a frame bytes=1000
          => raw from a: 3 bytes
        a frame bytes=1001
          => close a 1009 message over 1000 bytes
        a frame
        stats
          => closing 1, users 1, accepted 1, in 2, bytes in 2001, out 1
        ",
    );
}

#[test]
fn the_default_is_64_kib() {
    check(
        |_| {},
        "
        enter a alice / enter b bob
        a frame bytes=65536
          => raw from a: 3 bytes
        b say - x bytes=65537
          => close b 1009 message over 65536 bytes
        ",
    );
}

#[test]
fn the_default_is_fifty_a_second_and_a_hundred_at_once() {
    let burst = "\na frame\n=> raw from a: 3 bytes".repeat(100);
    let rate = "\n+20ms a frame\n=> raw from a: 3 bytes".repeat(60);
    let script = format!(
        "enter a alice {burst}
        a frame
        => a: error rate_limited {rate}
        +19ms a frame
        => a: error rate_limited"
    );
    check(|config| config.limits.messages = Config::default().limits.messages, &script);
}

#[test]
fn each_connection_has_its_own_rate() {
    check(
        slow,
        "
        enter a alice / enter b alice
        a frame / a frame / a frame / b frame
          => raw from a: 3 bytes
          => raw from a: 3 bytes
          => raw from a: 3 bytes
          => raw from b: 3 bytes
        a frame
          => a: error rate_limited
        a lost
          => closed a of alice: lost, after 0
        // The next connection in the slot starts afresh.
        enter c alice
        c frame / c frame / c frame
          => raw from c: 3 bytes
          => raw from c: 3 bytes
          => raw from c: 3 bytes
        ",
    );
}

#[test]
fn no_message_of_a_closing_connection_is_handled() {
    check(
        |_| {},
        "
        enter a alice lobby / enter b bob lobby
        app close a normal
          => close a 1000 normal
          => done: closing 1
        a say lobby late #1
        a join den
        a health_ping 1
        stats
          => connections 1, closing 1, rooms 1, users 2, accepted 2, out 2
        ",
    );
}
