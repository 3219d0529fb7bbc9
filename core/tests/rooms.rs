//! Joining and leaving.

mod transcript;

use switchboard_core::{Limit, Publishers};
use transcript::{check, class};

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
        // A member that is already in it is not counted twice.
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
