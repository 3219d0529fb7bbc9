//! How clients end, and what does not end them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{hasty, plain, until, until_open, with};
use crate::runtime::{
    CallError, Client, ClientEvent, Identity, StartError, done, later, next_event, provider,
};
use crate::shared::harness::Running;
use switchboard_core::client::{Cause, Failure, State};
use switchboard_core::http::HttpError;
use switchboard_core::{CloseReason, UserName};

#[test]
fn the_last_handle_ends_it_and_stopping_waits_for_the_close() {
    let server = Running::start(plain());
    let (client, mut events) = hasty(&server.url()).start().unwrap();
    until_open(&mut events);
    let room = client.room("lobby").unwrap();
    done(client.stop());
    assert_eq!(client.state(), State::Idle);
    client.connect();
    until_open(&mut events);
    done(room.join()).unwrap();
    drop(client);
    // A room is a handle, too.
    done(room.send("n", &1)).unwrap();
    drop(room);
    while next_event(&mut events).is_some() {}
}

#[test]
fn a_refusal_for_good_closes_and_says_why() {
    let builder = plain().authenticate(|_| {
        later! { Err::<Identity, _>(HttpError::unauthorized("no such token")) }
    });
    let server = Running::start(builder);
    let (client, mut events) = hasty(&server.url()).token("wrong").start().unwrap();
    let (cause, detail) = until(&mut events, |event| match event {
        ClientEvent::State { state: State::Closed, cause, detail } => Some((cause, detail)),
        _ => None,
    });
    assert_eq!(cause, Some(Cause::Refused { status: 401, code: Some("unauthorized".into()) }));
    assert_eq!(detail.as_deref(), Some("401 unauthorized: no such token"));
    let failed = done(client.room("lobby").unwrap().join()).unwrap_err();
    assert_eq!(failed, CallError::Failed(Failure::Closed));
}

#[test]
fn a_token_that_ran_out_is_replaced_by_another() {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let builder = plain().authenticate(|credentials| {
        let token = credentials.token.as_ref().map(|token| token.expose().to_owned());
        // The first token is stale; the second is valid until its user is kicked; then the third is
        // used.
        later! {
            match token.as_deref() {
                Some("2" | "3") => Ok(Identity::new(UserName::new("alice").unwrap())),
                _ => Err(HttpError::unauthorized("too old")),
            }
        }
    });
    let server = Running::start(builder);
    let tokens = || Ok::<_, String>((ASKED.fetch_add(1, Ordering::SeqCst) + 1).to_string());
    let (_client, mut events) = hasty(&server.url()).token_from(provider!(tokens)).start().unwrap();
    until_open(&mut events);
    assert_eq!(ASKED.load(Ordering::SeqCst), 2);
    server.handle.kick("alice", CloseReason::Unauthorized).unwrap();
    until_open(&mut events);
    assert_eq!(ASKED.load(Ordering::SeqCst), 3);
}

#[test]
fn a_server_that_is_full_is_tried_again_when_it_says() {
    use crate::runtime::RefuseBy;
    use switchboard_core::{Limit, Limits};
    let limits = Limits { max_connections: Limit::at_most(1), ..Limits::default() };
    let server = Running::start(with(|settings| {
        settings.config.limits = limits;
        settings.capacity_answer = RefuseBy::Http;
    }));
    let (first, mut events) = hasty(&server.url()).start().unwrap();
    until_open(&mut events);
    let (_second, mut events) = hasty(&server.url()).user("bob").start().unwrap();
    let (cause, detail, retry_in) = until(&mut events, |event| match event {
        ClientEvent::State { state: State::Waiting { retry_in }, cause, detail } => {
            Some((cause, detail, retry_in))
        }
        _ => None,
    });
    assert_eq!(cause, Some(Cause::Refused { status: 503, code: Some("server_full".into()) }));
    assert!(detail.unwrap().starts_with("503 server_full: "));
    assert!(retry_in >= Duration::from_secs(1), "Retry-After says so: {retry_in:?}");
    done(first.stop());
    until_open(&mut events);
}

#[test]
fn addresses_that_are_no_good_and_servers_that_are_none_are_told_apart() {
    assert!(matches!(Client::builder("http://localhost"), Err(StartError::Address(_))));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let (_client, mut events) = hasty(&format!("ws://{address}/ws")).start().unwrap();
    let detail = until(&mut events, |event| match event {
        ClientEvent::State { state: State::Waiting { .. }, detail, .. } => detail,
        _ => None,
    });
    assert!(detail.contains("cannot connect to 127.0.0.1:"), "{detail}");
    let (_client, mut events) = hasty("ws://no-such-host.invalid/ws").start().unwrap();
    let detail = until(&mut events, |event| match event {
        ClientEvent::State { state: State::Waiting { .. }, detail, .. } => detail,
        _ => None,
    });
    assert!(detail.contains("cannot find ws://no-such-host.invalid/ws"), "{detail}");
}
