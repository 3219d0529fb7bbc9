//! Joining, leaving, publishing, and who gets what.

mod transcript;

use switchboard_core::{Handled, Kind, Limit, Publishers};
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
fn a_connection_may_be_in_several_rooms_and_must_then_name_one() {
    check(
        |_| {},
        "
        connect a alice lobby / open a
          => accept a
          => a: connected alice lobby@0
        a join den #1
          => a: joined den@0 #1
        view a
          => a is open in lobby den, latency unknown, seen at 0
        a say - where #2
          => a: error room_required (room) #2
        a leave #3
          => a: error room_required (room) #3
        a members #4
          => a: error room_required (room) #4
        a say den here
          => a: den@1 chat alice here
        a leave lobby #5
          => a: left lobby #5
        a say - here
          => a: den@2 chat alice here
        a members #6
          => a: members of den: alice of 1 #6
        a leave #7
          => a: left den #7
        a leave #8
          => a: error room_required (room) #8
        a leave den #9
          => a: error not_a_member #9
        view a
          => a is open in no room, latency unknown, seen at 0
        ",
    );
}

#[test]
fn joining_twice_changes_nothing() {
    check(
        |_| {},
        "
        enter a alice lobby / enter b bob lobby
        a say lobby one
          => a b: lobby@1 chat alice one
        a join lobby #1
          => a: joined lobby@1 #1
        app join a lobby
          => a: joined lobby@1
          => done: joined
        room lobby
          => lobby@1: 2 seats, a b, users alice bob
        ",
    );
}

#[test]
fn who_left_may_come_back_and_gets_nothing_meanwhile() {
    check(
        |_| {},
        "
        enter a alice lobby / enter b bob lobby
        b leave lobby
          => b: left lobby
        a say lobby one
          => a: lobby@1 chat alice one
        b say lobby no #1
          => b: error not_a_member #1
        b join lobby #2
          => b: joined lobby@1 #2
        a say lobby two
          => a b: lobby@2 chat alice two
        ",
    );
}

#[test]
fn an_emptied_room_is_gone_and_its_successor_counts_anew() {
    check(
        |_| {},
        "
        enter a alice lobby / enter b bob
        a say lobby one
          => a: lobby@1 chat alice one
        a leave lobby
          => a: left lobby
        room lobby
          => no lobby
        stats
          => connections 2, users 2, accepted 2, in 2, bytes in 200, out 4, published 1
        b join lobby
          => b: joined lobby@e2:0
        b say lobby one
          => b: lobby@e2:1 chat bob one
        ",
    );
}

#[test]
fn a_member_that_leaves_in_the_middle_leaves_the_others_in_their_places() {
    check(
        |_| {},
        "
        enter a a x y z / enter b b x y z / enter c c x y z / enter d d z y x
        a leave x / b leave y / c leave z
          => a: left x
          => b: left y
          => c: left z
        a say y 1 / b say z 2 / c say x 3 / d say x 4
          => a c d: y@1 chat a 1
          => a b d: z@1 chat b 2
          => b c d: x@1 chat c 3
          => b c d: x@2 chat d 4
        b lost
          => closed b of b: lost, after 0
        d leave x / a join x
          => d: left x
          => a: joined x@2
        a say x 5 / a say y 6 / a say z 7
          => a c: x@3 chat a 5
          => a c d: y@2 chat a 6
          => a d: z@2 chat a 7
        d lost
          => closed d of d: lost, after 0
        c leave y / c leave x
          => c: left y
          => c: left x
        a say x 8 / a say y 9 / a say z 10 / c say z 11
          => a: x@4 chat a 8
          => a: y@3 chat a 9
          => a: z@3 chat a 10
          => c: error not_a_member
        ",
    );
}

#[test]
fn a_connection_is_in_as_many_rooms_as_it_may() {
    check(
        |config| config.limits.max_rooms_per_connection = Limit::at_most(2),
        "
        connect a alice x y / open a
          => accept a
          => a: connected alice x@0 y@0
        a join z #1
          => a: error too_many_rooms #1
        a join x #2
          => a: joined x@0 #2
        a leave x
          => a: left x
        a join z #3
          => a: joined z@0 #3
        app join a x
          => done: too_many_rooms
        stats
          => connections 1, rooms 2, users 1, accepted 1, in 4, bytes in 400, out 5, refused 1
        ",
    );
}

#[test]
fn a_full_room_refuses_the_join_and_the_connection_stays() {
    check(
        |config| class(config, "", |class| class.max_members = Limit::at_most(2)),
        "
        enter a alice lobby / connect b bob lobby / enter c carol
          => accept b
        c join lobby #1
          => c: error lobby_full #1
        app join c lobby
          => done: lobby_full
        b fails
          => closed b of bob: the handshake failed, after 0
        c join lobby #2
          => c: joined lobby@0 #2
        // Who is in it already is not one too many.
        a join lobby
          => a: joined lobby@0
        ",
    );
}

#[test]
fn the_longest_prefix_decides() {
    check(
        |config| {
            class(config, "game:", |class| class.echo = false);
            class(config, "game:chess:", |class| class.publish = Publishers::Server);
            class(config, "game:chess:café", |class| class.max_members = Limit::at_most(1));
        },
        "
        enter a alice game game: game:go game:chess game:chess: game:chess:cafe game:chess:café
        enter b bob
        a say game 1
          => a: game@1 chat alice 1
        a say game: 2 #2
          => a: ack #2 as 1
        a say game:go 3 #3
          => a: ack #3 as 1
        a say game:chess 4 #4
          => a: ack #4 as 1
        a say game:chess: 5 #5
          => a: error forbidden #5
        a say game:chess:cafe 6 #6
          => a: error forbidden #6
        a say game:chess:café 7
          => a: game:chess:café@1 chat alice 7
        b join game:chess:caf
          => b: joined game:chess:caf@0
        b join game:chess:café
          => b: error lobby_full
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
        // Into a room that nobody is in.
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
fn members_are_users_by_name_and_only_members_may_ask() {
    check(
        |config| config.limits.members_listed = 2,
        "
        enter a carol lobby / enter b alice lobby / enter c bob / enter d alice lobby
        a members lobby #1
          => a: members of lobby: alice carol of 2 #1
        c members lobby #2
          => c: error not_a_member #2
        c join lobby
          => c: joined lobby@0
        c members #3
          => c: members of lobby: alice bob of 3 #3
        c members den #4
          => c: error not_a_member #4
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

#[test]
fn the_application_moves_connections_and_they_are_told() {
    check(
        |_| {},
        "
        enter a alice / enter b bob lobby / connect c carol
          => accept c
        app join a lobby
          => a: joined lobby@0
          => done: joined
        app leave a lobby
          => a: left lobby
          => done: left
        app leave a lobby
          => done: not_a_member
        app join c lobby
          => done: no_such_connection
        app leave c lobby
          => done: no_such_connection
        b lost
          => closed b of bob: lost, after 0
        app join b lobby
          => done: no_such_connection
        app leave b lobby
          => done: no_such_connection
        app reply b x #1
          => done: no_such_connection
        stats
          => connections 1, reserved 1, users 2, accepted 3, out 4, stale events 3, ended lost 1
        ",
    );
}

#[test]
fn what_makes_no_sense_is_answered_and_the_connection_stays() {
    check(
        |_| {},
        "
        notices
        enter a alice lobby
        a garbage
          => (a refused: bad_message)
          => a: error bad_message
        a leave den #1
          => (a refused: not_a_member)
          => a: error not_a_member #1
        a say lobby still
          => a: lobby@1 chat alice still
        stats
          => connections 1, rooms 1, users 1, accepted 1, in 3, bytes in 300, out 4, published 1, refused 2
        ",
    );
}
