//! The full state of a room, from the application, for members that cannot get what they missed.

use std::time::Duration;

use crate::transcript::{check, class};
use switchboard_core::{History, RoomClass};

fn history(events: usize) -> History {
    History { events, ..History::default() }
}

fn with_state(class: &mut RoomClass) {
    class.provides_state = true;
}

#[test]
fn the_application_gives_the_state_and_what_came_meanwhile_follows_it() {
    check(
        |config| {
            class(config, "", |class| {
                class.history = history(2);
                with_state(class);
            });
        },
        "
        enter a alice lobby / enter b bob / enter c carol
        a say lobby 1 / a say lobby 2 / a say lobby 3
        => a: lobby@1 chat alice 1
        => a: lobby@2 chat alice 2
        => a: lobby@3 chat alice 3
        b join lobby@0 #b
        => state q0 of lobby?
        // Members that join while the application is being asked wait for the same answer, except
        // one that has missed nothing.
        c join lobby@0
        enter d dave
        d join lobby@3
        => d: joined lobby@3 recovered
        a say lobby 4
        => a d: lobby@4 chat alice 4
        // A waiting member may publish already, and has a seat.
        b say lobby 5 #x
        => a d: lobby@5 chat bob 5 #x
        => b: ack #x as 5
        room lobby
        => lobby@5: 4 seats, a d, users alice dave
        app state q0 lobby everything
        => b: joined lobby@3 not recovered #b
        => b: refresh lobby@3, too_old: everything
        => b: lobby@4 chat alice 4
        => b: lobby@5 chat bob 5 #x
        => c: joined lobby@3 not recovered
        => c: refresh lobby@3, too_old: everything
        => c: lobby@4 chat alice 4
        => c: lobby@5 chat bob 5 #x
        => done: refreshed 2
        app state q0 lobby again
        => done: no_such_request
        a say lobby 6
        => a b c d: lobby@6 chat alice 6
        stats
        => connections 4, rooms 1, users 4, accepted 4, in 9, bytes in 900, out 25, published 6, replayed 4, refreshed 2
        ",
    );
}

#[test]
fn the_application_has_its_time_and_no_more() {
    check(
        |config| class(config, "", with_state),
        "
        enter a alice lobby / enter b bob
        a say lobby 1
        => a: lobby@1 chat alice 1
        b join lobby@x:0
        => state q0 of lobby?
        a say lobby 2
        => a: lobby@2 chat alice 2
        deadline
        => deadline 2s
        2s run
        => 2s b: joined lobby@2 not recovered
        => 2s b: refresh lobby@2, unknown_epoch
        app state q0 lobby late
        => done: no_such_request
        // Without a state, or with too much in between, members are told to fetch it themselves.
        enter c carol
        c join lobby@x:0
        => state q1 of lobby?
        app state q1 lobby -
        => c: joined lobby@2 not recovered
        => c: refresh lobby@2, unknown_epoch
        => done: refreshed 1
        ",
    );
}

#[test]
fn who_stops_waiting_for_the_state_is_not_told() {
    check(
        |config| class(config, "", with_state),
        "
        enter a alice lobby / enter b bob / enter c carol / enter d dave
        b join lobby@x:0 / c join lobby@x:0 / d join lobby@x:0
        => state q0 of lobby?
        b lost
        => closed b of bob: lost, after 0
        c leave lobby
        => c: error not_a_member in lobby
        => c: left lobby
        a leave lobby
        => a: left lobby
        app state q0 lobby x
        => d: joined lobby@0 not recovered
        => d: refresh lobby@0, unknown_epoch: x
        => done: refreshed 1
        d leave lobby
        => d: left lobby
        d join lobby@x:0
        => state q1 of lobby?
        d leave lobby
        => d: error not_a_member in lobby
        => d: left lobby
        // Nobody is in the room any more, so no state is wanted.
        app state q1 lobby x
        => done: no_such_request
        ",
    );
}

#[test]
fn an_answer_counts_for_its_own_question_only() {
    check(
        |config| class(config, "", with_state),
        "
        enter a alice lobby / enter b bob hall / enter c carol
        a say lobby 1
        => a: lobby@1 chat alice 1
        b say hall 1
        => b: hall@1 chat bob 1
        c join lobby@x:0
        => state q0 of lobby?
        c join hall@x:0
        => state q1 of hall?
        // An answer about another room.
        app state q1 lobby hall's
        => done: no_such_request
        app state q0 lobby lobby's
        => c: joined lobby@1 not recovered
        => c: refresh lobby@1, unknown_epoch: lobby's
        => done: refreshed 1
        // An answer that came before, when the same room is asked for again.
        enter d dave
        d join lobby@x:0
        => state q2 of lobby?
        app state q0 lobby old
        => done: no_such_request
        app state q2 lobby new
        => d: joined lobby@1 not recovered
        => d: refresh lobby@1, unknown_epoch: new
        => done: refreshed 1
        ",
    );
}

#[test]
fn the_state_can_be_asked_for_as_often_as_an_outbox_has_messages() {
    check(
        |config| {
            class(config, "", with_state);
            config.limits.outbox_messages = 2;
        },
        "
        enter b bob
        b join lobby@x:0 #1
        => state q0 of lobby?
        b join lobby@x:0 #2 / b join lobby@x:0 #3
        => b: error rate_limited #3
        app state q0 lobby x
        => b: joined lobby@0 not recovered #1
        => b: joined lobby@0 not recovered #2
        => b: refresh lobby@0, unknown_epoch: x
        => done: refreshed 1
        ",
    );
}

#[test]
fn who_comes_back_to_its_seat_may_have_to_wait_for_the_state() {
    check(
        |config| {
            class(config, "", |class| {
                class.history = history(1);
                class.presence = true;
                with_state(class);
            });
            config.recovery.session_window = Duration::from_secs(10);
        },
        "
        enter a alice lobby / enter b bob lobby
        b lost
        => closed b of bob: lost, after 0
        a say lobby 1 / a say lobby 2
        => a: lobby@1 chat alice 1
        => a: lobby@2 chat alice 2
        // At once, in the upgrade, or later, by a join: its user has been present all the time.
        connect b2 bob lobby@0 session=b
        => accept b2
        open b2
        => b2: connected bob
        => state q0 of lobby?
        app state q0 lobby everything
        => b2: joined lobby@2 not recovered, 2 users
        => b2: refresh lobby@2, too_old: everything
        => done: refreshed 1
        b2 lost
        => closed b2 of bob: lost, after 0
        a say lobby 3 / a say lobby 4
        => a: lobby@3 chat alice 3
        => a: lobby@4 chat alice 4
        connect b3 bob session=b2
        => accept b3
        open b3
        => b3: connected bob, held lobby
        b3 join lobby@2
        => state q1 of lobby?
        app state q1 lobby more
        => b3: joined lobby@4 not recovered, 2 users
        => b3: refresh lobby@4, too_old: more
        => done: refreshed 1
        a members lobby
        => a: members of lobby: alice bob of 2
        ",
    );
}
