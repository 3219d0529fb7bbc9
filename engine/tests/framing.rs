//! How much a message in fragments may have, exactly.
#![cfg(test)]

use switchboard_core::{
    Attempt, CloseReason, Codec, Config, Driver, Limits, Outlet, Output, Stall, Timestamp, UserName,
};
use switchboard_engine::server::{Framing, Stop};

const MORE: u8 = 0x00;
const FIN: u8 = 0x80;
const BINARY: u8 = 0x02;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// A header has up to 14 bytes, so that the frames of one message may have 128.
const MAX_MESSAGE_BYTES: usize = 100;
const MAX_FRAGMENTS: usize = 2;

const TOO_BIG: Option<Stop> = Some(Stop::Violation(CloseReason::TooBig(MAX_MESSAGE_BYTES)));

/// Takes everything.
struct Sink;

impl Outlet for Sink {
    fn write(&mut self, parts: &[&[u8]]) -> Result<usize, Stall> {
        Ok(parts.iter().map(|part| part.len()).sum())
    }

    fn watch(&mut self) {}
}

/// A masked frame, with a header of 6 bytes.
fn frame(first: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![first, FIN | u8::try_from(len).expect("a short one"), 0, 0, 0, 0];
    bytes.resize(6 + len, b'x');
    bytes
}

/// A message in five frames, which have so many bytes with their headers.
fn message_of(bytes: usize) -> Vec<Vec<u8>> {
    let [first, rest] = [bytes - 5 * 6 - 40, 20];
    let pieces = [(BINARY, first), (MORE, rest), (MORE, rest), (MORE, 0), (FIN, 0)];
    pieces.map(|(opcode, len)| frame(opcode, len)).into()
}

/// The lengths of the messages that come out when this is read, so many bytes at a time, and how it ends.
fn read(frames: &[Vec<u8>], step: usize) -> (Vec<usize>, Option<Stop>) {
    let limits = Limits {
        max_message_bytes: MAX_MESSAGE_BYTES,
        max_fragments: MAX_FRAGMENTS,
        ..Limits::default()
    };
    let mut framing = Framing::new(&limits);
    let config = Config { limits, ..Config::default() };
    let now = Timestamp::ZERO;
    let mut driver = Driver::new(config, 1, now).expect("sound");
    let user = UserName::new("ann").expect("a name");
    let id = driver.connect(now, Attempt::new(user)).expect("a seat");
    assert!(driver.open(now, id, Codec::Raw, Sink));
    let mut bytes = frames.concat();
    let stop = bytes.chunks_mut(step).find_map(|piece| framing.feed(&mut driver, now, id, piece));
    let outputs = std::iter::from_fn(|| driver.take_output());
    let lengths = outputs.filter_map(|output| {
        if let Output::Raw { frame, .. } = output { Some(frame.as_bytes().len()) } else { None }
    });
    (lengths.collect(), stop)
}

#[test]
fn a_message_in_fragments_may_have_its_limit_and_its_headers_and_no_byte_more() {
    for step in [1, 7, 1_000] {
        assert_eq!(read(&message_of(128), step), (vec![98], None), "{step} at a time");
        assert_eq!(read(&message_of(129), step), (vec![], TOO_BIG), "{step} at a time");
    }
}

#[test]
fn a_message_that_goes_on_and_on_is_too_big() {
    for step in [1, 7, 1_000] {
        let mut endless = vec![frame(BINARY, 0)];
        // 21 frames have 126 bytes; the next would go beyond.
        endless.resize(21, frame(MORE, 0));
        assert_eq!(read(&endless, step), (vec![], None), "{step} at a time");
        endless.push(frame(FIN, 0));
        assert_eq!(read(&endless, step), (vec![], TOO_BIG), "{step} at a time");
    }
}

#[test]
fn every_message_counts_anew_and_what_comes_between_its_frames_does_not_count() {
    for step in [1, 7, 1_000] {
        let mut frames = Vec::new();
        for _ in 0..3 {
            for piece in message_of(128) {
                frames.extend([piece, frame(PING, 5), frame(PONG, 5)]);
            }
            frames.push(frame(FIN | BINARY, MAX_MESSAGE_BYTES));
        }
        let (lengths, stop) = read(&frames, step);
        assert_eq!((lengths, stop), ([98, 100].repeat(3), None), "{step} at a time");
        frames.extend(message_of(129));
        let (lengths, stop) = read(&frames, step);
        assert_eq!((lengths, stop), ([98, 100].repeat(3), TOO_BIG), "{step} at a time");
    }
}
