//! What a user, or the guests of one address, may use over all their connections.

mod transcript;

use switchboard_core::{Config, History, Loopback, Rate};
use transcript::{check, class};

/// Two a second for each connection, three for a user, one for the guests of an address; twice as
/// many at once.
fn slow(config: &mut Config) {
    config.limits.messages = Rate { per_second: 2, burst: 4 };
    config.limits.user_messages_per_second = Some(3);
    config.limits.address_messages_per_second = 1;
}

#[test]
fn a_user_that_reconnects_does_not_get_a_new_burst() {
    check(
        slow,
        "
        enter a alice
        a frame / a frame / a frame / a frame
          => raw from a: 3 bytes
          => raw from a: 3 bytes
          => raw from a: 3 bytes
          => raw from a: 3 bytes
        a lost
          => closed a of alice: lost, after 0
        enter b alice
        b frame / b frame / b frame
          => raw from b: 3 bytes
          => raw from b: 3 bytes
          => b: error rate_limited
        // Another user has an account of its own.
        enter c carol
        c frame
          => raw from c: 3 bytes
        ",
    );
}

#[test]
fn a_user_has_one_rate_over_all_connections() {
    check(
        slow,
        "
        enter a alice
        enter b alice
        a frame / a frame / a frame / b frame / b frame / b frame
          => raw from a: 3 bytes
          => raw from a: 3 bytes
          => raw from a: 3 bytes
          => raw from b: 3 bytes
          => raw from b: 3 bytes
          => raw from b: 3 bytes
        b frame
          => b: error rate_limited
        334ms-1ms b frame
          => b: error rate_limited
        334ms a frame
          => raw from a: 3 bytes
        ",
    );
}

#[test]
fn by_default_a_user_has_five_times_the_rate_of_a_connection() {
    let config = |config: &mut Config| config.limits.messages = Rate { per_second: 1, burst: 1 };
    check(
        config,
        "
        enter a alice / enter b alice / enter c alice / enter d alice / enter e alice
        a frame / b frame / c frame / d frame / e frame
          => raw from a: 3 bytes
          => raw from b: 3 bytes
          => raw from c: 3 bytes
          => raw from d: 3 bytes
          => raw from e: 3 bytes
        a lost
          => closed a of alice: lost, after 0
        enter f alice
        f frame
          => f: error rate_limited
        200ms f frame
          => raw from f: 3 bytes
        ",
    );
}

#[test]
fn guests_of_one_address_share_its_rate_under_any_name() {
    check(
        slow,
        "
        enter a alice guest=192.0.2.1
        enter b bob guest=192.0.2.1
        enter c carol guest=192.0.2.2
        // A user with a token behind the same address has its own.
        enter d dave from=192.0.2.1
        a frame / b frame / a frame
          => raw from a: 3 bytes
          => raw from b: 3 bytes
          => a: error rate_limited
        c frame / d frame
          => raw from c: 3 bytes
          => raw from d: 3 bytes
        a lost / b lost
          => closed a of alice: lost, after 0
          => closed b of bob: lost, after 0
        enter e erin guest=192.0.2.1
        e frame
          => e: error rate_limited
        ",
    );
}

#[test]
fn an_ipv6_address_counts_by_its_first_64_bits() {
    check(
        slow,
        "
        enter a alice guest=2001:db8::1
        enter b bob guest=2001:db8::ffff:2
        enter c carol guest=2001:db8:0:1::1
        a frame / a frame / b frame / c frame
          => raw from a: 3 bytes
          => raw from a: 3 bytes
          => b: error rate_limited
          => raw from c: 3 bytes
        ",
    );
}

#[test]
fn guests_on_this_machine_are_exempt_unless_they_count() {
    let transcript = |third: &str| {
        format!(
            "
        enter a alice guest=127.0.0.1
        a frame / a frame / a frame
          => raw from a: 3 bytes
          => raw from a: 3 bytes
          => {third}
        "
        )
    };
    check(slow, &transcript("raw from a: 3 bytes"));
    let counting = |config: &mut Config| {
        slow(config);
        config.limits.loopback = Loopback::Count;
    };
    check(counting, &transcript("a: error rate_limited"));
}

#[test]
fn accounts_are_forgotten_when_their_buckets_are_full_again() {
    check(
        slow,
        "
        enter a alice
        enter b bob guest=192.0.2.1
        a frame / b frame
          => raw from a: 3 bytes
          => raw from b: 3 bytes
        a lost / b lost
          => closed a of alice: lost, after 0
          => closed b of bob: lost, after 0
        stats
          => accepted 2, in 2, bytes in 200, out 2, ended lost 2
        // A third of a second for one message of a user, a second for one of an address.
        deadline
          => deadline 333334us
        next
        deadline
          => deadline 1s
        next
        deadline
          => deadline none
        ",
    );
}

#[test]
fn a_request_for_several_rooms_counts_as_one_for_each() {
    check(
        slow,
        "
        enter a alice
        a resume lobby den hall #1
          => a: joined lobby@0
          => a: joined den@0
          => a: joined hall@0
          => a: ack #1
        a frame
          => raw from a: 3 bytes
        a frame
          => a: error rate_limited
        // More rooms than the burst are possible, but take all of it.
        2s a resume lobby den hall yard #2
          => a: joined lobby@0
          => a: joined den@0
          => a: joined hall@0
          => a: joined yard@0
          => a: ack #2
        2s+499ms a resume lobby den hall yard barn #3
          => a: error rate_limited #3
        ",
    );
}

#[test]
fn a_room_has_a_rate_of_its_own_if_its_class_says_so() {
    check(
        |config| class(config, "quiet", |class| class.messages_per_second = 1),
        "
        enter a alice quiet lobby
        enter b bob quiet
        a say quiet x #1 / b say quiet x #2 / a say quiet x #3 / a say lobby x #4
          => a b: quiet@1 chat alice x #1
          => a: ack #1 as 1
          => a b: quiet@2 chat bob x #2
          => b: ack #2 as 2
          => a: error rate_limited #3
          => a: lobby@1 chat alice x #4
          => a: ack #4 as 1
        1s-1ms b say quiet x #5
          => b: error rate_limited #5
        1s b say quiet x #6
          => a b: quiet@3 chat bob x #6
          => b: ack #6 as 3
        // The application may always publish.
        app publish quiet y
          => a b: quiet@4 chat server y
          => done: published as 4 to 2
        ",
    );
}

#[test]
fn a_resume_that_names_a_room_twice_is_invalid() {
    check(
        |_| {},
        "
        enter a alice
        a resume lobby den lobby #1
          => a: error invalid_field (rooms) #1
        view a
          => a is open in no room, latency unknown, seen at 0
        ",
    );
}

/// A hundred bytes of answers a second, four hundred at once.
fn few_bytes(config: &mut Config) {
    config.limits.answer_bytes_per_second = 100;
}

#[test]
fn answers_have_a_rate_of_bytes_over_all_connections() {
    check(
        few_bytes,
        "
        enter a alice lobby / enter b alice lobby
        a members / b members / a members / b members / a members / b members
          => a: members of lobby: alice of 1
          => b: members of lobby: alice of 1
          => a: members of lobby: alice of 1
          => b: members of lobby: alice of 1
          => a: members of lobby: alice of 1
          => b: error rate_limited
        // Another user's are counted apart.
        enter c carol lobby
        c members
          => c: members of lobby: alice carol of 2
        1s b members
          => b: members of lobby: alice carol of 2
        ",
    );
}

#[test]
fn what_a_member_missed_waits_for_its_bytes_and_the_rest_is_refused() {
    check(
        |config| {
            few_bytes(config);
            class(config, "", |class| class.history = History::default());
            (config.limits.outlet_high_water, config.limits.outlet_low_water) = (200, 50);
        },
        "
        enter a alice lobby
        a say lobby x / a say lobby x / a say lobby x / a say lobby x / a say lobby x
          => a: lobby@1 chat alice x
          => a: lobby@2 chat alice x
          => a: lobby@3 chat alice x
          => a: lobby@4 chat alice x
          => a: lobby@5 chat alice x
        a say lobby x / a say lobby x / a say lobby x / a say lobby x
          => a: lobby@6 chat alice x
          => a: lobby@7 chat alice x
          => a: lobby@8 chat alice x
          => a: lobby@9 chat alice x
        enter b bob
        b join lobby@0
          => b: joined lobby@0 recovered
          => b: lobby@1 chat alice x
          => b: lobby@2 chat alice x
          => b: lobby@3 chat alice x
        // It gets all of it; once more is not needed.
        b join lobby@0 #1
        20s run
          => 1ms b: lobby@4 chat alice x
          => 1ms b: lobby@5 chat alice x
          => 1ms b: lobby@6 chat alice x
          => 860ms b: lobby@7 chat alice x
          => 860ms b: lobby@8 chat alice x
          => 860ms b: lobby@9 chat alice x
          => 3290ms b: error rate_limited #1
        b join lobby@8 #2
          => b: joined lobby@8 recovered #2
          => b: lobby@9 chat alice x
        ",
    );
}
