//! How the application learns of the end of a connection.

use std::time::Duration;

use switchboard_core::{CloseReason, Ending, Heartbeat, HeartbeatMode, Limits};

use crate::shared::harness::{Running, roomy, with};
use switchboard_conformance::client::{CLOSE, closing};

#[test]
fn the_application_hears_how_a_connection_ended() {
    let heartbeat = Heartbeat { idle_timeout: Duration::from_millis(300), ..Heartbeat::default() };
    let server = Running::start(with(|settings| settings.config.heartbeat = heartbeat));
    let mut client = server.connect("/ws/lobby");
    client.send(CLOSE, closing(3001, "enough"));
    client.rest();
    assert_eq!(server.ending().1, Ending::ByPeer(Some(3001)));

    server.connect("/ws/lobby").reset();
    assert_eq!(server.ending().1, Ending::Lost);
    let half = server.connect("/ws/lobby");
    half.half_close();
    assert_eq!(server.ending().1, Ending::Lost);

    let mut idle = server.connect("/ws");
    idle.rest();
    drop(idle);
    assert_eq!(server.ending().1, Ending::Closed(CloseReason::Idle));
}

#[test]
fn the_application_hears_of_one_that_shows_no_life() {
    let heartbeat = Heartbeat {
        interval: Duration::from_millis(100),
        stale_after: Duration::from_millis(400),
        mode: HeartbeatMode::Protocol,
        ..Heartbeat::default()
    };
    let server = Running::start(with(|settings| settings.config.heartbeat = heartbeat));
    let mut stale = server.connect("/ws?user=stale");
    stale.rest();
    drop(stale);
    assert_eq!(server.ending().1, Ending::Closed(CloseReason::Stale));
    assert!(!server.handle.is_online("stale"));
}

#[test]
fn the_closing_of_a_client_that_never_answers_is_bounded() {
    let limits = Limits { close_timeout: Duration::from_millis(200), ..roomy() };
    let server = Running::start(with(|settings| settings.config.limits = limits));
    let mut client = server.connect("/ws?user=alice");
    server.handle.kick("alice", CloseReason::Normal).unwrap();
    assert_eq!(client.closed().0, 1000);
    // It neither answers nor ends its side.
    assert_eq!(server.ending().1, Ending::Closed(CloseReason::Normal));
    assert_eq!(server.handle.stats().closing, 0);
}
