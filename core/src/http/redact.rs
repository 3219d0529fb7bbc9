//! Keeps credentials out of logs.

use alloc::string::String;
use core::fmt;

use super::request::HttpRequest;
use super::target::query_pairs;
use super::upgrade::SUBPROTOCOL;

/// The query parameters that carry a credential. `access_token` is RFC 6750's name (section 2.3):
/// it is not read, but a client may send it.
const SECRET_PARAMETERS: [&str; 3] = ["token", "access_token", "session"];

/// The headers whose values `Debug` shows. An allowlist, so that a secret in an unexpected header
/// stays out of the logs.
const SHOWN_HEADERS: [&str; 12] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "host",
    "origin",
    "sec-websocket-extensions",
    "sec-websocket-version",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

impl HttpRequest {
    /// Returns the request target for a log line, with the values of `token`, `access_token` and
    /// `session` replaced by `redacted`.
    ///
    /// ```
    /// use switchboard_core::http::HttpRequest;
    ///
    /// let target = "/ws/a?token=x.y.z&v=1";
    /// let request = HttpRequest::from_parts("GET", target, [("Host", "h")]).unwrap();
    /// assert_eq!(request.redacted_target(), "/ws/a?token=redacted&v=1");
    /// ```
    pub fn redacted_target(&self) -> String {
        let Some((before, query)) = self.target().split_once('?') else {
            return String::from(self.target());
        };
        let mut target = String::with_capacity(self.target().len());
        target.push_str(before);
        let mut separator = '?';
        for (pair, name, _) in query_pairs(query) {
            target.push(separator);
            separator = '&';
            // Compare the name as the server will read it: `%74oken` is `token` too.
            if SECRET_PARAMETERS.iter().any(|secret| name.eq_ignore_ascii_case(secret)) {
                target.push_str(pair.split('=').next().unwrap_or_default());
                target.push_str("=redacted");
            } else {
                target.push_str(pair);
            }
        }
        target
    }
}

/// Prints no credential: the target is redacted, and only the values of harmless headers are shown.
impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method())
            .field("target", &self.redacted_target())
            .field("version", &self.version())
            .field("headers", &Headers(self))
            .finish()
    }
}

struct Headers<'a>(&'a HttpRequest);

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.0.headers().map(|(name, value)| (name, shown(name, value))))
            .finish()
    }
}

fn shown(name: &str, value: &str) -> String {
    if SHOWN_HEADERS.iter().any(|shown| name.eq_ignore_ascii_case(shown)) {
        return String::from(value);
    }
    if !name.eq_ignore_ascii_case("sec-websocket-protocol") {
        return String::from("redacted");
    }
    let mut entries = String::new();
    for entry in value.split(',') {
        if !entries.is_empty() {
            entries.push_str(", ");
        }
        entries.push_str(if entry.trim() == SUBPROTOCOL { SUBPROTOCOL } else { "redacted" });
    }
    entries
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn a_token_in_the_target_is_redacted_however_it_is_written() {
        let check = |target: &str, redacted: &str| {
            let request = HttpRequest::from_parts("GET", target, [("Host", "h")]).unwrap();
            assert_eq!(request.redacted_target(), redacted);
        };
        check("/ws", "/ws");
        check("/ws?", "/ws?");
        check("/ws?a=1&token=secret", "/ws?a=1&token=redacted");
        check("/ws?token=secret&token=secret", "/ws?token=redacted&token=redacted");
        check("/ws?access_token=secret&&b", "/ws?access_token=redacted&&b");
        check("/ws?%74oken=secret", "/ws?%74oken=redacted");
        check("/ws?Token=secret=secret?token=secret", "/ws?Token=redacted");
        check("/ws?tokens=1", "/ws?tokens=1");
        check("http://h/ws?token=secret", "http://h/ws?token=redacted");
    }

    #[test]
    fn debug_prints_no_secret() {
        let headers = [
            ("Host", "example.com"),
            ("Authorization", "Bearer secret"),
            ("Proxy-Authorization", "Basic secret"),
            ("Cookie", "session=secret"),
            ("X-Api-Key", "secret"),
            ("Referer", "https://example.com/?token=secret"),
            ("Sec-WebSocket-Protocol", "switchboard, bearer.secret,Bearer.secret, other.secret"),
            ("Sec-WebSocket-Protocol", "bearer.secret"),
        ];
        let request = HttpRequest::from_parts("GET", "/ws?token=secret", headers).unwrap();
        let debug = format!("{request:?} {request:#?}");
        assert!(!debug.contains("secret"), "{debug}");
        assert!(debug.contains("example.com"), "{debug}");
        assert!(debug.contains("switchboard, redacted"), "{debug}");
    }
}
