//! A connection whose socket fails.

use std::io::ErrorKind;

use switchboard_core::client::{CloseFrame, Outbound};
use switchboard_engine::client::{Arrived, DialOrder, Link, Over, Setup};
use tungstenite::handshake::derive_accept_key;

use crate::socket::{Socket, Turn};

const DIAL: DialOrder = DialOrder { token: None, user: None, session: None, last_event_id: None };

fn setup(address: &str) -> Setup {
    Setup::new(address).expect("an address")
}

fn link(address: &str) -> Link {
    Link::new(&setup(address), &DIAL).expect("nothing is needed for it")
}

fn turn(link: &mut Link, socket: &mut Socket) -> (Result<bool, Over>, Vec<Arrived>) {
    let mut found = Vec::new();
    let result = link.turn(socket, &mut |arrived| found.push(arrived));
    (result, found)
}

/// A connection that is open.
pub(crate) fn open() -> (Link, Socket) {
    let (mut link, mut socket) = (link("ws://localhost/ws"), Socket::default());
    assert_eq!(turn(&mut link, &mut socket), (Ok(false), vec![]));
    let head = String::from_utf8(std::mem::take(&mut socket.written)).expect("a head");
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    let accept = derive_accept_key(key.expect("a key").as_bytes());
    socket.brings(
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        .as_bytes(),
    );
    assert_eq!(turn(&mut link, &mut socket), (Ok(false), vec![Arrived::Opened]));
    assert!(link.is_open() && !link.wants_write());
    (link, socket)
}

fn say(link: &mut Link, text: &str) {
    link.send([Outbound::Text(text.into())]);
}

fn failed(kind: ErrorKind) -> Result<bool, Over> {
    Err(Over::Failed(std::io::Error::from(kind).to_string()))
}

/// A close frame with a code and a reason.
fn close(code: u16, reason: &str) -> Vec<u8> {
    [&[0x88, 2 + reason.len() as u8], &code.to_be_bytes()[..], reason.as_bytes()].concat()
}

#[test]
fn a_socket_that_fails_in_the_middle_of_a_write_ends_it() {
    let (mut link, mut socket) = open();
    say(&mut link, "hello");
    socket.writes = [Turn::Takes(3), Turn::Fails(ErrorKind::BrokenPipe)].into();
    assert_eq!(turn(&mut link, &mut socket).0, failed(ErrorKind::BrokenPipe));
    assert_eq!(socket.written.len(), 3);
}

#[test]
fn what_the_server_said_before_it_hung_up_tells_more_than_the_write_that_failed() {
    let (mut link, mut socket) = open();
    say(&mut link, "hello");
    // It comes between the look at the socket and the write.
    socket.reads.push_back(Turn::Fails(ErrorKind::WouldBlock));
    socket.brings(&close(4001, "go away"));
    socket.writes = [Turn::Fails(ErrorKind::ConnectionReset)].into();
    let frame = CloseFrame { code: 4001, reason: Some("go away".into()) };
    assert_eq!(turn(&mut link, &mut socket).0, Err(Over::Closed(frame)));
}

#[test]
fn a_socket_that_takes_little_gets_all_of_it_in_the_end() {
    let (mut link, mut socket) = open();
    say(&mut link, "hello");
    socket.writes = [Turn::Takes(4), Turn::Fails(ErrorKind::WouldBlock)].into();
    assert_eq!(turn(&mut link, &mut socket).0, Ok(false));
    assert!(link.wants_write());
    socket.writes = [Turn::Fails(ErrorKind::Interrupted), Turn::Takes(2)].into();
    socket.reads = [Turn::Fails(ErrorKind::Interrupted)].into();
    assert_eq!(turn(&mut link, &mut socket).0, Ok(false));
    assert!(!link.wants_write());
    // Two bytes of header, four of mask, five of text.
    assert_eq!(socket.written.len(), 11);
    let (mask, text) = socket.written[2..].split_at(4);
    let text: Vec<u8> = text.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    assert_eq!(text, b"hell");
}

#[test]
fn a_socket_that_takes_nothing_ends_it() {
    let (mut link, mut socket) = open();
    say(&mut link, "hello");
    socket.writes = [Turn::Takes(0)].into();
    assert_eq!(turn(&mut link, &mut socket).0, failed(ErrorKind::WriteZero));
}

#[test]
fn a_socket_that_cannot_be_read_ends_it() {
    let (mut link, mut socket) = open();
    socket.reads = [Turn::Fails(ErrorKind::ConnectionReset)].into();
    assert_eq!(turn(&mut link, &mut socket).0, failed(ErrorKind::ConnectionReset));
}

#[test]
fn an_end_without_a_word_is_told_apart_from_one_during_the_upgrade() {
    let says = |why: &str| Err(Over::Failed(why.into()));
    let (mut link, mut socket) = open();
    socket.brings(&[]);
    assert_eq!(turn(&mut link, &mut socket).0, says("the server hung up"));

    let (mut link, mut socket) = (self::link("ws://localhost/ws"), Socket::default());
    socket.brings(&[]);
    assert_eq!(turn(&mut link, &mut socket).0, says("the server hung up on the upgrade"));
}

#[test]
fn a_close_without_a_code_is_not_for_good_and_nonsense_is_named() {
    let (mut link, mut socket) = open();
    socket.brings(&[0x88, 0]);
    let over = Err(Over::Failed("the server closed without a code".into()));
    assert_eq!(turn(&mut link, &mut socket).0, over);
    assert!(!socket.written.is_empty(), "a close frame is answered");

    let (mut link, mut socket) = open();
    // A reserved opcode.
    socket.brings(&[0x83, 0]);
    let Err(Over::Failed(why)) = turn(&mut link, &mut socket).0 else { panic!() };
    assert!(why.starts_with("what the server sent makes no sense"), "{why}");
}

#[test]
fn a_server_that_does_not_read_is_given_up() {
    let setup = setup("ws://localhost/ws");
    let most = setup.settings.config.max_in_flight + 2 * setup.settings.config.max_rooms + 1_000;
    let (mut link, mut socket) = open();
    socket.writes.push_back(Turn::Fails(ErrorKind::WouldBlock));
    link.send((0..most).map(|_| Outbound::Text("x".into())));
    assert_eq!(turn(&mut link, &mut socket).0, Ok(false));

    let (mut link, mut socket) = open();
    link.send((0..=most).map(|_| Outbound::Text("x".into())));
    let over = Err(Over::Failed("the server does not read".into()));
    assert_eq!(turn(&mut link, &mut socket).0, over);
}

#[test]
fn while_much_waits_to_be_written_nothing_is_read() {
    let (mut link, mut socket) = open();
    link.send([Outbound::Binary(vec![0; 300 * 1024].into())]);
    socket.writes = [Turn::Takes(1_000), Turn::Fails(ErrorKind::WouldBlock)].into();
    assert_eq!(turn(&mut link, &mut socket).0, Ok(false));
    // A ping; its answer would add to what waits.
    socket.brings(&[0x89, 0]);
    socket.writes = [Turn::Fails(ErrorKind::WouldBlock)].into();
    assert_eq!(turn(&mut link, &mut socket), (Ok(false), vec![]));
    assert_eq!(socket.reads.len(), 1);
    assert_eq!(turn(&mut link, &mut socket), (Ok(false), vec![]));
    assert_eq!(turn(&mut link, &mut socket), (Ok(false), vec![Arrived::Alive]));
}

#[test]
fn a_server_that_says_much_does_not_keep_others_waiting() {
    let (mut link, mut socket) = open();
    // 100 KiB in one frame.
    let len = 100 * 1024_u64;
    let frame = [&[0x82, 127], &len.to_be_bytes()[..], &vec![0; len as usize]].concat();
    socket.brings(&frame);
    assert_eq!(turn(&mut link, &mut socket), (Ok(true), vec![]));
    let (result, found) = turn(&mut link, &mut socket);
    assert_eq!((result, found.len()), (Ok(false), 1));
}

#[test]
fn a_goodbye_goes_behind_what_waits_and_nothing_follows_it() {
    let mut early = link("ws://localhost/ws");
    early.close(1000);
    assert!(!early.is_open());
    assert_eq!(format!("{early:?}"), "Link { is_open: false, .. }");

    let (mut link, mut socket) = open();
    say(&mut link, "last");
    link.close(1000);
    link.close(1001);
    say(&mut link, "too late");
    assert_eq!(turn(&mut link, &mut socket).0, Ok(false));
    let opcodes = [socket.written[0], socket.written[2 + 4 + 4]];
    assert_eq!((opcodes, socket.written.len()), ([0x81, 0x88], 10 + 2 + 4 + 2));
}

#[cfg(feature = "tls")]
mod secure {
    use switchboard_engine::client::Stream;

    use super::*;

    /// Begins, and says hello.
    fn greeted() -> (Link, Socket) {
        let (mut link, mut socket) = (link("wss://localhost/ws"), Socket::default());
        assert_eq!(turn(&mut link, &mut socket), (Ok(false), vec![]));
        assert_eq!(socket.written[..2], [22, 3], "a TLS handshake begins");
        (link, socket)
    }

    #[test]
    fn a_peer_that_speaks_no_tls_is_told_and_named() {
        let (mut link, mut socket) = greeted();
        let hello = socket.written.len();
        socket.brings(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let Err(Over::Failed(why)) = turn(&mut link, &mut socket).0 else { panic!() };
        assert!(why.starts_with("TLS: "), "{why}");
        assert_eq!(socket.written[hello], 21, "it gets an alert");
    }

    #[test]
    fn tls_that_is_cut_is_a_failed_upgrade() {
        let (mut link, mut socket) = greeted();
        socket.brings(&[22, 3, 3, 0, 100, 2]);
        socket.brings(&[]);
        let over = Err(Over::Failed("the server hung up on the upgrade".into()));
        assert_eq!(turn(&mut link, &mut socket).0, over);

        let (mut link, mut socket) = greeted();
        socket.reads = [Turn::Fails(ErrorKind::ConnectionReset)].into();
        assert_eq!(turn(&mut link, &mut socket).0, failed(ErrorKind::ConnectionReset));
    }

    #[test]
    fn a_socket_that_fails_under_tls_ends_it_and_one_that_is_full_does_not() {
        let (mut link, mut socket) = (link("wss://localhost/ws"), Socket::default());
        socket.writes = [Turn::Takes(10), Turn::Fails(ErrorKind::WouldBlock)].into();
        assert_eq!(turn(&mut link, &mut socket).0, Ok(false));
        assert!(link.wants_write());
        socket.writes = [Turn::Fails(ErrorKind::BrokenPipe)].into();
        assert_eq!(turn(&mut link, &mut socket).0, failed(ErrorKind::BrokenPipe));
    }

    #[test]
    fn what_waits_for_the_handshake_is_bounded() {
        let setup = setup("wss://localhost/ws");
        let mut stream = Stream::new(&setup.address, &setup.settings.tls).expect("TLS is there");
        let mut socket = Socket::default();
        let mut taken = 0;
        for _ in 0..1_000 {
            let more = stream.write(&mut socket, &[0; 1_000]).expect("it waits");
            taken += more;
            if more == 0 {
                break;
            }
        }
        assert!((1..1_000_000).contains(&taken), "{taken}");
        assert_eq!(format!("{stream:?}"), "Stream(TLS)");
        stream.flush(&mut socket).expect("a socket that takes all");
        assert!(!stream.wants_write());
    }

    #[test]
    fn an_address_that_no_certificate_can_have_is_refused() {
        let Err(Over::Failed(why)) = Link::new(&setup("wss://a_b..c/ws"), &DIAL) else { panic!() };
        assert!(why.ends_with("is no host name that a certificate can have"), "{why}");
    }
}
