//! How connections end, and what other clients see of it.

use std::time::Duration;

use serde_json::json;
use switchboard_core::{Limit, UserLimitPolicy};
use switchboard_engine::server::ServerSettings;

use super::scenarios;
use crate::Start;
use crate::client::{CLOSE, Client, closing};
use crate::harness::{Server, attentive, eventually, limited, plain, with_rooms};

scenarios![
    a_proper_close_is_answered_with_its_code,
    a_connection_that_is_reset_or_half_closed_is_lost,
    what_was_sent_before_a_half_close_counts,
    the_closing_of_a_client_that_never_answers_is_bounded,
    the_end_of_the_stream_follows_the_close_frame_at_once,
    a_newer_connection_can_take_the_seat_of_the_oldest,
];

/// A member that is told when users join and leave.
fn watched(settings: ServerSettings, start: Start) -> (Server, Client) {
    let server = Server::start(start, with_rooms(settings, "seen:", attentive()));
    let watcher = server.connect("/ws/seen:a?user=watcher");
    (server, watcher)
}

fn a_proper_close_is_answered_with_its_code(start: Start) {
    let (server, mut watcher) = watched(plain(), start);
    let mut client = server.connect("/ws/seen:a?user=alice");
    client.send(CLOSE, closing(3001, "enough"));
    assert_eq!(client.closed().0, 3001);
    client.ended();
    assert_eq!(watcher.until("member_left")["user"], "alice");
}

fn a_connection_that_is_reset_or_half_closed_is_lost(start: Start) {
    let (server, mut watcher) = watched(plain(), start);
    server.connect("/ws/seen:a?user=reset").reset();
    assert_eq!(watcher.until("member_left")["user"], "reset");

    let mut half = server.connect("/ws/seen:a?user=half");
    half.half_close();
    assert_eq!(watcher.until("member_left")["user"], "half");
    half.ended();
}

fn what_was_sent_before_a_half_close_counts(start: Start) {
    let server = Server::start(start, plain());
    let mut hearer = server.connect("/ws/lobby?user=bob");
    let mut client = server.connect("/ws/lobby?user=alice");
    client.json(&json!({"type": "chat", "payload": "last words"}));
    client.half_close();
    assert_eq!(hearer.expect("chat")["payload"], "last words");
    hearer.bye();
}

fn the_closing_of_a_client_that_never_answers_is_bounded(start: Start) {
    let mut settings = limited(|limits| {
        limits.max_connections = Limit::at_most(1);
        limits.close_timeout = Duration::from_millis(200);
    });
    settings.config.heartbeat.idle_timeout = Duration::from_millis(200);
    let server = Server::start(start, settings);
    let mut client = server.connect("/ws?user=alice");
    assert_eq!(client.closed().0, 1008);
    // It neither answers nor ends its side; its seat becomes free nevertheless.
    eventually("its seat is free", || server.attempt("/ws?user=bob").is_ok());
}

fn the_end_of_the_stream_follows_the_close_frame_at_once(start: Start) {
    // The close timeout is far away: the client learns of the end because the server ends it.
    let mut settings = limited(|limits| limits.close_timeout = Duration::from_secs(3_600));
    settings.config.heartbeat.idle_timeout = Duration::from_millis(200);
    let server = Server::start(start, settings);
    let mut client = server.connect("/ws?user=alice");
    assert_eq!(client.closed().0, 1008);
    client.ended();
}

fn a_newer_connection_can_take_the_seat_of_the_oldest(start: Start) {
    let server = Server::start(
        start,
        limited(|limits| {
            limits.max_connections = Limit::at_most(2);
            limits.max_per_user = Limit::at_most(2);
            limits.user_limit_policy = UserLimitPolicy::ReplaceOldest;
        }),
    );
    let mut first = server.connect("/ws?user=alice");
    let second = server.connect("/ws?user=alice");
    let third = server.connect("/ws?user=alice");
    assert_eq!(first.closed(), (4004, "replaced".into()));
    first.ended();
    second.bye();
    third.bye();
}
