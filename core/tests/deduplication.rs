//! A message that is sent again under the same id is answered again, but handled once.

mod transcript;

use std::collections::BTreeSet;
use std::time::Duration;

use switchboard_core::{Config, Handled, Kind};
use transcript::check;

fn remembering(config: &mut Config) {
    config.recovery.remembered_ids = 3;
}

fn handling(config: &mut Config) {
    remembering(config);
    config.handled = Handled::Kinds(BTreeSet::from([Kind::new("move").expect("a name")]));
}

#[test]
fn a_publication_that_comes_again_is_acknowledged_with_its_first_number() {
    check(
        remembering,
        "
        enter a alice lobby / enter b bob lobby
        a say lobby hello #1
        => a b: lobby@1 chat alice hello #1
        => a: ack #1 as 1
        a say lobby other
        => a b: lobby@2 chat alice other
        a say lobby hello #1
        => a: ack #1 as 1
        // Over another connection of the same user, and after the first is gone.
        a lost
        => closed a of alice: lost, after 0
        enter a2 alice lobby
        a2 say lobby hello #1
        => a2: ack #1 as 1
        // From another user it is another message.
        b say lobby hello #1
        => a2 b: lobby@3 chat bob hello #1
        => b: ack #1 as 3
        stats
        => connections 2, rooms 1, users 2, remembered 2, accepted 3, in 5, bytes in 500, out 13, published 3, repeated 2, ended lost 1
        ",
    );
}

#[test]
fn another_message_under_the_same_id_is_no_repetition() {
    check(
        remembering,
        "
        enter a alice lobby hall
        a say lobby hello #1
        => a: lobby@1 chat alice hello #1
        => a: ack #1 as 1
        a say lobby goodbye #1
        => a: lobby@2 chat alice goodbye #1
        => a: ack #1 as 2
        a say hall goodbye #1
        => a: hall@1 chat alice goodbye #1
        => a: ack #1 as 1
        a say hall goodbye #1 type=shout
        => a: hall@2 shout alice goodbye #1
        => a: ack #1 as 2
        // The last one counts.
        a say hall goodbye #1 type=shout
        => a: ack #1 as 2
        ",
    );
}

#[test]
fn what_was_refused_may_be_tried_again() {
    check(
        remembering,
        "
        enter a alice
        a say lobby hello #1
        => a: error not_a_member #1
        a join lobby
        => a: joined lobby@0
        a say lobby hello #1
        => a: lobby@1 chat alice hello #1
        => a: ack #1 as 1
        ",
    );
}

#[test]
fn a_direct_message_arrives_once() {
    check(
        remembering,
        "
        enter a alice / enter b bob
        a direct bob psst #1
        => b: direct alice psst #1
        => a: ack #1
        a direct bob psst #1
        => a: ack #1
        a direct carol psst #2
        => a: error user_offline #2
        enter c carol
        a direct carol psst #2
        => c: direct alice psst #2
        => a: ack #2
        ",
    );
}

#[test]
fn memory_is_bounded_in_time_and_number() {
    check(
        |config| {
            remembering(config);
            config.recovery.remember_for = Duration::from_secs(60);
        },
        "
        enter a alice lobby
        a say lobby x #1
        => a: lobby@1 chat alice x #1
        => a: ack #1 as 1
        60s-1us a say lobby x #1
        => a: ack #1 as 1
        60s a say lobby x #1
        => a: lobby@2 chat alice x #1
        => a: ack #1 as 2
        a say lobby x #2 / a say lobby x #3 / a say lobby x #1
        => a: lobby@3 chat alice x #2
        => a: ack #2 as 3
        => a: lobby@4 chat alice x #3
        => a: ack #3 as 4
        => a: ack #1 as 2
        // One more than three, and the first is forgotten.
        a say lobby x #4 / a say lobby x #1
        => a: lobby@5 chat alice x #4
        => a: ack #4 as 5
        => a: lobby@6 chat alice x #1
        => a: ack #1 as 6
        // Nothing of it is left when its time is over, and the user with it.
        a lost
        => closed a of alice: lost, after 60s
        stats
        => users 1, remembered 3, accepted 1, in 8, bytes in 800, out 15, published 6, repeated 2, ended lost 1
        200s run
        stats
        => accepted 1, in 8, bytes in 800, out 15, published 6, repeated 2, ended lost 1
        ",
    );
}

#[test]
fn one_more_than_all_may_is_not_remembered() {
    check(
        |config| {
            remembering(config);
            config.recovery.remembered_in_all = 1;
        },
        "
        enter a alice lobby / enter b bob lobby
        a say lobby x #1 / b say lobby x #1 / b say lobby x #1 / a say lobby x #1
        => a b: lobby@1 chat alice x #1
        => a: ack #1 as 1
        => a b: lobby@2 chat bob x #1
        => b: ack #1 as 2
        => a b: lobby@3 chat bob x #1
        => b: ack #1 as 3
        => a: ack #1 as 1
        ",
    );
}

#[test]
fn the_application_handles_a_message_once_and_whoever_asked_last_gets_the_answer() {
    check(
        handling,
        "
        enter a alice
        a say lobby e4 #1 type=move
        => request move of a, alice: e4
        a lost
        => closed a of alice: lost, after 0
        enter b alice
        b say lobby e4 #1 type=move
        app answer a ok user=alice #1
        => b: reply ok #1
        => done: sent to 1
        b say lobby e4 #1 type=move
        => b: reply ok #1
        b say lobby e5 #2 type=move
        => request move of b, alice: e5
        app answer b - user=alice #2
        => b: ack #2
        => done: sent to 1
        b say lobby e5 #2 type=move
        => b: ack #2
        b say lobby e6 #3 type=move
        => request move of b, alice: e6
        app answer b ! user=alice #3
        => b: error internal #3
        => done: sent to 1
        b say lobby e6 #3 type=move
        => b: error internal #3
        // To a user without connections, and for an unknown message.
        app answer a late user=alice #9
        => done: no_such_connection
        app answer b late user=zoe #9
        => b: reply late #9
        => done: sent to 1
        ",
    );
}

#[test]
fn an_answer_that_is_too_large_to_keep_is_said_to_be_gone() {
    check(
        handling,
        "
        enter a alice
        // With the 64 bytes that each message is assumed to cost, the first answer has 4,096.
        a say lobby e4 #1 type=move
        => request move of a, alice: e4
        app answer a x*4030 user=alice #1
        => a: reply 4032 bytes #1
        => done: sent to 1
        a say lobby e4 #1 type=move
        => a: reply 4032 bytes #1
        a say lobby e4 #2 type=move
        => request move of a, alice: e4
        app answer a x*4031 user=alice #2
        => a: reply 4033 bytes #2
        => done: sent to 1
        a say lobby e4 #2 type=move
        => a: error repeated #2
        ",
    );
}

#[test]
fn without_memory_every_message_is_new() {
    let without: [fn(&mut Config); 2] = [
        |config| config.recovery.remember_for = Duration::ZERO,
        |config| config.recovery.remembered_ids = 0,
    ];
    for without in without {
        check(
            without,
            "
            enter a alice lobby
            a say lobby x #1 / a say lobby x #1
            => a: lobby@1 chat alice x #1
            => a: ack #1 as 1
            => a: lobby@2 chat alice x #1
            => a: ack #1 as 2
            ",
        );
    }
}
