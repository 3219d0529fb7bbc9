//! The client over real sockets, against a real server.
#![expect(clippy::wildcard_enum_match_arm, reason = "a scenario waits for one kind of event")]

mod proxy;

mod calls;
mod endings;
mod losses;
mod secure;

use std::time::Duration;

use switchboard_core::client::{ClientConfig, State};

use super::harness::roomy;
use crate::runtime::{
    Builder, Client, ClientBuilder, ClientEvent, ClientSettings, Delivery, Events, Server,
    ServerSettings, next_event,
};

/// A server without tight limits.
fn plain() -> Builder {
    with(|_| {})
}

/// As [`plain`], with these changes.
fn with(change: impl FnOnce(&mut ServerSettings)) -> Builder {
    let mut settings = ServerSettings::default();
    settings.config.limits = roomy();
    change(&mut settings);
    Server::builder().settings(settings)
}

/// The configuration of a client that retries quickly.
fn impatient() -> ClientSettings {
    let config = ClientConfig {
        min_backoff: Duration::from_millis(20),
        max_backoff: Duration::from_millis(50),
        ..ClientConfig::default()
    };
    ClientSettings { config, ..ClientSettings::default() }
}

fn hasty(url: &str) -> ClientBuilder {
    Client::builder(url).unwrap().settings(impatient()).user("alice")
}

/// Waits for the first event that `is` maps to a value.
fn until<T>(events: &mut Events, mut is: impl FnMut(ClientEvent) -> Option<T>) -> T {
    loop {
        let event = next_event(events).expect("the client has not ended");
        if let Some(found) = is(event) {
            return found;
        }
    }
}

fn until_open(events: &mut Events) {
    until(events, |event| {
        matches!(event, ClientEvent::State { state: State::Open, .. }).then_some(())
    });
}

/// Returns the payload of the next message.
fn next_number(events: &mut Events) -> u32 {
    until(events, |event| match event {
        ClientEvent::Delivery(Delivery::Publication(message)) => {
            Some(message.payload.read().unwrap())
        }
        ClientEvent::Delivery(Delivery::Refresh { .. } | Delivery::Gap { .. })
        | ClientEvent::Lagged(_) => {
            panic!("something is missing: {event:?}")
        }
        _ => None,
    })
}
