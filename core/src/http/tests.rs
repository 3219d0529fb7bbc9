//! Whole requests, from bytes to the response.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::*;

const HANDSHAKE: &str = "GET /ws/lobby?user=ann HTTP/1.1\r\n\
    Host: example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    \r\n";

fn request(text: &str) -> HttpRequest {
    match parse(text.as_bytes(), DEFAULT_MAX_HEAD_BYTES).unwrap() {
        Parsed::Complete { request, head_len } => {
            assert_eq!(head_len, text.len());
            request
        }
        Parsed::Incomplete => panic!("incomplete: {text:?}"),
    }
}

/// The response to the handshake with one part of it replaced.
fn answer(from: &str, to: &str) -> Result<Upgrade, HttpError> {
    assert!(HANDSHAKE.contains(from), "{from:?}");
    check(&request(&HANDSHAKE.replacen(from, to, 1)), &Origins::SameHost, "/ws")
}

/// Status and code of the refusal of the handshake with one part of it replaced.
fn refused(from: &str, to: &str) -> (u16, &'static str) {
    let refusal = answer(from, to).unwrap_err();
    (refusal.status.code(), refusal.code)
}

fn room(path: &str) -> Option<String> {
    answer("/ws/lobby", path).unwrap().room
}

/// A head of exactly `len` bytes.
fn head_of(len: usize) -> Vec<u8> {
    let frame = "GET / HTTP/1.1\r\nX: \r\n\r\n".len();
    format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(len - frame)).into_bytes()
}

fn outcome(bytes: &[u8], max_head_bytes: usize) -> Result<Option<(HttpRequest, usize)>, HttpError> {
    Ok(match parse(bytes, max_head_bytes)? {
        Parsed::Incomplete => None,
        Parsed::Complete { request, head_len } => Some((request, head_len)),
    })
}

#[test]
fn a_handshake_is_accepted_with_what_it_says() {
    let upgrade = answer("lobby", "lobby").unwrap();
    assert_eq!(upgrade.accept_key, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(upgrade.room.as_deref(), Some("lobby"));
    assert_eq!(upgrade.user.as_deref(), Some("ann"));
    assert_eq!((upgrade.token, upgrade.subprotocol), (None, None));
}

#[test]
fn how_the_bytes_are_split_changes_nothing() {
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MAX_HEADERS + 1));
    let heads: [&[u8]; 15] = [
        HANDSHAKE.as_bytes(),
        b"\r\n\nGET / HTTP/1.0\nHost: h\n\nbody",
        b"GET / HTTP/1.1\r\nA: \xff\xfe\r\n\r\n\0\0",
        b"POST /x?y HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
        many.as_bytes(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\0",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
        b"GET / HTTP/1.1\r\nA b: c\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n",
    ];
    for head in heads {
        for max_head_bytes in [16, 64, DEFAULT_MAX_HEAD_BYTES] {
            let whole = outcome(head, max_head_bytes);
            let mut settled = false;
            for end in 0..=head.len() {
                let part = outcome(&head[..end], max_head_bytes);
                if part == Ok(None) {
                    assert!(!settled, "{end} bytes of {head:?}");
                } else {
                    assert_eq!(part, whole, "{end} bytes of {head:?}");
                    settled = true;
                }
            }
            assert_eq!(settled, whole != Ok(None));
        }
    }
}

#[test]
fn damaged_handshakes_never_panic_and_do_not_depend_on_the_split() {
    let full = HANDSHAKE.replacen(
        "Host:",
        "Origin: http://[::1]:80\r\nContent-Length: 0\r\nAuthorization: Bearer a\r\n\
         Sec-WebSocket-Protocol: switchboard, bearer.b\r\nHost:",
        1,
    );
    let mut state = 1u64;
    let mut random = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut complete = 0;
    for _ in 0..20_000 {
        let mut bytes = full.clone().into_bytes();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            match random(3) {
                0 => bytes[at] = b"\0\r\n \t:/?&%[]@,*A\x7f\xff"[random(18)],
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, bytes[random(bytes.len())]),
            }
        }
        let whole = outcome(&bytes, DEFAULT_MAX_HEAD_BYTES);
        let part = outcome(&bytes[..random(bytes.len())], DEFAULT_MAX_HEAD_BYTES);
        assert!(part == Ok(None) || part == whole, "{bytes:?}");
        if let Ok(Some((request, _))) = whole {
            complete += 1;
            for origins in [Origins::SameHost, Origins::list(["https://*.a.org"]).unwrap()] {
                let _ = check(&request, &origins, "/ws").map(|upgrade| upgrade.accept_response());
            }
            let _ = (request.redacted_target(), format!("{request:?}"));
        }
    }
    assert!(complete > 5_000, "{complete}");
}

#[test]
fn a_head_may_be_as_long_as_the_limit_and_no_longer() {
    let max = DEFAULT_MAX_HEAD_BYTES;
    let mut exact = head_of(max);
    assert_eq!(outcome(&exact, max).unwrap().unwrap().1, max);
    exact.extend_from_slice(b"the first frame");
    assert_eq!(outcome(&exact, max).unwrap().unwrap().1, max);

    let over = head_of(max + 1);
    assert_eq!(outcome(&over[..max - 1], max), Ok(None));
    for bytes in [&over[..max], &over[..]] {
        let refusal = outcome(bytes, max).unwrap_err();
        assert_eq!((refusal.status.code(), refusal.code), (431, "head_too_large"));
    }
}

#[test]
fn the_number_of_headers_is_bounded() {
    let head = |n| format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(n));
    assert_eq!(request(&head(MAX_HEADERS)).headers().count(), MAX_HEADERS);
    let refusal = outcome(head(MAX_HEADERS + 1).as_bytes(), 8192).unwrap_err();
    assert_eq!((refusal.status.code(), refusal.code), (431, "too_many_headers"));
}

#[test]
fn what_is_not_http_is_refused_at_the_first_wrong_byte() {
    let refused = |bytes: &[u8]| outcome(bytes, 8192).unwrap_err();
    let tls = refused(b"\x16");
    assert_eq!((tls.status.code(), tls.code), (400, "tls"));
    assert!(tls.message.contains("this looks like TLS"));
    assert_eq!(refused(b"\0").code, "bad_request");
    assert_eq!(refused(b"\x81\x85").code, "bad_request");
    assert_eq!(refused(b"PRI * HTTP/2").code, "http_version");
    assert_eq!(outcome(b"", 8192), Ok(None));
}

#[test]
fn only_get_upgrades() {
    assert_eq!(refused("GET", "POST"), (405, "method_not_allowed"));
    assert_eq!(refused("GET", "get"), (405, "method_not_allowed"));
    let bytes = answer("GET", "HEAD").unwrap_err().to_bytes();
    assert!(String::from_utf8(bytes).unwrap().contains("\r\nAllow: GET\r\n"));
}

#[test]
fn an_old_version_cannot_upgrade() {
    assert_eq!(refused("HTTP/1.1", "HTTP/1.0"), (400, "http_version"));
}

#[test]
fn there_is_exactly_one_host() {
    assert_eq!(refused("Host: example.com\r\n", ""), (400, "bad_host"));
    assert_eq!(refused("Host: example.com", "Host:"), (400, "bad_host"));
    assert_eq!(refused("Host: example.com", "Host: a b"), (400, "bad_host"));
    let twice = "Host: example.com\r\nHost: example.com";
    assert_eq!(refused("Host: example.com", twice), (400, "repeated_header"));
}

#[test]
fn the_wish_to_upgrade_is_read_from_every_line() {
    let split = "Connection: keep-alive\r\nconnection: foo, UPGRADE";
    assert!(answer("Connection: Upgrade", split).is_ok());
    assert!(answer("Upgrade: websocket", "Upgrade: h2c, WebSocket").is_ok());
    for (from, to) in [
        ("Connection: Upgrade\r\n", ""),
        ("Connection: Upgrade", "Connection: close"),
        ("Upgrade: websocket\r\n", ""),
        ("Upgrade: websocket", "Upgrade: websockets"),
    ] {
        assert_eq!(refused(from, to), (426, "upgrade_required"));
        assert!(!wants_upgrade(&request(&HANDSHAKE.replacen(from, to, 1))));
    }
    assert!(wants_upgrade(&request(HANDSHAKE)));
}

#[test]
fn the_version_is_13() {
    let version = "Sec-WebSocket-Version: 13\r\n";
    assert_eq!(refused(version, ""), (426, "websocket_version"));
    assert_eq!(refused(": 13", ": 8"), (426, "websocket_version"));
    assert_eq!(refused(": 13", ": 13, 8"), (426, "websocket_version"));
    assert_eq!(refused(version, &version.repeat(2)), (400, "repeated_header"));
}

#[test]
fn the_key_is_sixteen_bytes() {
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    assert_eq!(refused(&format!("Sec-WebSocket-Key: {key}\r\n"), ""), (400, "websocket_key"));
    for bad in [
        "",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25jZWE=",
        "dGhlIHNhbXBsZSBub25jZWFi",
        "dGhlIHNhbXBsZSBub25jZ!==",
    ] {
        assert_eq!(refused(key, bad), (400, "websocket_key"), "{bad}");
    }
    let twice = format!("{key}\r\nSec-WebSocket-Key: {key}");
    assert_eq!(refused(key, &twice), (400, "repeated_header"));
    // The last bits of the last character are not part of the sixteen bytes.
    assert!(answer(key, "dGhlIHNhbXBsZSBub25jZR==").is_ok());
}

#[test]
fn a_handshake_has_no_body() {
    let with = |header: &str| format!("Host: example.com\r\n{header}");
    let host = "Host: example.com";
    assert!(answer(host, &with("Content-Length: 0")).is_ok());
    assert_eq!(refused(host, &with("Content-Length: 1")), (400, "unexpected_body"));
    assert_eq!(refused(host, &with("Content-Length: x")), (400, "bad_content_length"));
    assert_eq!(refused(host, &with("Transfer-Encoding: chunked")), (400, "unexpected_body"));
}

#[test]
fn the_room_is_what_follows_the_prefix() {
    assert_eq!(room("/ws"), None);
    assert_eq!(room("/ws/"), None);
    assert_eq!(room("/ws/a").as_deref(), Some("a"));
    assert_eq!(room("/ws/a%2Fb%20%C3%A9+").as_deref(), Some("a/b é+"));
    assert_eq!(room("/ws/a/b/").as_deref(), Some("a/b/"));
    assert_eq!(room("/ws//").as_deref(), Some("/"));
    assert_eq!(room("/ws/100%").as_deref(), Some("100%"));
    assert_eq!(refused("/ws/lobby", "/ws/%FF"), (400, "bad_room"));
}

#[test]
fn other_paths_are_not_found() {
    for path in ["/", "/wsx", "/w", "/WS/a", "//ws", "/%77s", "*", "example.com:80"] {
        assert_eq!(refused("/ws/lobby", path), (404, "not_found"), "{path}");
    }
    let at_root = |path| {
        let request = request(&HANDSHAKE.replacen("/ws/lobby", path, 1));
        check(&request, &Origins::Any, "/").unwrap().room
    };
    assert_eq!(at_root("/"), None);
    assert_eq!(at_root("/a").as_deref(), Some("a"));
}

#[test]
fn another_origin_is_forbidden() {
    let from = |origin: &str| format!("Host: example.com\r\nOrigin: {origin}");
    let host = "Host: example.com";
    assert!(answer(host, &from("https://example.com")).is_ok());
    assert_eq!(refused(host, &from("https://evil.org")), (403, "origin_not_allowed"));
}

#[test]
fn only_our_subprotocol_is_confirmed_and_no_extension() {
    let offer = |list: &str| {
        let headers = format!(
            "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: {list}\r\nHost:"
        );
        let upgrade = answer("Host:", &headers).unwrap();
        String::from_utf8(upgrade.accept_response()).unwrap()
    };
    let ours = offer("chat, bearer.secret\r\nSec-WebSocket-Protocol: switchboard");
    assert!(ours.ends_with("\r\nSec-WebSocket-Protocol: switchboard\r\n\r\n"), "{ours}");
    for answer in [ours, offer("chat, bearer.secret, Switchboard")] {
        assert!(!answer.contains("Extensions") && !answer.contains("secret"), "{answer}");
        assert_eq!(answer.matches("switchboard").count(), answer.matches("Protocol:").count());
    }
}

#[test]
fn a_token_never_shows() {
    let head = HANDSHAKE.replacen("user=ann", "token=secret&access_token=secret", 1).replacen(
        "Host:",
        "Authorization: Bearer secret\r\nCookie: a=secret\r\n\
         Sec-WebSocket-Protocol: switchboard, bearer.secret\r\nHost:",
        1,
    );
    let parsed = parse(head.as_bytes(), DEFAULT_MAX_HEAD_BYTES).unwrap();
    let request = request(&head);
    let upgrade = check(&request, &Origins::SameHost, "/ws").unwrap();
    assert_eq!(upgrade.token.as_ref().map(BearerToken::expose), Some("secret"));
    let shown = format!("{parsed:?} {request:#?} {upgrade:?} {}", request.redacted_target());
    assert!(!shown.contains("secret"), "{shown}");

    let refusals = ["POST /ws", "GET /nowhere"].map(|start| {
        let request = self::request(&head.replacen("GET /ws", start, 1));
        check(&request, &Origins::SameHost, "/ws").unwrap_err()
    });
    for refusal in refusals {
        let shown = format!("{refusal:?} {refusal} {:?}", refusal.to_response());
        assert!(!shown.contains("secret"), "{shown}");
    }
}

#[test]
fn http_answers_have_their_words() {
    let refusal = HttpError::not_found();
    assert_eq!(refusal.to_string(), "404 not_found: there is nothing at this path");
    let error = "nowhere".parse::<OriginPattern>().expect_err("it has no scheme").to_string();
    assert!(error.starts_with("\"nowhere\" is not an origin such as https://"), "{error}");
    for (status, code) in [
        (Status::Accepted, 202),
        (Status::LengthRequired, 411),
        (Status::ContentTooLarge, 413),
        (Status::InternalError, 500),
    ] {
        let response = Response::new(status, "text/plain", "hi");
        assert_eq!((status.code(), response.body()), (code, &b"hi"[..]));
    }
}
