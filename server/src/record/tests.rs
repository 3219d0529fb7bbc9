use std::fs;

use switchboard_core::recording::file::{Flaw, segments};
use switchboard_core::recording::{Log, Replay, Wants};
use switchboard_core::{
    Action, Attempt, ConnectionId, Event, Hub, Inbound, Json, Operation, Tap, Ticket, Timestamp,
    UserName,
};

use super::spool::{Batch, Spool};
use super::*;

/// A file that is removed after the test.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str) -> Self {
        let name = format!("switchboard-record-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn hub() -> (Hub, ConnectionId) {
    let mut config = switchboard_core::Config::default();
    config.limits.messages = switchboard_core::Rate::NONE;
    let mut hub = Hub::new(config, 1, Timestamp::ZERO).unwrap();
    let user = UserName::new("alice").unwrap();
    let connect = Event::Connect { ticket: Ticket(0), attempt: Attempt::new(user) };
    let accepted = hub.handle(Timestamp::ZERO, connect).next();
    let Some(Action::Do(&Operation::Accept { connection, .. })) = accepted else {
        panic!("there is a seat")
    };
    let _ = hub.handle(Timestamp::ZERO, Event::Opened { connection }).count();
    (hub, connection)
}

/// Sends `count` pings from one client.
fn feed(hub: &mut Hub, connection: ConnectionId, recorder: &mut impl Tap, events: u64) {
    for n in 0..events {
        let inbound = Inbound::HealthPing { timestamp: Json::of(&n).unwrap() };
        let event = Event::Received { connection, bytes: 40, inbound };
        recorder.event(hub, Timestamp::from_millis(n), &event);
        for action in hub.handle(Timestamp::from_millis(n), event) {
            recorder.action(&action);
        }
    }
}

#[test]
fn a_ring_is_replayed_from_the_first_segment_that_is_left() {
    let file = TempFile::new("ring");
    let config = Record { file: Some(file.0.clone()), megabytes: 1, ..Record::default() };
    let (recording, mut recorder) = Recording::start(&config, None).unwrap().unwrap();
    let (mut hub, connection) = hub();
    feed(&mut hub, connection, &mut recorder, 150_000);
    drop(recorder);
    recording.finish();

    let bytes = fs::read(&file.0).unwrap();
    assert!(bytes.len() <= 1024 * 1024, "{} bytes", bytes.len());
    let segments = segments(&bytes).unwrap();
    assert_eq!(segments.len(), 4);
    assert!(segments[0].number > 0, "nothing was overwritten");
    let mut next = None;
    for segment in &segments {
        assert_eq!(segment.flaw, None);
        let mut replay = Replay::new(&segment.bytes).unwrap();
        assert_eq!(replay.first(), (next.unwrap_or_else(|| replay.first().0), 0));
        while let Some(entry) = replay.next_entry().unwrap() {
            next = Some(entry.number + 1);
            replay.apply(entry, |_| {});
        }
        assert!(replay.is_complete());
    }
    assert_eq!(next, Some(150_000));
}

#[test]
fn events_are_left_out_while_the_disk_is_too_slow_and_then_it_goes_on() {
    // Nothing is written until this test does so.
    let mut spool = Spool::new(1024 * 1024);
    assert_eq!(spool.wants(), Wants::Segment);
    assert_eq!(spool.begin(b"head"), Wants::Event);
    let event = [7; 4096];
    let mut segments = 1;
    let mut taken = 0;
    loop {
        match spool.add(&event) {
            Wants::Event => taken += 1,
            Wants::Segment => {
                segments += 1;
                assert_eq!(spool.begin(b"head"), Wants::Event);
            }
            Wants::Nothing => break,
        }
    }
    assert!(segments > 8 && taken > 2_000, "{segments} segments, {taken} events");
    assert_eq!(spool.wants(), Wants::Nothing, "nothing was written meanwhile");
    let batch = spool.take(Batch::default()).unwrap();
    assert_eq!(batch.begins.len(), segments);
    assert_eq!(batch.bytes.len(), segments * 4 + taken * event.len());
    assert_eq!(spool.wants(), Wants::Segment);
    assert_eq!(spool.begin(b"head"), Wants::Event);
}

#[test]
fn a_hub_that_is_larger_than_a_segment_is_not_recorded() {
    let mut spool = Spool::new(10_000);
    assert_eq!(spool.begin(&[0; 8_500]), Wants::Event);
    assert_eq!(spool.add(&[0; 500]), Wants::Segment, "its end must fit, too");
    assert_eq!(spool.begin(&[0; 10_000]), Wants::Nothing);
    assert_eq!(spool.wants(), Wants::Nothing);
    assert_eq!(spool.add(b"event"), Wants::Nothing);
}

#[test]
fn a_size_that_is_asked_for_is_enough() {
    for hub in [0, 1_000, 131_072, 131_073, 19_000_000] {
        let size = megabytes_for(hub as u64) * MEGABYTE;
        let mut spool = Spool::new((size - HEAD_BYTES as u64) / u64::from(PLACES));
        assert_eq!(spool.begin(&vec![0; hub]), Wants::Event, "{hub} bytes");
        // Nothing is being written, so more than a few megabytes would wait for the disk.
        assert_eq!(spool.add(&vec![0; (hub / 2).min(1 << 20)]), Wants::Event, "{hub} bytes");
    }
}

#[test]
fn a_size_that_may_be_too_small_is_doubted_at_the_start() {
    assert_eq!(doubt(64, Some(4_194)), None);
    let text = doubt(64, Some(4_195)).unwrap();
    assert!(text.contains("(--record-size) is 64, and should be 65"), "{text}");
    assert_eq!(doubt(64, None), None, "nobody knows");
    assert_eq!(doubt(64, Some(500)), None, "the defaults");
}

#[test]
fn what_is_closed_is_written_to_the_end() {
    let mut spool = Spool::new(1024 * 1024);
    assert_eq!(spool.begin(b"head"), Wants::Event);
    spool.close();
    assert_eq!(spool.take(Batch::default()).unwrap().bytes, b"head");
    assert!(spool.take(Batch::default()).is_none());
}

#[test]
fn a_recording_that_is_cut_off_is_whole_up_to_there() {
    let file = TempFile::new("cut");
    let config = Record { file: Some(file.0.clone()), megabytes: 4, ..Record::default() };
    let (recording, mut recorder) = Recording::start(&config, None).unwrap().unwrap();
    let (mut hub, connection) = hub();
    feed(&mut hub, connection, &mut recorder, 40_000);
    drop(recorder);
    recording.finish();
    let bytes = fs::read(&file.0).unwrap();
    for cut in [bytes.len() - 1, bytes.len() / 2, HEAD_BYTES + 2_000] {
        let segments = segments(&bytes[..cut]).unwrap();
        assert!(matches!(segments[0].flaw, Some(Flaw::CutOff(_))), "{cut}");
        let Ok(mut replay) = Replay::new(&segments[0].bytes) else {
            assert_eq!(cut, HEAD_BYTES + 2_000, "only the first block has the hub");
            continue;
        };
        let mut events = 0;
        while let Some(entry) = replay.next_entry().unwrap() {
            replay.apply(entry, |_| {});
            events += 1;
        }
        assert!(!replay.is_complete() && events > 1_000 && events < 40_000, "{events}");
    }
}
