//! Plain HTTP responses as bytes.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The HTTP status codes that Switchboard sends (RFC 9110 section 15), except the 101: see
/// [`Upgrade`](super::Upgrade).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 200
    Ok,
    /// 202
    Accepted,
    /// 400
    BadRequest,
    /// 401
    Unauthorized,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 405
    MethodNotAllowed,
    /// 408
    RequestTimeout,
    /// 411
    LengthRequired,
    /// 413
    ContentTooLarge,
    /// 426
    UpgradeRequired,
    /// 429
    TooManyRequests,
    /// 431
    HeadTooLarge,
    /// 500
    InternalError,
    /// 503
    Unavailable,
}

impl Status {
    /// The numeric code, such as 404.
    pub fn code(self) -> u16 {
        self.line().0
    }

    /// The reason phrase, such as `Not Found`.
    pub fn reason(self) -> &'static str {
        self.line().1
    }

    fn line(self) -> (u16, &'static str) {
        match self {
            Status::Ok => (200, "OK"),
            Status::Accepted => (202, "Accepted"),
            Status::BadRequest => (400, "Bad Request"),
            Status::Unauthorized => (401, "Unauthorized"),
            Status::Forbidden => (403, "Forbidden"),
            Status::NotFound => (404, "Not Found"),
            Status::MethodNotAllowed => (405, "Method Not Allowed"),
            Status::RequestTimeout => (408, "Request Timeout"),
            Status::LengthRequired => (411, "Length Required"),
            Status::ContentTooLarge => (413, "Content Too Large"),
            Status::UpgradeRequired => (426, "Upgrade Required"),
            Status::TooManyRequests => (429, "Too Many Requests"),
            Status::HeadTooLarge => (431, "Request Header Fields Too Large"),
            Status::InternalError => (500, "Internal Server Error"),
            Status::Unavailable => (503, "Service Unavailable"),
        }
    }
}

/// A plain HTTP response, such as that to `GET /healthz`.
///
/// It ends the connection (`Connection: close`), and it has no `Date`, because the core has no
/// clock (RFC 9110 section 6.6.1 allows that).
///
/// ```
/// use switchboard_core::http::{Response, Status};
///
/// let page = Response::new(Status::Ok, "text/plain; charset=utf-8", "ok\n").no_store();
/// assert!(page.to_bytes().ends_with(b"\r\n\r\nok\n"));
/// assert!(page.head_to_bytes().ends_with(b"\r\n\r\n")); // the answer to HEAD
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    status: Status,
    headers: Vec<(&'static str, Cow<'static, str>)>,
    body: Vec<u8>,
    /// The code of the error that this is the answer of. It is not sent but in the body.
    refusal: Option<&'static str>,
}

impl Response {
    /// Creates a response with a body, which may be empty.
    pub fn new(status: Status, content_type: &'static str, body: impl Into<Vec<u8>>) -> Response {
        let body = body.into();
        let length = format!("{}", body.len());
        let response = Response { status, headers: Vec::new(), body, refusal: None };
        response.header("Content-Type", content_type).header("Content-Length", length)
    }

    /// Marks the response as that of an error with this code.
    pub(super) fn refusing(self, code: &'static str) -> Response {
        Response { refusal: Some(code), ..self }
    }

    /// Returns the code of the [`HttpError`](super::HttpError) that this is the response of.
    pub fn refusal(&self) -> Option<&'static str> {
        self.refusal
    }

    /// Forbids caches to store the response.
    pub fn no_store(self) -> Response {
        self.header("Cache-Control", "no-store")
    }

    /// Adds a header. A line break or another control character in the value becomes a space, so
    /// that a value from outside cannot inject a header.
    ///
    /// # Panics
    /// In debug builds, if the name is not a token.
    pub fn header(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Response {
        debug_assert!(is_token(name), "a header name is a token: {name:?}");
        let mut value = value.into();
        if value.contains(is_control) {
            value = Cow::Owned(value.replace(is_control, " "));
        }
        self.headers.push((name, value));
        self
    }

    /// Returns the status code.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Returns the headers, without `Connection`, which the writer of the response adds.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, value.as_ref()))
    }

    /// Returns the body's bytes.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns the whole response, head and body.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.head_to_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Returns the response as bytes, without its body if the request was a `HEAD`.
    pub fn bytes_for(&self, head_only: bool) -> Vec<u8> {
        if head_only { self.head_to_bytes() } else { self.to_bytes() }
    }

    /// Returns the response without its body, for a HEAD request. `Content-Length` is still that of
    /// the response to a GET (RFC 9110 section 9.3.2).
    pub fn head_to_bytes(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status.code(), self.status.reason());
        let mut connection = "close";
        for (name, value) in self.headers() {
            push_header(&mut head, name, value);
            if name.eq_ignore_ascii_case("Upgrade") {
                // RFC 9110 section 7.8: a sender of Upgrade also names it in Connection.
                connection = "close, Upgrade";
            }
        }
        push_header(&mut head, "Connection", connection);
        head.push_str("\r\n");
        head.into_bytes()
    }
}

pub(super) fn push_header(head: &mut String, name: &str, value: &str) {
    head.push_str(name);
    head.push_str(": ");
    head.push_str(value);
    head.push_str("\r\n");
}

/// Returns whether the text is a token (RFC 9110 section 5.6.2), as methods and header names are.
pub(super) fn is_token(text: &str) -> bool {
    let is_token_byte = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Returns whether the character must not appear in a header value. A tab may.
pub(super) fn is_control(c: char) -> bool {
    c.is_ascii_control() && c != '\t'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_is_the_same_answer_without_the_body() {
        let page = Response::new(Status::Ok, "text/plain", "hello");
        let head = page.head_to_bytes();
        assert_eq!(
            String::from_utf8(head.clone()).unwrap(),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(page.to_bytes(), [&head[..], b"hello"].concat());
    }

    #[test]
    fn a_value_cannot_start_a_header_of_its_own() {
        let page = Response::new(Status::Ok, "text/plain", "")
            .header("Location", String::from("/a\r\nSet-Cookie: x=1\n\0\tb"));
        let text = String::from_utf8(page.to_bytes()).unwrap();
        assert!(text.contains("\r\nLocation: /a  Set-Cookie: x=1  \tb\r\n"), "{text:?}");
    }

    #[test]
    fn caches_are_told_when_asked() {
        let page = Response::new(Status::Ok, "text/plain", "");
        assert!(!page.headers().any(|(name, _)| name == "Cache-Control"));
        assert!(page.no_store().headers().any(|h| h == ("Cache-Control", "no-store")));
    }
}
