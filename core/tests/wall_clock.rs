//! The time of day, and what it does not concern.

mod transcript;

use std::time::Duration;

use switchboard_core::{
    Action, Attempt, Config, Event, Heartbeat, HeartbeatMode, History, Hub, Operation, Rate,
    Ticket, Timestamp, UserName,
};
use transcript::{check, class};

const HOUR_MS: u64 = 3_600_000;

/// The clock says 1,000,000 ms at the start.
fn from_a_million(config: &mut Config) {
    config.unix_ms_at_start = 1_000_000;
}

#[test]
fn what_is_said_after_the_clock_was_set_has_the_new_time() {
    check(
        from_a_million,
        "
        times
        connect a alice lobby
          => accept a
        10ms open a
          => a: connected alice lobby@0 at 1000010
        1s a say lobby one / a direct alice two
          => a: lobby@1 chat alice one at 1001000
          => a: direct alice two at 1001000
        2s wall-clock 4600000
        2500ms a say lobby three / a direct alice four / app publish lobby five
          => a: lobby@2 chat alice three at 4600500
          => a: direct alice four at 4600500
          => a: lobby@3 chat server five at 4600500
          => done: published as 3 to 1
        connect b bob
          => accept b
        open b
          => b: connected bob at 4600500
        // And back, further than the time that the hub has run.
        3s wall-clock 7
        3s+1ms a say lobby six
          => a: lobby@4 chat alice six at 8
        ",
    );
}

#[test]
fn what_was_said_before_keeps_its_time() {
    check(
        |config| {
            from_a_million(config);
            class(config, "", |class| {
                let age = Duration::from_secs(60);
                class.history = History { age, ..History::default() };
            });
        },
        "
        times
        enter a alice lobby
        1s a say lobby one
          => a: lobby@1 chat alice one at 1001000
        2s wall-clock 4600000 / a say lobby two
          => a: lobby@2 chat alice two at 4600000
        3s wall-clock 5
        a history lobby #1
          => a: history of lobby@2: 1 one at 1001000, 2 two at 4600000 #1
        enter b bob
        b join lobby@0
          => b: joined lobby@0 recovered
          => b: lobby@1 chat alice one at 1001000
          => b: lobby@2 chat alice two at 4600000
        // It is kept for a minute from when it was published, whatever the clock says.
        61s-1us run
        61s-1us a history lobby #2
          => a: history of lobby@2: 1 one at 1001000, 2 two at 4600000 #2
        61s run
        61s a history lobby #3
          => a: history of lobby@2: 2 two at 4600000 #3
        ",
    );
}

#[test]
fn rates_and_leases_do_not_move() {
    check(
        |config| {
            from_a_million(config);
            config.limits.messages = Rate { per_second: 1, burst: 1 };
            config.recovery.session_window = Duration::from_secs(30);
        },
        "
        enter a alice lobby / connect b bob
          => accept b
        a frame
          => raw from a: 3 bytes
        // The clock goes an hour forward: nothing is due, and no tokens are there.
        deadline
          => deadline 10s
        1ms wall-clock 4600000
        deadline
          => deadline 10s
        1s-1us a frame
          => a: error rate_limited
        1s a lost
          => closed a of alice: lost, after 1s
        stats
          => reserved 1, rooms 1, users 2, held 1, accepted 2, in 2, bytes in 200, out 2, refused 1, ended lost 1
        // And far back: the seat of a handshake and a session end when they would have.
        9s wall-clock 0
        10s-1us tick
        10s tick
          => closed b of bob: the handshake failed, after 10s
        deadline
          => deadline 31s
        31s-1us tick
        31s-1us stats
          => rooms 1, users 1, held 1, accepted 2, in 2, bytes in 200, out 2, refused 1, ended lost 1, ended handshake_failed 1
        31s tick
        stats
          => accepted 2, in 2, bytes in 200, out 2, refused 1, ended lost 1, ended handshake_failed 1
        ",
    );
}

/// Pings come when they would have. A ping's number is its time of day if that is later than the last number, else the next number:
/// an answer to one ping is never taken for the answer to another.
#[test]
fn heartbeats_do_not_move_and_their_numbers_grow() {
    let heartbeat = Heartbeat { mode: HeartbeatMode::Protocol, ..Heartbeat::default() };
    let config = Config { heartbeat, unix_ms_at_start: 2 * HOUR_MS, ..Config::default() };
    let interval = config.heartbeat.interval;
    let mut hub = Hub::new(config, 1, Timestamp::ZERO).expect("it is sound");
    let attempt = Attempt::new(UserName::new("alice").expect("a name"));
    let connect = Event::Connect { ticket: Ticket(1), attempt };
    let Some(Action::Do(&Operation::Accept { connection, .. })) =
        hub.handle(Timestamp::ZERO, connect).next()
    else {
        panic!("there is a seat");
    };
    hub.handle(Timestamp::ZERO, Event::Opened { connection }).for_each(drop);
    let next = |hub: &mut Hub| loop {
        let at = hub.next_deadline().expect("a ping is due");
        let nonce = hub.handle(at, Event::Tick).find_map(|action| match action {
            Action::Do(Operation::Ping { nonce, .. }) => Some(*nonce),
            Action::Do(_) | Action::Send { .. } | Action::Tell(_) => None,
        });
        if let Some(nonce) = nonce {
            hub.handle(at, Event::Pong { connection, nonce: Some(nonce) }).for_each(drop);
            break (at, nonce);
        }
    };
    let (at, first) = next(&mut hub);
    assert_eq!(first, 2 * HOUR_MS + at.as_millis());
    hub.handle(at, Event::WallClock { unix_ms: HOUR_MS }).for_each(drop);
    let (then, second) = next(&mut hub);
    assert_eq!((second, then - at), (first + 1, interval));
    hub.handle(then, Event::WallClock { unix_ms: 3 * HOUR_MS }).for_each(drop);
    let (_, third) = next(&mut hub);
    assert_eq!(third, 3 * HOUR_MS + interval.as_millis() as u64);
}
