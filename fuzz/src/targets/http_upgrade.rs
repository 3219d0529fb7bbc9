//! Bytes from an unknown peer before and after the upgrade.
//!
//! The input is a request head and the frames after it; an input that begins with a byte over 127,
//! which no head can, is frames only.
//!
//! **Oracle.** However the bytes are split, the result is the same: they are fed whole, byte by
//! byte, and split in two, through the head's parser and then through the parser of frames into a
//! driver, and the requests or refusals, the decoded messages, the written bytes and the close
//! reason are compared. The messages and the end must also match what tungstenite decodes from the
//! same bytes independently. An HTTP parser can read each response, with the length that it states.
//! No token is ever printed: with another token of the same length the output would be the same.
//! Nothing panics.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::rc::Rc;

use switchboard_core::http::{self, BearerToken, HttpError, HttpRequest, Origins, Parsed, Upgrade};
use switchboard_core::{
    Attempt, Codec, Config, Driver, Limits, Outlet, Output, RawFrame, Stall, Timestamp, UserName,
};
use switchboard_engine::server::{Framing, HeadReader, Stop};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message};

/// Small, so that inputs can exceed it.
const MAX_MESSAGE_BYTES: usize = 200;

/// Runs one input.
///
/// # Panics
/// When the oracle is violated.
pub fn run(bytes: &[u8]) {
    let cuts: [Vec<&[u8]>; 3] = {
        let (first, second) = bytes.split_at(bytes.len() * 2 / 3);
        [vec![bytes], bytes.chunks(1).collect(), vec![first, second]]
    };
    if bytes.first().is_some_and(|byte| *byte > 127) {
        for codec in [Codec::Raw, Codec::Json] {
            let [whole, one_by_one, in_two] = cuts.each_ref().map(|cut| frames(cut, codec));
            assert_eq!(whole, one_by_one);
            assert_eq!(whole, in_two);
            if codec == Codec::Raw {
                let (messages, mut end) = by_the_book(bytes);
                if end.is_none() && whole.stop.is_some() {
                    // A header that breaks a rule is enough; tungstenite looks at it when the frame
                    // is complete.
                    end = by_the_book(&[bytes, &[0; 2 * MAX_MESSAGE_BYTES]].concat()).1;
                }
                assert_eq!((whole.messages, whole.stop.map(code)), (messages, end));
            }
        }
        return;
    }
    let [whole, one_by_one, in_two] = cuts.each_ref().map(|cut| head(cut));
    assert_eq!(whole, one_by_one);
    assert_eq!(whole, in_two);
    match whole {
        None => {}
        Some(Err(refusal)) => check_answer(&refusal),
        Some(Ok((request, rest))) => {
            check_parts(bytes, &request, &rest);
            check_secrets(bytes, &request);
            match upgrade(&request) {
                Ok(upgrade) => {
                    check_acceptance(&upgrade);
                    let pieces: Vec<&[u8]> = rest.chunks(1).collect();
                    assert_eq!(frames(&[&rest], Codec::Json), frames(&pieces, Codec::Json));
                }
                Err(refusal) => check_answer(&refusal),
            }
        }
    }
}

fn upgrade(request: &HttpRequest) -> Result<Upgrade, HttpError> {
    http::check(request, &Origins::SameHost, "/ws")
}

/// The result for the head: nothing yet, a refusal, or a request and the bytes after it.
fn head(pieces: &[&[u8]]) -> Option<Result<(HttpRequest, Vec<u8>), HttpError>> {
    let mut head = HeadReader::new(None, http::DEFAULT_MAX_HEAD_BYTES);
    let mut pieces = pieces.iter();
    while let Some(piece) = pieces.next() {
        match head.read(piece) {
            Ok(None) => {}
            Ok(Some((request, mut rest))) => {
                pieces.for_each(|piece| rest.extend_from_slice(piece));
                return Some(Ok((request, rest)));
            }
            Err(refusal) => return Some(Err(refusal)),
        }
    }
    None
}

/// Another library, given the same parts, must build the same request; and the parser says where
/// its head ends.
fn check_parts(mut bytes: &[u8], request: &HttpRequest, rest: &[u8]) {
    // Empty lines before a request do not count as a part of its head.
    while let [b'\n', after @ ..] | [b'\r', b'\n', after @ ..] = bytes {
        bytes = after;
    }
    let parsed = http::parse(bytes, http::DEFAULT_MAX_HEAD_BYTES);
    let Ok(Parsed::Complete { head_len, .. }) = parsed else { panic!("{parsed:?}") };
    assert_eq!(&bytes[head_len..], rest);
    let exactly = http::parse(&bytes[..head_len], head_len);
    assert!(matches!(exactly, Ok(Parsed::Complete { .. })), "a head of exactly the limit");
    let shorter = http::parse(bytes, head_len - 1);
    assert!(shorter.is_err(), "a head over the limit is {shorter:?}");
    let again = HttpRequest::from_parts(request.method(), request.target(), request.headers());
    let again = again.expect("the same parts");
    assert_eq!(format!("{:?}", again.headers().collect::<Vec<_>>()), {
        format!("{:?}", request.headers().collect::<Vec<_>>())
    });
    assert_eq!((again.path(), again.host()), (request.path(), request.host()));
}

/// Checks that a refusal is a complete response.
fn check_answer(refusal: &HttpError) {
    let bytes = refusal.to_bytes();
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(&bytes).expect("it is HTTP");
    let httparse::Status::Complete(length) = parsed else { panic!("it is not complete") };
    assert_eq!(response.code, Some(refusal.status.code()));
    let header = |name: &str| {
        let found = response.headers.iter().find(|it| it.name.eq_ignore_ascii_case(name));
        found.map(|it| String::from_utf8_lossy(it.value).into_owned())
    };
    assert_eq!(header("content-length"), Some((bytes.len() - length).to_string()));
    let body: serde_json::Value = serde_json::from_slice(&bytes[length..]).expect("JSON");
    assert_eq!(body["error"]["code"], refusal.code);
}

fn check_acceptance(upgrade: &Upgrade) {
    let bytes = upgrade.accept_response();
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(&bytes);
    assert_eq!(parsed, Ok(httparse::Status::Complete(bytes.len())));
    assert_eq!(response.code, Some(101));
}

/// Checks that it prints the same with another token.
fn check_secrets(bytes: &[u8], request: &HttpRequest) {
    let Ok(Some(token)) = BearerToken::find(request) else { return };
    let token = token.expose().as_bytes();
    let mut places = bytes.windows(token.len()).enumerate().filter(|(_, it)| *it == token);
    let (Some((at, _)), None) = (places.next(), places.next()) else { return };
    if !token.iter().all(u8::is_ascii_alphanumeric) {
        return;
    }
    let mut other = bytes.to_vec();
    other[at..at + token.len()].fill(if token[0] == b'x' { b'y' } else { b'x' });
    let Some(Ok((changed, _))) = head(&[&other]) else { panic!("the token decides more") };
    assert_eq!(format!("{request:?}"), format!("{changed:?}"));
    assert_eq!(format!("{:?}", upgrade(request)), format!("{:?}", upgrade(&changed)));
}

/// The result of the frames: what the application gets, what is written, and the close.
#[derive(Default, PartialEq, Debug)]
struct Outcome {
    messages: Vec<RawFrame>,
    outputs: Vec<String>,
    written: Vec<u8>,
    ended: bool,
    stop: Option<Stop>,
}

/// An outlet that accepts everything.
struct Sink(Rc<RefCell<Outcome>>);

impl Outlet for Sink {
    fn write(&mut self, parts: &[&[u8]]) -> Result<usize, Stall> {
        let written = &mut self.0.borrow_mut().written;
        parts.iter().for_each(|part| written.extend_from_slice(part));
        Ok(parts.iter().map(|part| part.len()).sum())
    }

    fn watch(&mut self) {}
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.0.borrow_mut().ended = true;
    }
}

fn frames(pieces: &[&[u8]], codec: Codec) -> Outcome {
    let limits = Limits { max_message_bytes: MAX_MESSAGE_BYTES, ..Limits::default() };
    let mut framing = Framing::new(&limits);
    let config = Config { limits, ..Config::default() };
    let now = Timestamp::ZERO;
    let outcome = Rc::new(RefCell::new(Outcome::default()));
    let mut driver = Driver::new(config, 1, now).expect("sound rules");
    let user = UserName::new("ann").expect("a good name");
    let id = driver.connect(now, Attempt::new(user)).expect("there is room");
    assert!(driver.open(now, id, codec, Sink(Rc::clone(&outcome))));
    for piece in pieces {
        if let Some(stop) = framing.feed(&mut driver, now, id, &mut piece.to_vec()) {
            outcome.borrow_mut().stop = Some(stop.clone());
            stop.tell(&mut driver, now, id);
            break;
        }
    }
    while driver.flush(now, 16) {}
    while let Some(output) = driver.take_output() {
        let mut outcome = outcome.borrow_mut();
        outcome.outputs.push(format!("{output:?}"));
        if let Output::Raw { frame, .. } = output {
            assert!(frame.as_bytes().len() <= MAX_MESSAGE_BYTES, "{frame:?}");
            outcome.messages.push(frame);
        }
    }
    // Whether the connection ended by itself, and not with the driver.
    let ended = outcome.borrow().ended;
    drop(driver);
    Outcome { ended, ..Rc::into_inner(outcome).expect("the driver is gone").into_inner() }
}

/// Returns the code with which a connection ends: the peer's, if it sent one.
fn code(stop: Stop) -> Option<u16> {
    match stop {
        Stop::Goodbye(code) => code,
        Stop::Violation(reason) => Some(reason.code()),
    }
}

/// Bytes to be read, and a place to write to.
struct Wire<'a>(&'a [u8]);

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.0.read(buffer) }
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the messages in these bytes, and the code with which they end, if they do.
fn by_the_book(bytes: &[u8]) -> (Vec<RawFrame>, Option<Option<u16>>) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let mut context = WebSocketContext::new(Role::Server, Some(config));
    let (mut wire, mut messages) = (Wire(bytes), Vec::new());
    loop {
        let end = match context.read(&mut wire) {
            Ok(Message::Text(text)) => {
                messages.push(RawFrame::Text(text.into()));
                continue;
            }
            Ok(Message::Binary(bytes)) => {
                messages.push(RawFrame::Binary(bytes));
                continue;
            }
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => continue,
            Ok(Message::Close(frame)) => Some(frame.map(|frame| frame.code.into())),
            Err(Error::Io(_)) => None,
            Err(Error::Utf8(_)) => Some(Some(1007)),
            Err(Error::Capacity(_)) => Some(Some(1009)),
            Err(_) => Some(Some(1002)),
        };
        return (messages, end);
    }
}
