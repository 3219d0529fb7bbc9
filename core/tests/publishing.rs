//! Who may publish what, and who receives it.

mod transcript;

use switchboard_core::{Handled, Kind, Publishers};
use transcript::{check, class};

#[test]
fn a_publication_goes_to_every_member_and_is_acknowledged_after_it() {
    check(
        |_| {},
        "
        enter a alice lobby / enter b bob lobby / enter c carol den
        a say lobby hello
          => a b: lobby@1 chat alice hello
        a say lobby again #7
          => a b: lobby@2 chat alice again #7
          => a: ack #7 as 2
        b say - unnamed
          => a b: lobby@3 chat bob unnamed
        stats
          => connections 3, rooms 2, users 3, accepted 3, in 3, bytes in 300, out 10, published 3
        ",
    );
}

#[test]
fn only_who_may_publishes() {
    check(
        |config| {
            class(config, "open:", |class| class.publish = Publishers::Anyone);
            class(config, "board:", |class| class.publish = Publishers::Server);
        },
        "
        enter a alice lobby open:x board:x / enter b bob
        b say lobby 1 #1
          => b: error not_a_member #1
        b say open:x 2 #2
          => a: open:x@1 chat bob 2 #2
          => b: ack #2 as 1
        b say board:x 3 #3
          => b: error forbidden #3
        a say board:x 4 #4
          => a: error forbidden #4
        app publish board:x 5
          => a: board:x@1 chat server 5
          => done: published as 1 to 1
        app publish lobby 6 from=carol #6
          => a: lobby@1 chat carol 6 #6
          => done: published as 1 to 1
        // Into an empty room.
        b say open:empty 7 #7
          => b: ack #7
        b say empty 8 #8
          => b: error not_a_member #8
        app publish empty 9
          => done: published nowhere to 0
        stats
          => connections 2, rooms 3, users 2, accepted 2, in 6, bytes in 600, out 11, published 3, refused 4
        ",
    );
}

#[test]
fn without_echo_the_sender_gets_its_ack_alone_and_its_other_tab_the_publication() {
    check(
        |config| class(config, "", |class| class.echo = false),
        "
        enter a alice lobby / enter b alice lobby / enter c bob lobby
        a say lobby 1 #1
          => b c: lobby@1 chat alice 1 #1
          => a: ack #1 as 1
        c say lobby 2
          => a b: lobby@2 chat bob 2
        c lost / b lost
          => closed c of bob: lost, after 0
          => closed b of alice: lost, after 0
        a say lobby 3 #3
          => a: ack #3 as 3
        ",
    );
}

#[test]
fn a_publication_of_the_application_may_leave_one_member_out() {
    check(
        |_| {},
        "
        enter a alice lobby / enter b bob lobby / enter c carol den
        app publish lobby 1 except=a
          => b: lobby@1 chat server 1
          => done: published as 1 to 1
        app publish lobby 2 except=c
          => a b: lobby@2 chat server 2
          => done: published as 2 to 2
        app publish den 3 except=c
          => done: published as 1 to 0
        c lost
          => closed c of carol: lost, after 0
        app publish lobby 4 except=c
          => a b: lobby@3 chat server 4
          => done: published as 3 to 2
        ",
    );
}

#[test]
fn a_direct_message_reaches_every_tab_and_no_other_user() {
    check(
        |_| {},
        "
        enter a alice / enter b alice lobby / enter c bob lobby / connect d alice
          => accept d
        c direct alice psst #1
          => a: direct bob psst #1
          => b: direct bob psst #1
          => c: ack #1
        c direct alice psst
          => a: direct bob psst
          => b: direct bob psst
        a direct alice self #2
          => a: direct alice self #2
          => b: direct alice self #2
          => a: ack #2
        c direct dave psst #3
          => c: error user_offline #3
        app direct alice news
          => a: direct server news
          => b: direct server news
          => done: sent to 2
        app direct dave news
          => done: user_offline
        app direct bob news from=alice
          => c: direct alice news
          => done: sent to 1
        app close a normal
          => close a 1000 normal
          => done: closing 1
        c direct alice psst #4
          => b: direct bob psst #4
          => c: ack #4
        b lost
          => closed b of alice: lost, after 0
        // A tab whose upgrade is not complete gets nothing.
        c direct alice psst #5
          => c: error user_offline #5
        online alice / online bob / online dave
          => alice is offline
          => bob is online
          => dave is offline
        ",
    );
}

#[test]
fn types_of_the_protocol_are_nobody_elses() {
    check(
        |_| {},
        "
        enter a alice lobby
        a say lobby x type=joined #1
          => a: error reserved_type #1
        a say lobby x type=ack
          => a: error reserved_type
        a say lobby x type=history #2
          => a: error reserved_type #2
        app publish lobby x type=member_left
          => done: reserved_type
        a say lobby x type=Joined
          => a: lobby@1 Joined alice x
        ",
    );
}

#[test]
fn handled_types_go_to_the_application_and_the_others_into_the_room() {
    check(
        |config| {
            let kinds = ["order", "join_game"].map(|kind| Kind::new(kind).expect("a name"));
            config.handled = Handled::Kinds(kinds.into());
        },
        "
        enter a alice lobby
        a say lobby 1 type=order #1
          => request order of a, alice: 1
        a say - 2 type=join_game
          => request join_game of a, alice: 2
        a say nowhere 3 type=order
          => request order of a, alice: 3
        a say lobby 4 type=orders
          => a: lobby@1 orders alice 4
        app reply a done #1
          => a: reply done #1
          => done: sent to 1
        stats
          => connections 1, rooms 1, users 1, accepted 1, in 4, bytes in 400, out 3, published 1
        ",
    );
}
