//! How connections begin and end, what is logged and counted, and events at the wrong time.

mod transcript;

use std::num::NonZeroU32;
use std::time::Duration;

use switchboard_core::{
    Action, Attempt, CloseReason, Command, Config, ConnectionId, Disconnect, Ending, Event,
    Heartbeat, Hub, Inbound, Json, Operation, RoomName, Ticket, Timestamp, UserName,
};
use transcript::{check, class};

#[test]
fn a_life_is_logged_from_its_beginning_to_its_end() {
    check(
        |config| class(config, "", |class| class.presence = true),
        "
        notices
        enter b bob lobby
        connect a alice lobby den
          => accept a
        5ms open a
          => a: connected alice den@0 lobby@0
          => (a of alice opened)
          => (a joined den)
          => (a joined lobby)
          => b: alice joined lobby
        a join attic #1
          => (a joined attic)
          => a: joined attic@0, 1 users #1
        a leave den #2
          => (a left den)
          => a: left den #2
        a garbage
          => (a refused: bad_message)
          => a: error bad_message
        a blocked
          => (a blocked)
        a writable
        1s a closes
          => (a left lobby)
          => (a left attic)
          => closed a of alice: closed by the peer (1000), after 995ms
        ",
    );
}

#[test]
fn every_ending_is_named_and_counted() {
    check(
        |config| config.heartbeat = Heartbeat::default(),
        "
        connect a alice / a fails
          => accept a
          => closed a of alice: the handshake failed, after 0
        connect a alice / 10s tick
          => accept a
          => closed a of alice: the handshake failed, after 10s
        enter a alice / a lost
          => closed a of alice: lost, after 0
        enter a alice / a closes
          => closed a of alice: closed by the peer (1000), after 0
        enter a alice / app close a forbidden / a closes
          => close a 4003 forbidden
          => done: closing 1
          => closed a of alice: forbidden (4003), after 0
        enter a alice / app close a normal / a lost
          => close a 1000 normal
          => done: closing 1
          => closed a of alice: normal (1000), after 0
        enter a alice / app close a unauthorized / 15s tick
          => close a 4001 unauthorized
          => done: closing 1
          => closed a of alice: unauthorized (4001), after 5s
        enter a alice / a say - x bytes=65537 / a lost
          => close a 1009 message over 65536 bytes
          => closed a of alice: too_big (1009), after 0
        enter a alice / 60s run / 65s run
          => 34804539us a: ping n1
          => 34804539us a: health_ping n1
          => 60s close a 4010 stale
          => 65s closed a of alice: stale (4010), after 50s
        stats
          => accepted 9, in 1, bytes in 65537, out 8, ended normal 1, ended too_big 1, ended unauthorized 1, ended forbidden 1, ended stale 1, ended closed_by_peer 1, ended lost 1, ended handshake_failed 2
        ",
    );
}

#[test]
fn a_close_happens_once_and_its_first_reason_stays() {
    check(
        |_| {},
        "
        enter a alice lobby
        app close a forbidden
          => close a 4003 forbidden
          => done: closing 1
        app close a normal
          => done: no_such_connection
        app close_user alice normal
          => done: closing 0
        a say lobby x bytes=65537
        view a
          => a is closing in no room, latency unknown, seen at 0
        a closes
          => closed a of alice: forbidden (4003), after 0
        app close a normal
          => done: no_such_connection
        ",
    );
}

#[test]
fn a_reserved_connection_is_closed_without_a_frame() {
    check(
        |_| {},
        "
        connect a alice lobby
          => accept a
        1s app close a forbidden
          => closed a of alice: forbidden (4003), after 1s
          => done: closing 1
        open a
        stats
          => accepted 1, stale events 1, ended forbidden 1
        ",
    );
}

#[test]
fn every_connection_of_a_user_can_be_closed() {
    check(
        |_| {},
        "
        enter a alice lobby / enter b bob / enter c alice / connect d alice
          => accept d
        app close_user alice forbidden
          => close a 4003 forbidden
          => close c 4003 forbidden
          => closed d of alice: forbidden (4003), after 0
          => done: closing 3
        app close_user alice forbidden
          => done: closing 0
        app close_user carol forbidden
          => done: closing 0
        online alice / online bob
          => alice is offline
          => bob is online
        a lost / c lost
          => closed a of alice: forbidden (4003), after 0
          => closed c of alice: forbidden (4003), after 0
        stats
          => connections 1, users 1, accepted 4, out 3, ended forbidden 3
        ",
    );
}

#[test]
fn a_user_is_known_until_the_last_trace_is_gone() {
    check(
        |config| class(config, "", |class| class.presence = true),
        "
        enter a alice lobby / enter b bob lobby
        app close b normal
          => close b 1000 normal
          => done: closing 1
        stats
          => connections 1, closing 1, rooms 1, users 2, accepted 2, out 3
        b lost
          => closed b of bob: normal (1000), after 0
        stats
          => connections 1, rooms 1, users 2, accepted 2, out 3, ended normal 1
        3s tick
          => a: bob left lobby
        stats
          => connections 1, rooms 1, users 1, accepted 2, out 4, ended normal 1
        ",
    );
}

#[test]
fn opening_twice_is_opening_once() {
    check(
        |_| {},
        "
        connect a alice lobby
          => accept a
        open a
          => a: connected alice lobby@0
        open a
        room lobby
          => lobby@0: 1 seats, a, users alice
        stats
          => connections 1, rooms 1, users 1, accepted 1, out 1
        ",
    );
}

#[test]
fn a_failed_handshake_said_of_an_open_connection_ends_it_too() {
    check(
        |_| {},
        "
        enter a alice lobby
        1s a fails
          => closed a of alice: the handshake failed, after 1s
        stats
          => accepted 1, out 1, ended handshake_failed 1
        ",
    );
}

#[test]
fn nothing_is_heard_of_a_connection_before_it_is_open() {
    check(
        |_| {},
        "
        connect a alice lobby / enter b bob lobby
          => accept a
        a say lobby x / a join den / a alive / a pong 1 / a health_ping 1
        b say lobby y
          => b: lobby@1 chat bob y
        stats
          => connections 1, reserved 1, rooms 1, users 2, accepted 2, in 1, bytes in 100, out 2, published 1
        ",
    );
}

#[test]
fn a_clock_that_runs_backwards_stands_still() {
    check(
        |_| {},
        "
        5s enter a alice lobby
        3s connect b bob
          => accept b
        deadline
          => deadline 15s
        view b
          => b is reserved in no room, latency unknown, seen at 5s
        14s tick
        stats
          => connections 1, reserved 1, rooms 1, users 2, accepted 2, out 1, clamped 1
        15s tick
          => closed b of bob: the handshake failed, after 10s
        ",
    );
}

#[test]
fn the_share_of_taken_seats_is_rounded_down_to_a_tenth() {
    check(
        |config| config.limits.max_connections = switchboard_core::Limit::at_most(3),
        "
        percent
          => 0 %
        connect a alice
          => accept a
        percent
          => 33.3 %
        open a / app close a normal
          => a: connected alice
          => close a 1000 normal
          => done: closing 1
        percent
          => 33.3 %
        enter b bob
        percent
          => 66.6 %
        ",
    );
}

/// An event of each kind about a connection.
fn events(connection: ConnectionId) -> Vec<Event> {
    let inbound = Inbound::HealthPing { timestamp: Json::parse("1").expect("JSON") };
    let room = RoomName::new("lobby").expect("a name");
    vec![
        Event::Opened { connection },
        Event::Received { connection, bytes: 10, inbound },
        Event::Alive { connection },
        Event::Pong { connection, nonce: Some(1) },
        Event::Blocked { connection },
        Event::Writable { connection },
        Event::Disconnected { connection, how: Disconnect::Lost },
        Event::Command { ticket: Ticket(1), command: Command::Join { connection, room } },
    ]
}

fn hub() -> (Hub, ConnectionId) {
    let mut hub = Hub::new(Config::default(), 1, Timestamp::ZERO).expect("sound");
    let id = connect(&mut hub, 0);
    (hub, id)
}

fn connect(hub: &mut Hub, ticket: u64) -> ConnectionId {
    let user = UserName::new("alice").expect("a name");
    let rooms = vec![(RoomName::new("lobby").expect("a name"), None)];
    let connect =
        Event::Connect { ticket: Ticket(ticket), attempt: Attempt { rooms, ..Attempt::new(user) } };
    let mut actions = hub.handle(Timestamp::ZERO, connect);
    let Some(Action::Do(&Operation::Accept { connection, .. })) = actions.next() else {
        panic!("a free seat")
    };
    connection
}

#[test]
fn stale_ids_change_nothing() {
    let (mut hub, old) = hub();
    let lost = Event::Disconnected { connection: old, how: Disconnect::Lost };
    hub.handle(Timestamp::ZERO, lost).for_each(drop);
    let new = connect(&mut hub, 1);
    hub.handle(Timestamp::ZERO, Event::Opened { connection: new }).for_each(drop);
    assert_eq!(new.index(), old.index(), "the slot has a new tenant");
    let never = ConnectionId::from_parts(77, NonZeroU32::MIN);
    let future = ConnectionId::from_parts(new.index() as u32, NonZeroU32::MAX);
    for stale in [old, never, future] {
        for event in events(stale) {
            let before = hub.stats();
            let deadline = hub.next_deadline();
            let is_command = matches!(event, Event::Command { .. });
            let actions: Vec<_> = hub.handle(Timestamp::ZERO, event).collect();
            assert_eq!(actions.len(), usize::from(is_command), "{actions:?}");
            let counted = before.stale_events + 1;
            assert_eq!(hub.stats(), switchboard_core::Stats { stale_events: counted, ..before });
            assert_eq!(hub.next_deadline(), deadline);
        }
    }
}

#[test]
fn actions_that_were_not_taken_come_first_next_time() {
    let (mut hub, id) = hub();
    // The connection's own `connected`, and what is left of it later.
    let _ = hub.handle(Timestamp::ZERO, Event::Opened { connection: id });
    assert!(!hub.is_empty());
    let direct = || Event::Command {
        ticket: Ticket(5),
        command: Command::Close { connection: id, reason: switchboard_core::CloseReason::Normal },
    };
    let mut taken = hub.handle(Timestamp::ZERO, direct());
    let Some(Action::Send { to, message }) = taken.next() else { panic!("it was dropped") };
    assert_eq!((to, matches!(message, switchboard_core::Message::Connected(_))), (&[id][..], true));
    drop(taken);
    let lost = Event::Disconnected { connection: id, how: Disconnect::Lost };
    let rest: Vec<String> = hub
        .handle(Timestamp::ZERO, lost)
        .map(|action| match action {
            Action::Send { .. } => format!("{action:?}"),
            Action::Do(operation) => format!("{operation:?}"),
            Action::Tell(output) => format!("{output:?}"),
        })
        .collect();
    let kinds: Vec<_> = rest.iter().map(|text| text.split([' ', '(']).next().unwrap()).collect();
    assert_eq!(kinds, ["Notice", "Notice", "Notice", "Close", "Done", "Closed"], "{rest:#?}");
    assert_eq!(hub.stats().connections, 0);
}

#[test]
fn how_many_actions_are_left_is_known() {
    let (mut hub, id) = hub();
    let mut actions = hub.handle(Timestamp::ZERO, Event::Opened { connection: id });
    let count = actions.len();
    actions.next();
    assert_eq!((actions.len(), actions.count()), (count - 1, count - 1));
}

#[test]
fn the_same_log_gives_the_same_actions() {
    let play = |seed| {
        let config = Config { heartbeat: Heartbeat::default(), ..Config::default() };
        let mut hub = Hub::new(config, seed, Timestamp::ZERO).expect("sound");
        let mut log = String::new();
        let ids: Vec<_> = (0..5).map(|ticket| connect(&mut hub, ticket)).collect();
        for connection in ids {
            for action in hub.handle(Timestamp::ZERO, Event::Opened { connection }) {
                log += &format!("{action:?}\n");
            }
        }
        while let Some(at) = hub.next_deadline().filter(|at| at.as_millis() < 100_000) {
            log += &format!("{at:?}\n");
            for action in hub.handle(at, Event::Tick) {
                log += &format!("{action:?}\n");
            }
        }
        log
    };
    assert_eq!(play(1), play(1));
    assert_ne!(play(1), play(2), "the seed decides jitter and epochs");
}

#[test]
fn a_time_far_away_is_no_overflow() {
    let (mut hub, connection) = hub();
    hub.handle(Timestamp::MAX, Event::Opened { connection }).for_each(drop);
    for event in events(connection) {
        hub.handle(Timestamp::MAX, event).for_each(drop);
    }
    let drain = Event::Drain { timeout: Duration::MAX, spread: Duration::MAX };
    hub.handle(Timestamp::MAX, drain).for_each(drop);
    hub.handle(Timestamp::MAX, Event::Tick).for_each(drop);
    assert_eq!(hub.stats().connections, 0);
}

#[test]
fn an_ending_says_how() {
    for (ending, text) in [
        (Ending::Closed(CloseReason::Stale), "stale (4010)"),
        (Ending::ByPeer(Some(1000)), "closed by the peer (1000)"),
        (Ending::ByPeer(None), "closed by the peer"),
        (Ending::Lost, "lost"),
        (Ending::HandshakeFailed, "the handshake failed"),
    ] {
        assert_eq!(ending.to_string(), text);
    }
    assert_eq!(Disconnect::ByPeer(None), Disconnect::ByPeer(None));
}
