//! Rooms that an attempt only wishes for, and rooms that are for operators.

mod transcript;

use switchboard_core::{Config, Limit};
use transcript::{check, class};

/// Caps of 3 connections in all, and 2 in a room.
fn small(config: &mut Config) {
    config.limits.max_connections = Limit::at_most(3);
    class(config, "", |class| class.max_members = Limit::at_most(2));
}

/// The rooms that begin with `ops:` are for operators.
fn with_operators(config: &mut Config) {
    class(config, "ops:", |class| class.operators_only = true);
}

#[test]
fn a_wished_room_that_is_full_keeps_nobody_out() {
    check(
        small,
        "
        enter a alice lobby
        enter b bob lobby
        // A wish takes a seat as any other attempt, from the attempt on.
        connect c carol den wish=attic,den,lobby
          => accept c
        room attic
          => attic@0: 1 seats, , users
        open c
          => c: connected carol attic@0 den@0
          => c: error lobby_full in lobby
        room lobby
          => lobby@0: 2 seats, a b, users alice bob
        // The room of the path is not a wish.
        c lost
          => closed c of carol: lost, after 0
        connect d dave lobby wish=attic
          => reject lobby_full, 503 or 4002 lobby_full, retry 5s
        ",
    );
}

#[test]
fn wished_rooms_count_against_the_rooms_of_a_connection() {
    let two = |config: &mut Config| config.limits.max_rooms_per_connection = Limit::at_most(2);
    check(
        two,
        "
        connect a alice den wish=attic,attic,den
          => accept a
        connect b bob den wish=attic,lobby
          => reject too_many_rooms, 403 or 4003 forbidden, retry never
        ",
    );
}

#[test]
fn a_session_that_returns_has_its_seat_in_a_wished_room() {
    check(
        small,
        "
        enter a alice lobby
        enter b bob lobby
        connect c alice wish=lobby session=a
          => close a 4004 replaced
          => accept c
        open c
          => c: connected alice lobby@0
        ",
    );
}

#[test]
fn rooms_for_operators_are_entered_by_operators() {
    check(
        with_operators,
        "
        connect a alice ops:1 operator=yes
          => accept a
        connect b bob ops:1
          => reject forbidden, 403 or 4003 forbidden, retry never
        open a
          => a: connected alice ops:1@0
        enter b bob lobby
        b join ops:1 id=1
          => b: error forbidden #1
        b resume ops:1 den
          => b: error forbidden in ops:1
          => b: joined den@0
        a leave ops:1
          => a: left ops:1
        a join ops:1
          => a: joined ops:1@e2:0
        ",
    );
}

#[test]
fn a_wish_for_a_room_of_operators_is_not_granted() {
    check(
        with_operators,
        "
        connect a alice den wish=lobby,ops:1
          => accept a
        room ops:1
          => no ops:1
        open a
          => a: connected alice den@0 lobby@0
          => a: error forbidden in ops:1
        ",
    );
}

#[test]
fn the_application_puts_anyone_into_a_room_for_operators() {
    check(
        with_operators,
        "
        enter a alice
        app join a ops:1
          => a: joined ops:1@0
          => done: joined
        // It is in, so it may restart its stream.
        a join ops:1@0
          => a: joined ops:1@0 recovered
        a leave ops:1
          => a: left ops:1
        a join ops:1
          => a: error forbidden
        ",
    );
}
