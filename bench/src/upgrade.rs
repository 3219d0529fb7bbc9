//! The upgrade: a request out, and what the server makes of it.

use tungstenite::handshake::{client::generate_key, derive_accept_key};

/// A head, or a body, that is longer is not waited for.
const MAX_BYTES: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;

/// Bytes of a refusal's body that are shown.
const SHOWN: usize = 300;

/// The key of a run and the answer to it. One for all connections: it proves that a WebSocket server answers, and nothing else.
pub(crate) struct Key {
    key: String,
    accept: String,
}

/// What a server has answered so far.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    Incomplete,
    /// The connection is open; the answer had so many bytes.
    Open(usize),
    /// It is not, and this is why.
    Refused(String),
}

impl Key {
    pub(crate) fn new() -> Self {
        let key = generate_key();
        Self { accept: derive_accept_key(key.as_bytes()), key }
    }

    /// `headers` have a line break behind each.
    pub(crate) fn request(&self, host: &str, target: &str, headers: &str) -> String {
        format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\nUser-Agent: switchboard-bench/{}\r\n\
             {headers}\r\n",
            self.key,
            env!("CARGO_PKG_VERSION"),
        )
    }

    /// Reads the answer from its beginning; `ended` says that no more will come.
    pub(crate) fn answer(&self, bytes: &[u8], ended: bool) -> Answer {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let length = match response.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if ended => {
                return Answer::Refused("the server hung up on the upgrade".to_owned());
            }
            Ok(httparse::Status::Partial) if bytes.len() > MAX_BYTES => {
                return Answer::Refused("the head of the server's answer is too long".to_owned());
            }
            Ok(httparse::Status::Partial) => return Answer::Incomplete,
            Err(error) => return Answer::Refused(format!("the server speaks no HTTP: {error}")),
        };
        let header = |name: &str| {
            let mut all = response.headers.iter();
            let found = all.find(|header| header.name.eq_ignore_ascii_case(name));
            found.and_then(|header| str::from_utf8(header.value).ok()).map(str::trim)
        };
        let status = response.code.unwrap_or_default();
        if status == 101 {
            return if header("sec-websocket-accept") == Some(&self.accept) {
                Answer::Open(length)
            } else {
                Answer::Refused(
                    "the answer to the upgrade has a wrong Sec-WebSocket-Accept".to_owned(),
                )
            };
        }
        let body = &bytes[length..];
        let expected = header("content-length").and_then(|digits| digits.parse::<usize>().ok());
        let is_whole = ended
            || body.len() > MAX_BYTES
            || expected.is_some_and(|expected| body.len() >= expected);
        if !is_whole {
            return Answer::Incomplete;
        }
        let shown: String = String::from_utf8_lossy(&body[..body.len().min(SHOWN)])
            .chars()
            .map(|char| if char.is_control() { ' ' } else { char })
            .collect();
        let reason = response.reason.unwrap_or_default();
        let text = format!("HTTP {status} {reason}");
        let shown = shown.trim();
        let separator = if shown.is_empty() { "" } else { ": " };
        Answer::Refused(format!("{}{separator}{shown}", text.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_answer_opens_byte_by_byte() {
        let key = Key::new();
        let request = key.request("h:1", "/ws?a", "X: y\r\n");
        assert!(request.starts_with("GET /ws?a HTTP/1.1\r\nHost: h:1\r\n"));
        assert!(request.ends_with("X: y\r\n\r\n"));
        let head =
            format!("HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: {}\r\n\r\n", key.accept);
        for end in 0..head.len() {
            assert_eq!(key.answer(&head.as_bytes()[..end], false), Answer::Incomplete);
        }
        let more = format!("{head}\u{1}");
        assert_eq!(key.answer(more.as_bytes(), false), Answer::Open(head.len()));
        let Answer::Refused(why) = Key::new().answer(head.as_bytes(), false) else { panic!() };
        assert!(why.contains("Sec-WebSocket-Accept"));
    }

    #[test]
    fn a_refusal_waits_for_its_body_and_shows_it() {
        let key = Key::new();
        let head = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\n";
        assert_eq!(key.answer(head.as_bytes(), false), Answer::Incomplete);
        let full = format!("{head}full");
        let refused = |text: &str| Answer::Refused(text.to_owned());
        assert_eq!(
            key.answer(full.as_bytes(), false),
            refused("HTTP 503 Service Unavailable: full")
        );
        let bare = "HTTP/1.1 404 Not Found\r\n\r\n";
        assert_eq!(key.answer(bare.as_bytes(), true), refused("HTTP 404 Not Found"));
        assert_eq!(key.answer(b"", true), refused("the server hung up on the upgrade"));
        let Answer::Refused(why) = key.answer(b"SSH-2.0\r\n\r\n", false) else { panic!() };
        assert!(why.starts_with("the server speaks no HTTP"), "{why}");
        let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "a".repeat(MAX_BYTES));
        let Answer::Refused(why) = key.answer(endless.as_bytes(), false) else { panic!() };
        assert!(why.contains("too long"), "{why}");
    }
}
