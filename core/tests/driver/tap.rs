//! A tap of a driver's hub sees every event and action, in order.

use std::mem;
use std::sync::{Arc, Mutex};

use switchboard_core::{Action, Codec, Driver, Event, Hub, Payload, Tap, Timestamp};

use crate::outlets::*;

/// What was seen: events with the hub's state before them, and the names of actions.
#[derive(Clone, Default, Debug)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, note: String) {
        self.0.lock().expect("nobody panicked").push(note);
    }

    fn take(&self) -> Vec<String> {
        mem::take(&mut self.0.lock().expect("nobody panicked"))
    }
}

fn first_word(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").split([' ', '(']).next().unwrap_or_default().to_owned()
}

impl Tap for Notes {
    fn payload_key(&self) -> Option<[u64; 2]> {
        Some([1, 2])
    }

    fn event(&mut self, hub: &Hub, _now: Timestamp, event: &Event) {
        self.add(format!("{} with {} open", first_word(event), hub.stats().connections));
    }

    fn action(&mut self, action: &Action<'_>) {
        let word = match action {
            Action::Send { .. } => first_word(action),
            Action::Do(operation) => first_word(operation),
            Action::Tell(output) => first_word(output),
        };
        self.add(format!("-> {word}"));
    }
}

#[test]
fn a_tap_hears_of_every_event_before_it_counts_and_of_every_action() {
    let notes = Notes::default();
    let driver = Driver::new(low_marks(), 1, NOW).expect("sound");
    let mut driver = driver.with_tap(Box::new(notes.clone()));
    let (id, socket) = open(&mut driver, Codec::Json, &["lobby"]);
    assert_eq!(
        notes.take(),
        [
            "Connect with 0 open",
            "-> Accept",
            "Opened with 0 open",
            "-> Send",
            "-> Notice",
            "-> Notice"
        ]
    );
    // What the sockets report is an event too.
    socket.takes(1, 0);
    publish(&mut driver, "lobby", Payload::Binary(vec![0; 2_000].into()));
    let heard = ["Command with 1 open", "-> Send", "-> Done", "Blocked with 1 open", "-> Notice"];
    assert_eq!(notes.take(), heard);
    driver.lost(NOW, id);
    assert_eq!(notes.take(), ["Disconnected with 1 open", "-> Notice", "-> Closed"]);
}
