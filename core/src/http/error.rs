//! Why a request is refused, and what the client is told.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::response::{Response, Status};

/// A request that is answered with an error.
///
/// [`to_bytes`](HttpError::to_bytes) makes it a complete HTTP response; a driver writes these bytes
/// and closes the socket. The body is `{"error":{"code":"...","message":"..."}}`.
///
/// ```
/// use switchboard_core::http::HttpError;
///
/// let bytes = HttpError::unavailable("server_full", 5).to_bytes();
/// let text = String::from_utf8(bytes).unwrap();
/// assert!(text.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
/// assert!(text.contains("\r\nRetry-After: 5\r\n"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpError {
    /// The status line of the answer.
    pub status: Status,
    /// The error for programs: lower case with underscores, stable between versions.
    pub code: &'static str,
    /// The error for people. It never contains a token.
    pub message: Cow<'static, str>,
    /// The number of seconds after which the client may try again, sent as `Retry-After`.
    pub retry_after_secs: Option<u32>,
    /// The methods that are allowed, for a 405.
    allow: Option<&'static str>,
    /// For the log only.
    compared_with: Option<String>,
}

impl HttpError {
    /// Creates a refusal of any kind. The constructors below cover the usual ones.
    pub fn new(
        status: Status,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> HttpError {
        HttpError {
            status,
            code,
            message: message.into(),
            retry_after_secs: None,
            allow: None,
            compared_with: None,
        }
    }

    /// Keeps what the request's value was compared with, for the server's log. The client is not
    /// told.
    pub fn comparing_with(self, other: impl Into<String>) -> HttpError {
        HttpError { compared_with: Some(other.into()), ..self }
    }

    /// What the request's value was compared with, if that is known: text of the client, perhaps.
    pub fn compared_with(&self) -> Option<&str> {
        self.compared_with.as_deref()
    }

    /// 400: the request breaks a rule of HTTP or of the WebSocket handshake.
    pub fn bad_request(code: &'static str, message: impl Into<Cow<'static, str>>) -> HttpError {
        HttpError::new(Status::BadRequest, code, message)
    }

    /// 401 `unauthorized`, with `WWW-Authenticate: Bearer` (RFC 6750 section 3): the token is
    /// missing or invalid. Keep the token itself out of `message`.
    pub fn unauthorized(message: impl Into<Cow<'static, str>>) -> HttpError {
        HttpError::new(Status::Unauthorized, "unauthorized", message)
    }

    /// 403: the client is known, but may not do this.
    pub fn forbidden(code: &'static str, message: impl Into<Cow<'static, str>>) -> HttpError {
        HttpError::new(Status::Forbidden, code, message)
    }

    /// 404 `not_found`: nothing is served at this path.
    pub fn not_found() -> HttpError {
        HttpError::new(Status::NotFound, "not_found", "there is nothing at this path")
    }

    /// 405 `method_not_allowed`; `allow` lists the allowed methods, such as `"GET, HEAD"`.
    pub fn method_not_allowed(allow: &'static str) -> HttpError {
        let message = "this path does not take this method; see the Allow header";
        let refusal = HttpError::new(Status::MethodNotAllowed, "method_not_allowed", message);
        HttpError { allow: Some(allow), ..refusal }
    }

    /// 408 `request_timeout`: the head did not arrive within the driver's timeout.
    pub fn request_timeout() -> HttpError {
        let message = "the request did not arrive in time";
        HttpError::new(Status::RequestTimeout, "request_timeout", message)
    }

    /// 426, with `Upgrade: websocket` and `Sec-WebSocket-Version: 13`: the path serves only this
    /// protocol (RFC 9110 section 15.5.22, RFC 6455 section 4.4).
    pub fn upgrade_required(
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> HttpError {
        HttpError::new(Status::UpgradeRequired, code, message)
    }

    /// 429 `rate_limited`, with `Retry-After` in seconds.
    pub fn too_many_requests(retry_after_secs: u32) -> HttpError {
        let message = "too many requests; try again later";
        let refusal = HttpError::new(Status::TooManyRequests, "rate_limited", message);
        HttpError { retry_after_secs: Some(retry_after_secs), ..refusal }
    }

    /// 503 with `Retry-After` in seconds. `code` names the limit: `server_full`, `lobby_full`,
    /// `user_limit`, `draining` and the like.
    pub fn unavailable(code: &'static str, retry_after_secs: u32) -> HttpError {
        let message = match code {
            "server_full" => "the server has no free connection; try again later",
            "lobby_full" => "the room is full; try again later",
            "user_limit" => "the user has too many connections; close one and try again",
            "draining" => "the server is about to stop; try again later",
            _ => "not available for now; try again later",
        };
        let refusal = HttpError::new(Status::Unavailable, code, message);
        HttpError { retry_after_secs: Some(retry_after_secs), ..refusal }
    }

    /// Returns the response in parts, for a driver that responds through another HTTP library.
    pub fn to_response(&self) -> Response {
        let error = serde_json::json!({"error": {"code": self.code, "message": self.message}});
        let mut response = Response::new(self.status, "application/json", error.to_string())
            // RFC 9111 section 4.2.2 lets caches keep a 404 or a 405 at their own discretion.
            .no_store()
            .refusing(self.code);
        if let Some(allow) = self.allow {
            response = response.header("Allow", allow);
        }
        if self.status == Status::Unauthorized {
            response = response.header("WWW-Authenticate", "Bearer");
        }
        if self.status == Status::UpgradeRequired {
            response =
                response.header("Upgrade", "websocket").header("Sec-WebSocket-Version", "13");
        }
        if let Some(secs) = self.retry_after_secs {
            response = response.header("Retry-After", secs.to_string());
        }
        response
    }

    /// The answer as the bytes of a complete HTTP/1.1 response. The connection ends after it.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_response().to_bytes()
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.code(), self.code, self.message)
    }
}

impl core::error::Error for HttpError {}

/// Returns at most the first 200 bytes of a client's text, for a message or a log line.
pub(super) fn excerpt(text: &str) -> String {
    const MAX: usize = 200;
    if text.len() <= MAX {
        return text.to_string();
    }
    let mut end = MAX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    alloc::format!("{}...", &text[..end])
}

/// Returns the entries of a setting, for a log line.
pub(super) fn listed(entries: &[impl fmt::Display]) -> String {
    let texts: Vec<String> = entries.iter().map(ToString::to_string).collect();
    if texts.is_empty() { "an empty list".to_string() } else { texts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(refusal: &HttpError) -> String {
        String::from_utf8(refusal.to_bytes()).unwrap()
    }

    #[test]
    fn a_refusal_is_a_complete_response() {
        let refusal = HttpError::bad_request("bad_request", "no");
        assert_eq!(
            text(&refusal),
            "HTTP/1.1 400 Bad Request\r\n\
             Content-Type: application/json\r\n\
             Content-Length: 47\r\n\
             Cache-Control: no-store\r\n\
             Connection: close\r\n\
             \r\n\
             {\"error\":{\"code\":\"bad_request\",\"message\":\"no\"}}"
        );
    }

    #[test]
    fn each_status_brings_its_headers() {
        let has = |refusal: HttpError, status: &str, header: &str| {
            let text = text(&refusal);
            assert!(text.starts_with(&alloc::format!("HTTP/1.1 {status}\r\n")), "{text}");
            assert!(text.contains(&alloc::format!("\r\n{header}\r\n")), "{text}");
        };
        has(HttpError::unauthorized("no"), "401 Unauthorized", "WWW-Authenticate: Bearer");
        has(HttpError::method_not_allowed("GET"), "405 Method Not Allowed", "Allow: GET");
        has(HttpError::too_many_requests(7), "429 Too Many Requests", "Retry-After: 7");
        has(HttpError::unavailable("draining", 3), "503 Service Unavailable", "Retry-After: 3");
        let old = || HttpError::upgrade_required("upgrade_required", "no");
        has(old(), "426 Upgrade Required", "Upgrade: websocket");
        has(old(), "426 Upgrade Required", "Sec-WebSocket-Version: 13");
        // RFC 9110 section 7.8: a sender of Upgrade also names it in Connection.
        has(old(), "426 Upgrade Required", "Connection: close, Upgrade");
    }

    #[test]
    fn a_message_is_escaped_in_the_body() {
        let refusal = HttpError::forbidden("forbidden", "a \"b\"\r\n\u{1}\\");
        assert!(text(&refusal).ends_with(r#""message":"a \"b\"\r\n\u0001\\"}}"#));
    }

    #[test]
    fn an_excerpt_ends_between_characters() {
        let long = alloc::format!("{}éé", "x".repeat(199));
        assert_eq!(excerpt(&long), alloc::format!("{}...", "x".repeat(199)));
        assert_eq!(excerpt("short"), "short");
    }
}
