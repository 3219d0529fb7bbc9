//! The application's requests to clients.

mod transcript;

use transcript::check;

#[test]
fn a_client_answers_once() {
    check(
        |_| {},
        "
        enter a alice / enter b bob
        app request a confirm sure? 5s
        => a: request confirm sure? #s0
        => done: asked
        // No other connection can answer, and no other number.
        b replies yes #s0
        => b: error no_such_request #s0
        a replies yes #s1
        => a: error no_such_request #s1
        a replies yes #0
        => a: error no_such_request #0
        a replies yes #s0
        => answered t1: yes
        a replies no #s0
        => a: error no_such_request #s0
        deadline
        => deadline none
        ",
    );
}

#[test]
fn a_client_may_refuse() {
    check(
        |_| {},
        "
        enter a alice
        app request a confirm sure? 5s
        => a: request confirm sure? #s0
        => done: asked
        a replies error=busy #s0
        => answered t1: refused, busy: no
        ",
    );
}

#[test]
fn no_answer_is_waited_for_longer_than_was_said() {
    check(
        |_| {},
        "
        enter a alice
        app request a confirm sure? 5s
        => a: request confirm sure? #s0
        => done: asked
        5s run
        => 5s answered t1: not in time
        a replies late #s0
        => a: error no_such_request #s0
        ",
    );
}

#[test]
fn a_connection_that_ends_answers_nothing_any_more() {
    check(
        |_| {},
        "
        enter a alice / enter b bob
        app request a one x 5s / app request a two x 5s / app request b three x 5s
        => a: request one x #s0
        => done: asked
        => a: request two x #s1
        => done: asked
        => b: request three x #s2
        => done: asked
        a lost
        => answered t1: gone
        => answered t2: gone
        => closed a of alice: lost, after 0
        app close b normal
        => answered t3: gone
        => close b 1000 normal
        => done: closing 1
        app request a four x 5s
        => done: no_such_connection
        app request b four x 5s
        => done: no_such_connection
        ",
    );
}

#[test]
fn requests_under_way_are_bounded() {
    check(
        |config| config.limits.max_requests = 1,
        "
        enter a alice
        app request a one x 5s
        => a: request one x #s0
        => done: asked
        app request a two x 5s
        => done: rate_limited
        a replies yes #s0
        => answered t1: yes
        app request a three x 5s
        => a: request three x #s1
        => done: asked
        ",
    );
}
