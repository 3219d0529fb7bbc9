//! The client over real sockets, against a real server.
#![expect(clippy::wildcard_enum_match_arm, reason = "a scenario waits for one kind of event")]

mod proxy;

mod calls;
mod endings;
mod losses;
mod secure;

use std::time::Duration;

use switchboard_core::client::{Config, State};

use super::harness::roomy;
use crate::runtime::{Builder, Client, ClientBuilder, Event, Events, Server, next_event};

/// A server without limits that matter.
fn plain() -> Builder {
    Server::builder().limits(roomy())
}

/// A client that does not wait long before it tries again.
fn hasty(url: &str) -> ClientBuilder {
    let config = Config {
        min_backoff: Duration::from_millis(20),
        max_backoff: Duration::from_millis(50),
        ..Config::default()
    };
    Client::builder(url).unwrap().config(config).user("alice")
}

/// Waits for the first event that `is` makes something of.
fn until<T>(events: &mut Events, mut is: impl FnMut(Event) -> Option<T>) -> T {
    loop {
        let event = next_event(events).expect("the client has not ended");
        if let Some(found) = is(event) {
            return found;
        }
    }
}

fn until_open(events: &mut Events) {
    until(events, |event| matches!(event, Event::State { state: State::Open, .. }).then_some(()));
}

/// The payload of the next message.
fn next_number(events: &mut Events) -> u32 {
    until(events, |event| match event {
        Event::Message(message) => Some(message.payload.read().unwrap()),
        Event::Refresh { .. } | Event::Gap { .. } | Event::Lagged(_) => {
            panic!("something is missing: {event:?}")
        }
        _ => None,
    })
}
