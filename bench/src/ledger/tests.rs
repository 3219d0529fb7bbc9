use super::*;
use crate::text::Text;

const NONE: [usize; 0] = [];

/// Returns a room of three in which connection 0 has published `sent` messages.
fn book(sent: u32, window: u32) -> Ledger {
    let mut ledger = Ledger::new(1, Some(true), false);
    let text = Text::parse("{payload}", &["payload"]).unwrap();
    ledger.add_publisher(0, 0, Prepared::new(&text, "r", "u", 43));
    for (connection, kind) in [(0, Kind::Member), (1, Kind::Member), (2, Kind::Visitor)] {
        ledger.seat(connection, Place { room: 0, user: 0 }, kind);
    }
    ledger.book.window = window;
    ledger.book.publishers[0].sent = sent;
    ledger.book.publishers[0].missing = (0..sent).map(|_| 2).collect();
    ledger.book.publishers[0].in_flight = sent;
    ledger
}

fn hear(ledger: &mut Ledger, at: usize, sequences: &[u32]) {
    for sequence in sequences {
        ledger.book.enter(at, Mark { publisher: 0, sequence: *sequence, at: 0 }, 0);
    }
}

#[test]
fn whatever_a_listener_hears_is_accounted_for() {
    let mut ledger = book(10, 0);
    hear(&mut ledger, 0, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    // 2 is late, 5 and 6 never arrive, 8 arrives twice, and the last is missing.
    hear(&mut ledger, 1, &[0, 1, 3, 2, 4, 7, 8, 8]);
    let counts = ledger.counts();
    assert_eq!((counts.delivered, counts.repeated, counts.out_of_order), (17, 1, 1));
    assert_eq!((ledger.expected(), ledger.missing().lost), (20, 3));
    // Skipped messages may still arrive, once.
    hear(&mut ledger, 1, &[6, 6, 5]);
    assert_eq!((ledger.counts().repeated, ledger.missing().lost), (2, 1));
    // This was never published.
    hear(&mut ledger, 1, &[10]);
    assert_eq!(ledger.counts().misdelivered, 1);
    ledger.ended(1, &Ended::HungUp, 0);
    assert_eq!(ledger.missing(), Missing { ended: 1, ..Missing::default() });
}

#[test]
fn a_visitors_stream_begins_with_what_it_hears_first() {
    let mut ledger = book(10, 0);
    hear(&mut ledger, 2, &[4, 5, 7]);
    let counts = ledger.counts();
    assert_eq!((counts.delivered, counts.repeated, counts.out_of_order), (0, 0, 0));
    hear(&mut ledger, 2, &[6, 3]);
    assert_eq!((ledger.counts().out_of_order, ledger.counts().repeated), (1, 1));
    assert_eq!(ledger.missing().lost, 20, "visitors are owed nothing");
}

#[test]
fn a_closed_loop_goes_on_when_everybody_has_a_message() {
    let mut ledger = book(3, 3);
    hear(&mut ledger, 0, &[0, 1, 2]);
    assert_eq!(ledger.take_permits(), NONE);
    hear(&mut ledger, 1, &[1]);
    assert_eq!(ledger.take_permits(), [0_usize]);
    // Closed connections are not waited for; 0 was skipped, so only the timeout gives it up.
    ledger.ended(1, &Ended::HungUp, 0);
    assert_eq!(ledger.take_permits(), [0_usize]);
    ledger.give_up_stalled(STALLED);
    assert_eq!(ledger.take_permits(), NONE);
    ledger.give_up_stalled(STALLED + 1);
    assert_eq!((ledger.take_permits(), ledger.counts().stalled), (vec![0_usize], 1));
}
