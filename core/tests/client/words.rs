//! The client's texts for its application, and a few bounds.

use bytes::Bytes;
use switchboard_core::client::{
    Cause, ClientConfig, CloseFrame, Failure, Machine, MachineEvent, Outbound, Refused,
    ServerMessage, Token,
};
use switchboard_core::{NameError, Timestamp};

fn refused() -> Refused {
    Refused { code: "lobby_full".into(), message: "it is full".into() }
}

#[test]
fn a_client_says_why_nothing_came_of_a_call() {
    for (failure, code, text) in [
        (Failure::Refused(refused()), "lobby_full", "lobby_full: it is full"),
        (Failure::Timeout, "timeout", "there was no answer in time"),
        (Failure::Disconnected, "disconnected", "the connection was lost before the answer"),
        (Failure::BufferFull, "buffer_full", "too many messages are waiting"),
        (Failure::TooBig, "too_big", "the message is over the server's limit"),
        (Failure::ReservedType, "reserved_type", "the type belongs to the protocol"),
        (Failure::TooManyRooms, "too_many_rooms", "too many rooms are joined"),
        (Failure::Left, "left", "the room was left before it was entered"),
        (Failure::Stopped, "stopped", "the client was stopped"),
        (Failure::Closed, "closed", "the client is closed"),
    ] {
        assert_eq!((failure.code(), failure.to_string().as_str()), (code, text));
    }
}

#[test]
fn a_client_says_why_it_is_not_connected() {
    let closed = |reason: Option<&str>| {
        Cause::Closed(CloseFrame { code: 4010, reason: reason.map(Into::into) })
    };
    for (cause, text) in [
        (Cause::Lost, "the connection was lost"),
        (Cause::TimedOut, "connecting took too long"),
        (Cause::Stale, "the server has not been heard of for too long"),
        (Cause::NoToken("offline".into()), "there is no token: offline"),
        (closed(Some("stale")), "the server closed the connection: 4010 stale"),
        (closed(None), "the server closed the connection: 4010"),
        (Cause::Refused { status: 503, code: None }, "the server answered with status 503"),
    ] {
        assert_eq!(cause.to_string(), text);
    }
}

#[test]
fn a_client_knows_its_bounds_and_itself() {
    let new = |prefix: &str| Machine::new(ClientConfig::default(), prefix, 1);
    let most = Machine::PREFIX_MAX_BYTES;
    assert!(new(&"p".repeat(most)).is_ok());
    assert_eq!(new(&"p".repeat(most + 1)).err(), Some(NameError::TooLong(most)));
    let mut client = new("p").expect("a good prefix");
    client.handle(Timestamp::ZERO, MachineEvent::Connect).for_each(drop);
    let hello = r#"{"type":"connected","client_id":"0-1","session":"5be0cd19137e2179"}"#;
    let events = [MachineEvent::Opened, MachineEvent::Received(ServerMessage::from_text(hello))];
    for event in events {
        let mut actions = client.handle(Timestamp::ZERO, event);
        let left = actions.len();
        assert_eq!(actions.by_ref().count(), left);
    }
    assert_eq!(client.client_id(), Some("0-1"));
    client
        .handle(Timestamp::ZERO, MachineEvent::Received(ServerMessage::Unreadable))
        .for_each(drop);
    assert_eq!(client.stats().unreadable, 1);
    assert!(!Outbound::Text("{}".into()).is_empty() && Outbound::Binary(Bytes::new()).is_empty());
}

#[test]
fn nothing_that_is_secret_is_printed() {
    let hello = r#"{"type":"connected","session":"5be0cd19137e2179"}"#;
    let greeting = format!("{:?}", ServerMessage::from_text(hello));
    assert!(
        greeting.contains("SessionToken(redacted)") && !greeting.contains("5be0"),
        "{greeting}"
    );
    assert_eq!(format!("{:?}", Token::new("abc")), "Token(redacted)");
}
