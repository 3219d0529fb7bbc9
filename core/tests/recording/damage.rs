//! Recordings that are old, damaged or forged, as events and as files.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use switchboard_core::recording::file::{
    Flaw, HEAD_BYTES, HEADER_BYTES, Layout, NoRecording, segments,
};
use switchboard_core::recording::{Log, Payloads, Recorder, Replay, Trouble, Wants};
use switchboard_core::{
    Action, Attempt, Command, Config, ConnectionId, Event, Hub, Inbound, Json, Operation, Payload,
    Rejection, RoomName, Tap, Ticket, Timestamp, UserName,
};

#[derive(Clone, Default, Debug)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    fn add_all(&self, bytes: &[u8]) -> Wants {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Wants::Event
    }
}

impl Log for Page {
    fn wants(&mut self) -> Wants {
        Wants::Segment
    }

    fn begin(&mut self, head: &[u8]) -> Wants {
        self.add_all(head)
    }

    fn add(&mut self, bytes: &[u8]) -> Wants {
        self.add_all(bytes)
    }

    fn end(&mut self, bytes: &[u8]) {
        self.add_all(bytes);
    }
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_millis(second * 1_000)
}

/// A hub with one member of a room, and that member's connection.
fn hub() -> (Hub, ConnectionId) {
    let mut hub = Hub::new(Config::default(), 1, at(0)).expect("a good configuration");
    let user = UserName::new("alice").expect("a good name");
    let rooms = vec![(RoomName::new("lobby").expect("a good name"), None)];
    let connect =
        Event::Connect { ticket: Ticket(0), attempt: Attempt { rooms, ..Attempt::new(user) } };
    let accepted = hub.handle(at(0), connect).next();
    let Some(Action::Do(&Operation::Accept { connection, .. })) = accepted else {
        panic!("there is a seat")
    };
    assert_ne!(hub.handle(at(0), Event::Opened { connection }).count(), 0);
    (hub, connection)
}

/// A segment with an answer to nothing, a refusal, a drain and the end.
fn segment(payloads: Payloads) -> Vec<u8> {
    let (mut hub, connection) = hub();
    if let Payloads::Hashed { key } = payloads {
        hub.hide_payloads(key);
    }
    let page = Page::default();
    let mut recorder = Recorder::new(payloads, page.clone());
    assert!(format!("{recorder:?}").starts_with("Recorder { log: Page"));
    let payload = Payload::Json(Json::of(&"a secret that is said").expect("a text"));
    let id = "s7".try_into().expect("a good id");
    let result = Err(("no".into(), "words that are said".into()));
    let reply = Inbound::Reply { id, result };
    let room = RoomName::new("lobby").expect("a good name");
    let chat = Command::Publish {
        room,
        kind: "chat".try_into().expect("a good type"),
        from: None,
        id: None,
        key: None,
        payload,
        except: None,
    };
    let reason = Rejection::ServerFull.close_reason();
    for event in [
        Event::Received { connection, bytes: 10, inbound: reply },
        Event::Command { ticket: Ticket(1), command: chat },
        Event::Command { ticket: Ticket(2), command: Command::Close { connection, reason } },
        Event::Drain { timeout: Duration::from_secs(1), spread: Duration::ZERO },
    ] {
        recorder.event(&hub, at(1), &event);
        for action in hub.handle(at(1), event) {
            recorder.action(&action);
        }
    }
    drop(recorder);
    page.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Returns the number of events that replayed, and what stopped the replay.
fn play(segment: &[u8]) -> Result<(usize, bool), (usize, Trouble)> {
    let mut replay = Replay::new(segment).map_err(|trouble| (0, trouble))?;
    let mut events = 0;
    loop {
        match replay.next_entry() {
            Ok(Some(entry)) => replay.apply(entry, |_| {}),
            Ok(None) => return Ok((events, replay.is_complete())),
            Err(trouble) => return Err((events, trouble)),
        }
        events += 1;
    }
}

const HASHED: Payloads = Payloads::Hashed { key: [1, 2] };

#[test]
fn what_was_said_is_there_only_if_it_is_kept() {
    for (payloads, kept) in [(Payloads::Kept, true), (HASHED, false)] {
        let segment = segment(payloads);
        assert_eq!(play(&segment), Ok((4, true)));
        for said in [&b"a secret that is said"[..], b"words that are said"] {
            assert_eq!(segment.windows(said.len()).any(|words| words == said), kept);
        }
        assert!(segment.windows(5).any(|words| words == b"alice"));
    }
}

#[test]
fn a_hub_that_is_put_together_again_can_be_looked_at() {
    let (hub, connection) = hub();
    let again = Hub::restore(&hub.checkpoint()).expect("its own bytes");
    let ids: Vec<ConnectionId> = again.connections().map(|view| view.id()).collect();
    assert_eq!(ids, [connection]);
    let rooms: Vec<&str> = again.rooms().map(|view| &**view.name()).collect();
    assert_eq!(rooms, ["lobby"]);
}

#[test]
fn another_format_and_what_contradicts_itself_are_named() {
    let mut segment = segment(HASHED);
    segment[0] += 1;
    let (_, trouble) = play(&segment).expect_err("another format");
    assert_eq!(trouble, Trouble::Format(6));
    assert!(trouble.to_string().contains("replay it with the version that recorded it"));

    let (hub, _) = hub();
    let whole = hub.checkpoint();
    let mut bytes = whole.clone();
    bytes[0] += 1;
    let damaged = Hub::restore(&bytes).expect_err("another format").to_string();
    assert_eq!(damaged, "the checkpoint is damaged: it has the format 6, this version knows 5");
    let damaged = Hub::restore(&whole[..whole.len() / 2]).expect_err("a half").to_string();
    assert_eq!(damaged, "the checkpoint is damaged: it ends too early");

    // The first of many such places: it claims a member that is not there.
    let contradicts = (1..whole.len()).find_map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        let what = Hub::restore(&bytes).err()?.to_string();
        what.contains("it contradicts itself about ").then_some(what)
    });
    assert!(contradicts.is_some());
}

#[test]
fn a_length_that_cannot_be_takes_no_memory() {
    let (hub, _) = hub();
    let whole = hub.checkpoint();
    for instead in [&[0xff; 10][..], &[0xff, 0xff, 0xff, 0x7f], &[0xff, 0xff, 0xff, 0xff, 0x0f]] {
        for at in 1..whole.len() {
            let bytes = [&whole[..at], instead, &whole[at + 1..]].concat();
            // Some numbers have no effect; none may cause a panic.
            if let Ok(hub) = Hub::restore(&bytes) {
                assert_eq!(hub.connections().count(), 1);
            }
        }
    }
}

#[test]
fn what_follows_on_the_end_and_what_happened_otherwise_is_named() {
    let whole = segment(HASHED);
    let longer = [&whole[..], b"more"].concat();
    let (events, trouble) = play(&longer).expect_err("something follows");
    assert_eq!(events, 4);
    assert_eq!(trouble.to_string(), "event 4 cannot be read: something follows on the end");

    // The last eight bytes are the hash of all actions.
    let mut other = whole.clone();
    *other.last_mut().expect("an end") ^= 1;
    let (events, trouble) = play(&other).expect_err("another hash");
    assert_eq!((events, &trouble), (4, &Trouble::Different(3)));
    assert!(trouble.to_string().starts_with("event 3 led to other actions"));

    let (events, trouble) = (0..whole.len())
        .find_map(|at| {
            let mut bytes = whole.clone();
            bytes[at] = 0xff;
            play(&bytes).err().filter(|(_, trouble)| matches!(trouble, Trouble::Event(..)))
        })
        .expect("an invalid event");
    assert!(events < 4 && trouble.to_string().contains(" cannot be read: "), "{trouble}");
    let (_, trouble) = play(&whole[..20]).expect_err("half a hub");
    assert_eq!(trouble.to_string(), "the state of the hub cannot be read: it ends too early");
}

/// A file with one segment in blocks of `block` bytes.
fn file(segment: &[u8], block: usize) -> Vec<u8> {
    let layout = Layout { recording: 7, places: 1, place_bytes: 1 << 20 };
    let mut file = layout.to_bytes().to_vec();
    for (number, content) in (0..).zip(segment.chunks(block)) {
        file.extend(layout.header(0, number, content));
        file.extend(content);
    }
    file
}

#[test]
fn a_file_whose_checksums_are_right_is_not_believed_for_that() {
    let whole = segment(HASHED);
    let (mut refused, mut replayed) = (0, 0);
    for at in 0..whole.len() {
        for change in [1, 0x40, 0xff] {
            let mut forged = whole.clone();
            forged[at] ^= change;
            let read = segments(&file(&forged, 100)).expect("a recording");
            assert_eq!((read.len(), read[0].flaw), (1, None), "the checksums are right");
            match play(&read[0].bytes) {
                Ok(_) => replayed += 1,
                Err((_, trouble)) => {
                    refused += 1;
                    assert!(!trouble.to_string().is_empty());
                }
            }
        }
    }
    assert!(refused > 0 && replayed > 0, "{refused} were refused, {replayed} replayed");
}

#[test]
fn what_comes_before_the_damage_is_shown() {
    let segment = segment(HASHED);
    let (whole, _) = play(&segment).expect("it is whole");
    let mut file = file(&segment, segment.len() - 20);
    *file.last_mut().expect("a block") ^= 1;
    let read = segments(&file).expect("a recording");
    let block = HEAD_BYTES + HEADER_BYTES + segment.len() - 20;
    assert_eq!(read[0].flaw, Some(Flaw::Damaged(block)));
    assert_eq!(Flaw::Damaged(block).to_string(), format!("the block at byte {block} is damaged"));
    let (events, is_complete) = play(&read[0].bytes).expect("all before it");
    assert!(0 < events && events < whole && !is_complete, "{events} of {whole}");

    file.truncate(block + HEADER_BYTES + 1);
    let flaw = segments(&file).expect("a recording")[0].flaw;
    assert_eq!(flaw, Some(Flaw::CutOff(block)));
    let words = format!("the file ends in the middle of the block at byte {block}");
    assert_eq!(flaw.map(|flaw| flaw.to_string()), Some(words));
}

#[test]
fn files_that_are_no_recordings_are_told_apart_in_words() {
    let mut places = Layout { recording: 7, places: 1, place_bytes: 1 << 20 };
    places.places = Layout::MAX_PLACES + 1;
    let too_many = places.to_bytes();
    for (file, none, words) in [
        (&b""[..], NoRecording::Empty, "the file is empty"),
        (b"something else", NoRecording::Foreign, "the file is not a recording"),
        (&too_many, NoRecording::Damaged, "the head of the recording is damaged"),
    ] {
        assert_eq!(segments(file), Err(none.clone()));
        assert_eq!(none.to_string(), words);
    }
    let version = NoRecording::Version(9).to_string();
    assert!(version.starts_with("the recording has the layout 9, and this version knows 1"));
}
