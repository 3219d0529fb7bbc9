//! What the observer is told, and in which order.

use serde_json::json;
use switchboard_core::{Ending, ErrorCode, Notice, Output};

use crate::shared::harness::{Running, plain};

#[test]
fn the_life_of_a_connection_is_told_in_order() {
    let server = Running::start(plain());
    let mut client = server.connect("/ws/red?user=alice");
    client.call(&json!({"type": "join", "id": "1", "room": "blue"}));
    client.call(&json!({"type": "leave", "id": "2", "room": "red"}));
    client.call(&json!({"type": "join", "id": "3"}));
    client.bye();

    let mut heard = Vec::new();
    let mut connections = Vec::new();
    loop {
        let (connection, line) = match server.output() {
            Output::Notice(Notice::Opened { connection, user, .. }) => {
                (connection, format!("opened {user}"))
            }
            Output::Notice(Notice::Joined { connection, user, room }) => {
                (connection, format!("joined {user} {room}"))
            }
            Output::Notice(Notice::Left { connection, user, room }) => {
                (connection, format!("left {user} {room}"))
            }
            Output::Notice(Notice::Refused { connection, user, refusal }) => {
                assert_eq!(refusal.code, ErrorCode::InvalidField);
                (connection, format!("refused {user}"))
            }
            Output::Closed { connection, user, ending, .. } => {
                assert_eq!(ending, Ending::ByPeer(Some(1000)));
                (connection, format!("closed {user}"))
            }
            other @ (Output::Notice(Notice::Blocked { .. } | Notice::Expired { .. })
            | Output::Request { .. }
            | Output::Raw { .. }
            | Output::Probed { .. }
            | Output::Answered { .. }
            | Output::StateWanted { .. }
            | Output::Drained) => panic!("{other:?}"),
        };
        connections.push(connection);
        heard.push(line);
        if heard.last().is_some_and(|line| line.starts_with("closed")) {
            break;
        }
    }
    assert_eq!(
        heard,
        [
            "opened alice",
            "joined alice red",
            "joined alice blue",
            "left alice red",
            "refused alice",
            "left alice blue",
            "closed alice",
        ]
    );
    assert!(connections.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn every_connection_that_opens_ends_exactly_once() {
    let server = Running::start(plain());
    for n in 0..50 {
        let client = server.connect("/ws/lobby");
        match n % 3 {
            0 => client.bye(),
            1 => client.reset(),
            _ => drop(client),
        }
    }
    let mut open = std::collections::HashSet::new();
    let mut ended = 0;
    while ended < 50 {
        match server.output() {
            Output::Notice(Notice::Opened { connection, .. }) => {
                assert!(open.insert(connection), "opened twice");
            }
            Output::Closed { connection, .. } => {
                assert!(open.remove(&connection), "ended twice, or before it opened");
                ended += 1;
            }
            Output::Notice(_)
            | Output::Request { .. }
            | Output::Raw { .. }
            | Output::Probed { .. }
            | Output::Answered { .. }
            | Output::StateWanted { .. }
            | Output::Drained => {}
        }
    }
}
