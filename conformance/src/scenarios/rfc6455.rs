//! RFC 6455 to the letter, as the Autobahn cases 1 to 10 test it, against a raw echo.

use switchboard_engine::server::ServerSettings;

use super::scenarios;
use crate::Start;
use crate::client::{BINARY, CLOSE, Client, Frame, PING, PONG, TEXT, closing, frame, header};
use crate::harness::Server;

scenarios![
    messages_of_every_size_come_back,
    bytes_may_come_one_by_one,
    the_largest_message_comes_back_whole_or_in_fragments,
    one_byte_more_than_the_largest_is_too_big,
    every_ping_is_answered_with_its_payload,
    a_control_frame_has_at_most_125_bytes_and_one_piece,
    pongs_that_nobody_asked_for_are_ignored,
    reserved_bits_and_opcodes_fail_the_connection,
    what_came_before_a_broken_frame_is_answered,
    an_unmasked_frame_fails_the_connection,
    fragments_are_put_together_with_pings_between_them,
    fragments_out_of_order_fail_the_connection,
    valid_utf8_comes_back_wherever_it_is_cut,
    invalid_utf8_fails_with_1007_wherever_it_is_cut,
    text_may_be_cut_anywhere_as_long_as_it_is_valid,
    binary_may_be_anything,
    a_close_frame_comes_back_with_its_code,
    a_close_frame_with_a_code_that_must_not_be_sent_is_a_violation,
    a_close_frame_that_is_malformed_fails_the_connection,
    a_message_before_the_close_is_answered_and_what_follows_is_not,
];

const CONTINUATION: u8 = 0x80;
const FIN: u8 = 0x80;

fn echo(start: Start) -> Server {
    Server::start(start, ServerSettings::echo())
}

fn open(server: &Server) -> Client {
    Client::open(server.address, "/")
}

fn echoed(client: &mut Client, head: u8, payload: &[u8]) {
    let Frame { head: got, payload: came } = client.next_frame();
    assert_eq!((got, came.len()), (head, payload.len()));
    assert!(came == payload, "the payload has changed");
}

/// Checks that the server fails the connection with this code.
fn fails(server: &Server, bytes: &[u8], code: u16) {
    for chop in [bytes.len().max(1), 1] {
        let mut client = open(server);
        for piece in bytes.chunks(chop) {
            client.write(piece);
        }
        assert_eq!(client.closed().0, code, "{bytes:02x?} in pieces of {chop}");
        client.send(CLOSE, closing(code, ""));
        client.ended();
    }
}

fn messages_of_every_size_come_back(start: Start) {
    let server = echo(start);
    let mut client = open(&server);
    for len in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 1_000_000] {
        let payload = vec![b'*'; len];
        for head in [TEXT, BINARY] {
            client.send(head, &payload);
            echoed(&mut client, head, &payload);
        }
    }
    client.bye();
}

fn bytes_may_come_one_by_one(start: Start) {
    let server = echo(start);
    let mut client = open(&server);
    for head in [TEXT, BINARY, PING] {
        for byte in frame(head, b"one by one") {
            client.write([byte]);
        }
        let answer = if head == PING { PONG } else { head };
        echoed(&mut client, answer, b"one by one");
    }
    client.bye();
}

fn the_largest_message_comes_back_whole_or_in_fragments(start: Start) {
    let server = echo(start);
    let mut client = open(&server);
    let payload: Vec<u8> = (0..64 * 1024 * 1024).map(|i: u32| (i % 251) as u8).collect();
    client.send(BINARY, &payload);
    echoed(&mut client, BINARY, &payload);

    let fragments = payload.chunks(payload.len().div_ceil(100_000));
    let last = fragments.len() - 1;
    let mut bytes = Vec::new();
    for (at, fragment) in fragments.enumerate() {
        let opcode = if at == 0 { 2 } else { 0 };
        bytes.extend(frame(opcode | if at == last { FIN } else { 0 }, fragment));
    }
    client.write(bytes);
    echoed(&mut client, BINARY, &payload);
    client.bye();
}

fn one_byte_more_than_the_largest_is_too_big(start: Start) {
    let server = echo(start);
    let mut client = open(&server);
    // The announced length counts: none of the payload has been sent.
    client.write(header(BINARY, 64 * 1024 * 1024 + 1));
    assert_eq!(client.closed(), (1009, "message over 67108864 bytes".into()));
}

fn every_ping_is_answered_with_its_payload(start: Start) {
    let server = echo(start);
    let mut client = open(&server);
    for len in [0, 1, 125] {
        client.send(PING, vec![0xfe; len]);
        echoed(&mut client, PONG, &vec![0xfe; len]);
    }
    // All in one segment: the standard allows answering only the last, but suites want all answers.
    let pings: Vec<u8> = (0..10).flat_map(|n| frame(PING, format!("{n}").as_bytes())).collect();
    client.write(pings);
    for n in 0..10 {
        echoed(&mut client, PONG, format!("{n}").as_bytes());
    }
    client.bye();
}

fn a_control_frame_has_at_most_125_bytes_and_one_piece(start: Start) {
    let server = echo(start);
    for opcode in [CLOSE, PING, PONG] {
        fails(&server, &frame(opcode, &[0; 126]), 1002);
        fails(&server, &frame(opcode & !FIN, b"x"), 1002);
    }
}

fn pongs_that_nobody_asked_for_are_ignored(start: Start) {
    let server = echo(start);
    let mut client = open(&server);
    client.send(PONG, "");
    client.send(PONG, "unsolicited");
    client.send(PING, "ping");
    echoed(&mut client, PONG, b"ping");
    client.text("still here");
    echoed(&mut client, TEXT, b"still here");
    client.bye();
}

fn reserved_bits_and_opcodes_fail_the_connection(start: Start) {
    let server = echo(start);
    for rsv in 1..8u8 {
        fails(&server, &frame(TEXT | rsv << 4, b"x"), 1002);
        fails(&server, &frame(PING | rsv << 4, b"x"), 1002);
    }
    for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        fails(&server, &frame(FIN | opcode, b"x"), 1002);
    }
}

fn what_came_before_a_broken_frame_is_answered(start: Start) {
    let server = echo(start);
    let mut client = open(&server);
    client.write([frame(TEXT, b"fine"), frame(TEXT | 0x40, b"broken")].concat());
    echoed(&mut client, TEXT, b"fine");
    assert_eq!(client.closed().0, 1002);
}

fn an_unmasked_frame_fails_the_connection(start: Start) {
    let server = echo(start);
    fails(&server, b"\x81\x05hello", 1002);
}

fn fragments_are_put_together_with_pings_between_them(start: Start) {
    let server = echo(start);
    let mut client = open(&server);
    client.write(
        [
            frame(1, b"a"),
            frame(PING, b"1"),
            frame(0, b""),
            frame(PING, b"2"),
            frame(0, b"b"),
            frame(CONTINUATION, b"c"),
        ]
        .concat(),
    );
    echoed(&mut client, PONG, b"1");
    echoed(&mut client, PONG, b"2");
    echoed(&mut client, TEXT, b"abc");
    client.write([frame(2, b""), frame(0, b""), frame(CONTINUATION, b"")].concat());
    echoed(&mut client, BINARY, b"");
    client.bye();
}

fn fragments_out_of_order_fail_the_connection(start: Start) {
    let server = echo(start);
    // Nothing to continue, with and without FIN; a new message inside another.
    fails(&server, &frame(CONTINUATION, b"x"), 1002);
    fails(&server, &frame(0, b"x"), 1002);
    fails(&server, &[frame(1, b"x"), frame(TEXT, b"y")].concat(), 1002);
    fails(&server, &[frame(2, b"x"), frame(1, b"y")].concat(), 1002);
    // After a complete message there is nothing to continue either.
    let mut client = open(&server);
    client.write([frame(1, b"a"), frame(CONTINUATION, b"b"), frame(CONTINUATION, b"c")].concat());
    echoed(&mut client, TEXT, b"ab");
    assert_eq!(client.closed().0, 1002);
}

fn valid_utf8_comes_back_wherever_it_is_cut(start: Start) {
    let server = echo(start);
    let mut client = open(&server);
    for text in [
        "Hello-µ@ßöäüàá-UTF-8!!",
        "κόσμε",
        "\u{0}\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10ffff}",
        "\u{fffe}\u{ffff}\u{1fffe}",
    ] {
        for at in 0..=text.len() {
            let (left, right) = text.as_bytes().split_at(at);
            client.write([frame(1, left), frame(CONTINUATION, right)].concat());
            echoed(&mut client, TEXT, text.as_bytes());
        }
    }
    client.bye();
}

fn invalid_utf8_fails_with_1007_wherever_it_is_cut(start: Start) {
    let server = echo(start);
    for bad in [
        &b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"[..],
        b"\x80",
        b"\xfe",
        b"\xff",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xce\xba\xe1\xbd",
        b"\xf8\x88\x80\x80\x80",
    ] {
        fails(&server, &frame(TEXT, bad), 1007);
        for at in 0..=bad.len() {
            let (left, right) = bad.split_at(at);
            fails(&server, &[frame(1, left), frame(CONTINUATION, right)].concat(), 1007);
        }
    }
}

fn text_may_be_cut_anywhere_as_long_as_it_is_valid(start: Start) {
    let server = echo(start);
    let mut client = open(&server);
    let text = "κόσμε\u{10ffff}é".repeat(10_000);
    let [one, two] = [0, text.len() / 2 + 1];
    let bytes = [
        frame(1, &text.as_bytes()[one..two]),
        frame(PING, b"in between"),
        frame(CONTINUATION, &text.as_bytes()[two..]),
    ]
    .concat();
    for piece in bytes.chunks(1_021) {
        client.write(piece);
    }
    echoed(&mut client, PONG, b"in between");
    echoed(&mut client, TEXT, text.as_bytes());
    client.bye();
}

fn binary_may_be_anything(start: Start) {
    let server = echo(start);
    let mut client = open(&server);
    client.send(BINARY, b"\xff\xfe\x80");
    echoed(&mut client, BINARY, b"\xff\xfe\x80");
    client.bye();
}

fn a_close_frame_comes_back_with_its_code(start: Start) {
    let server = echo(start);
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        let mut client = open(&server);
        client.send(CLOSE, closing(code, "why not"));
        assert_eq!(client.closed().0, code);
        client.ended();
    }
    let mut client = open(&server);
    client.send(CLOSE, closing(1000, [b'x'; 123]));
    assert_eq!(client.closed().0, 1000);
    client.ended();
    let mut client = open(&server);
    client.send(CLOSE, "");
    assert_eq!(client.closed().0, 1005, "no code, no code");
    client.ended();
}

fn a_close_frame_with_a_code_that_must_not_be_sent_is_a_violation(start: Start) {
    let server = echo(start);
    for code in [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535] {
        let mut client = open(&server);
        client.send(CLOSE, closing(code, ""));
        assert_eq!(client.closed().0, 1002, "{code}");
        client.ended();
    }
}

fn a_close_frame_that_is_malformed_fails_the_connection(start: Start) {
    let server = echo(start);
    fails(&server, &frame(CLOSE, b"\x03"), 1002);
    fails(&server, &frame(CLOSE, &closing(1000, b"\xce\xba\xe1\xbd")), 1007);
}

fn a_message_before_the_close_is_answered_and_what_follows_is_not(start: Start) {
    let server = echo(start);
    let mut client = open(&server);
    client.write(
        [
            frame(TEXT, b"last words"),
            frame(CLOSE, &closing(1000, "")),
            frame(TEXT, b"too late"),
            frame(PING, b"too late"),
            frame(CLOSE, &closing(1001, "")),
        ]
        .concat(),
    );
    echoed(&mut client, TEXT, b"last words");
    assert_eq!(client.closed().0, 1000);
    client.ended();

    let mut client = open(&server);
    client.write([frame(1, b"never finished"), frame(CLOSE, &closing(1000, ""))].concat());
    assert_eq!(client.closed().0, 1000);
    client.ended();
}
