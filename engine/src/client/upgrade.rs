//! The client's half of the upgrade: a request out, and what the server makes of it.
use std::time::Duration;

use serde_json::Value;
use tungstenite::handshake::{client::generate_key, derive_accept_key};

use super::address::Address;
use super::shell::DialOrder;

/// A head or body that is longer is not waited for.
const MAX_HEAD_BYTES: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;

/// The client's half of a handshake whose request is out. The answer is fed in as it arrives.
#[derive(Debug)]
pub struct ClientUpgrade {
    accept: String,
    answer: Vec<u8>,
}

/// What the server answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Upgraded {
    /// The connection is open. These bytes, the first frames, followed the head.
    Open(Vec<u8>),
    /// The server refused, as an HTTP response.
    Refused {
        /// The status code.
        status: u16,
        /// The reason phrase, which may be empty.
        reason: String,
        /// The seconds of `Retry-After`.
        retry_after: Option<Duration>,
        /// What has arrived of the body.
        body: Vec<u8>,
    },
    /// The answer is not that of a WebSocket server, or the server hung up; the text says which.
    Failed(String),
}

impl ClientUpgrade {
    /// Begins a handshake, and returns the bytes of its request.
    ///
    /// Each of the `headers` ends in `\r\n`. Nothing is escaped: a line break in an argument would
    /// begin another header.
    pub fn request(host: &str, target: &str, headers: &str) -> (Self, Vec<u8>) {
        let key = generate_key();
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{headers}\r\n"
        );
        let upgrade = Self { accept: derive_accept_key(key.as_bytes()), answer: Vec::new() };
        (upgrade, head.into_bytes())
    }

    /// The same for one of Switchboard's clients.
    pub(super) fn ask(address: &Address, dial: &DialOrder) -> (Self, Vec<u8>) {
        let position = dial.last_event_id.map(|position| position.to_string());
        let session = dial.session.as_ref().map(|session| session.as_str());
        let target = address.target(&[
            ("user", dial.user.as_deref()),
            ("session", session),
            ("last_event_id", position.as_deref()),
        ]);
        let mut headers = format!("User-Agent: switchboard/{}\r\n", env!("CARGO_PKG_VERSION"));
        if let Some(token) = &dial.token {
            // A line break would begin another header; a server that gets a part refuses it.
            let token: String = token.as_str().chars().filter(|c| !c.is_control()).collect();
            headers.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        Self::request(&address.host_header(), &target, &headers)
    }

    /// Takes bytes of the answer, and returns the outcome once it is known. `ended` says that no
    /// more will come.
    pub fn feed(&mut self, bytes: &[u8], ended: bool) -> Option<Upgraded> {
        self.answer.extend_from_slice(bytes);
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let length = match response.parse(&self.answer) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if ended => {
                return Some(Upgraded::Failed("the server hung up on the upgrade".to_owned()));
            }
            Ok(httparse::Status::Partial) if self.answer.len() > MAX_HEAD_BYTES => {
                return Some(Upgraded::Failed("the server's answer is too long".to_owned()));
            }
            Ok(httparse::Status::Partial) => return None,
            Err(error) => {
                return Some(Upgraded::Failed(format!("the server speaks no HTTP: {error}")));
            }
        };
        let header = |name: &str| {
            let found =
                response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            found.and_then(|header| str::from_utf8(header.value).ok()).map(str::trim)
        };
        let status = response.code.unwrap_or_default();
        if status == 101 {
            let upgrade = header("upgrade").is_some_and(|to| to.eq_ignore_ascii_case("websocket"));
            return Some(if upgrade && header("sec-websocket-accept") == Some(&self.accept) {
                Upgraded::Open(self.answer.split_off(length))
            } else {
                Upgraded::Failed("the server's answer to the upgrade does not fit".to_owned())
            });
        }
        let expected = header("content-length").and_then(|digits| digits.parse::<usize>().ok());
        let body = &self.answer[length..];
        let is_whole = ended
            || body.len() > MAX_HEAD_BYTES
            || expected.is_some_and(|expected| body.len() >= expected);
        let retry_after =
            header("retry-after").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        is_whole.then(|| Upgraded::Refused {
            status,
            reason: response.reason.unwrap_or_default().to_owned(),
            retry_after,
            body: body.to_vec(),
        })
    }
}

/// Returns the error code of a refusal, if its body is Switchboard's own, and in words why the
/// server refused.
pub(super) fn explain(status: u16, body: &[u8]) -> (Option<String>, String) {
    let body: Option<Value> = serde_json::from_slice(body).ok();
    let said = |name: &str| body.as_ref()?.get("error")?.get(name)?.as_str();
    match (said("code"), said("message")) {
        (Some(code), Some(message)) => {
            (Some(code.to_owned()), format!("{status} {code}: {message}"))
        }
        (Some(code), None) => (Some(code.to_owned()), format!("{status} {code}")),
        _ => (None, format!("the server answered with HTTP status {status}")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn asked() -> ClientUpgrade {
        ClientUpgrade { accept: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned(), answer: Vec::new() }
    }

    #[test]
    fn a_request_is_one_of_http() {
        let (_, request) = ClientUpgrade::request("h:1", "/ws?a", "X: y\r\n");
        let request = String::from_utf8(request).unwrap();
        assert!(request.starts_with("GET /ws?a HTTP/1.1\r\nHost: h:1\r\n"), "{request}");
        assert!(request.ends_with("\r\nX: y\r\n\r\n"), "{request}");
    }

    #[test]
    fn a_good_answer_opens_byte_by_byte() {
        let text = "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nconnection: upgrade\r\n\
                    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        let mut upgrade = asked();
        let (last, first) = text.as_bytes().split_last().unwrap();
        for byte in first {
            assert!(upgrade.feed(&[*byte], false).is_none());
        }
        let Some(Upgraded::Open(rest)) = upgrade.feed(&[*last, 0x81, 0x00], false) else {
            panic!()
        };
        assert_eq!(rest, [0x81, 0x00]);
        let wrong = text.replace("s3p", "S3p");
        assert!(matches!(asked().feed(wrong.as_bytes(), false), Some(Upgraded::Failed(_))));
    }

    #[test]
    fn a_refusal_waits_for_its_body_and_says_why() {
        let body = r#"{"error":{"code":"server_full","message":"500 of 500"}}"#;
        let head = format!(
            "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut upgrade = asked();
        assert!(upgrade.feed(head.as_bytes(), false).is_none());
        let refused = upgrade.feed(body.as_bytes(), false);
        let expected = Upgraded::Refused {
            status: 503,
            reason: "Service Unavailable".to_owned(),
            retry_after: Some(Duration::from_secs(7)),
            body: body.as_bytes().to_vec(),
        };
        assert_eq!(refused, Some(expected));
        let words = "503 server_full: 500 of 500".to_owned();
        assert_eq!(explain(503, body.as_bytes()), (Some("server_full".to_owned()), words));
        let refused = asked().feed(b"HTTP/1.1 404 Not Found\r\n\r\nno", true);
        let expected = Upgraded::Refused {
            status: 404,
            reason: "Not Found".to_owned(),
            retry_after: None,
            body: b"no".to_vec(),
        };
        assert_eq!(refused, Some(expected));
        let words = "the server answered with HTTP status 404".to_owned();
        assert_eq!(explain(404, b"no"), (None, words));
    }

    #[test]
    fn what_is_no_http_fails() {
        for (bytes, ended) in
            [(&b"SSH-2.0\r\n\r\n"[..], false), (b"HTTP/1.1 101", true), (b"", true)]
        {
            assert!(matches!(asked().feed(bytes, ended), Some(Upgraded::Failed(_))), "{bytes:?}");
        }
        let endless = [b'a'; 17 * 1024];
        let mut upgrade = asked();
        assert!(upgrade.feed(b"HTTP/1.1 200 OK\r\nx: ", false).is_none());
        assert!(matches!(upgrade.feed(&endless, false), Some(Upgraded::Failed(_))));
    }
}
