//! A parsed request head.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::Range;

use super::error::HttpError;
use super::parse::{MAX_HEADERS, too_many_headers};
use super::response::{Status, is_control, is_token};
use super::target::{is_control_or_space, query_pairs, split_target};

/// The headers that affect a decision here. They must be UTF-8; in any other, invalid bytes become
/// U+FFFD.
const MEANINGFUL_HEADERS: [&str; 10] = [
    "authorization",
    "connection",
    "content-length",
    "host",
    "origin",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "transfer-encoding",
    "upgrade",
];

/// The minor version of HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0, which cannot be upgraded.
    Http10,
    /// HTTP/1.1
    Http11,
}

/// A request head. It owns its data, and its `Debug` output shows no credential: see
/// [`redacted_target`](HttpRequest::redacted_target).
///
/// ```
/// use switchboard_core::http::HttpRequest;
///
/// let target = "/ws/chess?name=J%C3%BCrgen+K";
/// let request = HttpRequest::from_parts("GET", target, [("Host", "a.org")]).unwrap();
/// assert_eq!(request.path(), "/ws/chess");
/// assert_eq!(request.query("name").as_deref(), Some("Jürgen K"));
/// assert_eq!(request.header("host"), Some("a.org"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    version: Version,
    /// All text in one allocation; the ranges point into it.
    text: String,
    method: Range<usize>,
    target: Range<usize>,
    authority: Option<Range<usize>>,
    path: Range<usize>,
    headers: Vec<(Range<usize>, Range<usize>)>,
    address: Option<IpAddr>,
}

impl HttpRequest {
    /// A request that another HTTP library has parsed, so that the same rules apply to it. It is
    /// taken for HTTP/1.1. `target` is the request target as sent, or an absolute URI.
    ///
    /// # Errors
    /// As [`parse`](super::parse()): 400 `bad_request` for what could not appear in a request head,
    /// 431 `too_many_headers`.
    pub fn from_parts<N, V>(
        method: &str,
        target: &str,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Result<HttpRequest, HttpError>
    where
        N: AsRef<str>,
        V: AsRef<[u8]>,
    {
        HttpRequest::build(method, target, Version::Http11, headers)
    }

    pub(super) fn build<N, V>(
        method: &str,
        target: &str,
        version: Version,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Result<HttpRequest, HttpError>
    where
        N: AsRef<str>,
        V: AsRef<[u8]>,
    {
        if !is_token(method) || target.is_empty() || target.contains(is_control_or_space) {
            return Err(HttpError::bad_request("bad_request", "the request line is malformed"));
        }
        let mut text = String::with_capacity(1024);
        let method = push(&mut text, method);
        let (authority, path) = split_target(target)?;
        let target = push(&mut text, target);
        let within_target = |r: Range<usize>| target.start + r.start..target.start + r.end;
        let (authority, path) = (authority.map(within_target), within_target(path));

        let mut spans = Vec::with_capacity(16);
        for (name, value) in headers {
            if spans.len() == MAX_HEADERS {
                return Err(too_many_headers());
            }
            let name = name.as_ref();
            let value = String::from_utf8_lossy(value.as_ref());
            let lossy = matches!(value, Cow::Owned(_));
            if lossy && MEANINGFUL_HEADERS.iter().any(|known| name.eq_ignore_ascii_case(known)) {
                let message = format!("the header {name} is not UTF-8");
                return Err(HttpError::bad_request("bad_request", message));
            }
            if !is_token(name) || value.contains(is_control) {
                return Err(HttpError::bad_request("bad_request", "a header line is malformed"));
            }
            spans.push((push(&mut text, name), push(&mut text, value.trim_matches([' ', '\t']))));
        }
        Ok(HttpRequest {
            version,
            text,
            method,
            target,
            authority,
            path,
            headers: spans,
            address: None,
        })
    }

    /// The method, in the case in which it was sent: methods are case-sensitive (RFC 9110 section
    /// 9.1).
    pub fn method(&self) -> &str {
        &self.text[self.method.clone()]
    }

    /// The request target as sent. It can hold a token: log
    /// [`redacted_target`](HttpRequest::redacted_target) instead.
    pub fn target(&self) -> &str {
        &self.text[self.target.clone()]
    }

    /// The same request from a peer at this address.
    pub fn with_address(self, address: Option<IpAddr>) -> HttpRequest {
        HttpRequest { address, ..self }
    }

    /// Returns the address of the peer that sent the request, which can be a proxy; `None` if it is
    /// not known.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The version of HTTP.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The path, still percent-encoded, without the query. It is empty or `*` for the two kinds of
    /// target without a path, and `/` for an absolute URI without one (RFC 9112 section 3.2).
    pub fn path(&self) -> &str {
        let path = &self.text[self.path.clone()];
        if path.is_empty() && self.authority.is_some() { "/" } else { path }
    }

    /// Returns the first query parameter of this name, percent-decoded, with `+` as a space.
    /// Invalid UTF-8 becomes U+FFFD. A parameter without `=` has the empty value.
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        let (_, query) = self.target().split_once('?')?;
        query_pairs(query).find(|pair| pair.1 == name).map(|pair| pair.2)
    }

    /// Returns the first header of this name, in any case, without surrounding white space.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.lines(name).next()
    }

    /// Returns all headers in the order in which they were sent.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers
            .iter()
            .map(|(name, value)| (&self.text[name.clone()], &self.text[value.clone()]))
    }

    /// Returns a header that may occur only once.
    ///
    /// # Errors
    /// 400 `repeated_header` if it occurs more often.
    pub fn single(&self, name: &'static str) -> Result<Option<&str>, HttpError> {
        let mut lines = self.lines(name);
        let first = lines.next();
        if lines.next().is_some() {
            let message = format!("the header {name} occurs more than once");
            return Err(HttpError::bad_request("repeated_header", message));
        }
        Ok(first)
    }

    /// Returns the entries of a header that is a comma-separated list, from all its lines (RFC 9110
    /// section 5.6.1).
    pub fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        self.lines(name)
            .flat_map(|line| line.split(','))
            .map(|entry| entry.trim_matches([' ', '\t']))
            .filter(|entry| !entry.is_empty())
    }

    /// Returns the host and port that the client meant: those of an absolute target, or else the
    /// `Host` header (RFC 9112 section 3.2.2).
    ///
    /// # Errors
    /// 400 `bad_host` if there is no host, `repeated_header` if there are several.
    pub fn host(&self) -> Result<&str, HttpError> {
        let bad = |message| HttpError::bad_request("bad_host", message);
        let header = self.single("host")?.ok_or_else(|| bad("the Host header is missing"))?;
        let host = self.authority.clone().map_or(header, |authority| &self.text[authority]);
        if host.is_empty()
            || host.contains(|c: char| "/\\@,?#".contains(c) || is_control_or_space(c))
        {
            return Err(bad("the Host header is not a host"));
        }
        Ok(host)
    }

    /// Returns the length of the body in bytes, 0 without `Content-Length` (RFC 9112 section 6.3).
    ///
    /// # Errors
    /// 411 `length_required` for a `Transfer-Encoding`: chunks are not read here. 400
    /// `bad_content_length` unless the length is a single plain number, or if both headers are
    /// present, because servers disagree on which one counts (RFC 9112 section 6.1).
    pub fn content_length(&self) -> Result<u64, HttpError> {
        let bad = |message| Err(HttpError::bad_request("bad_content_length", message));
        let length = self.single("content-length")?;
        if self.header("transfer-encoding").is_some() {
            if length.is_some() {
                return bad("Content-Length and Transfer-Encoding exclude each other");
            }
            let message = "a body needs a Content-Length; chunks are not supported";
            return Err(HttpError::new(Status::LengthRequired, "length_required", message));
        }
        let Some(length) = length else { return Ok(0) };
        // `parse` alone would accept a sign.
        match length.parse() {
            Ok(length_bytes) if length.bytes().all(|b| b.is_ascii_digit()) => Ok(length_bytes),
            Ok(_) | Err(_) => bad("the Content-Length is not a number"),
        }
    }

    fn lines(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

fn push(text: &mut String, part: &str) -> Range<usize> {
    let start = text.len();
    text.push_str(part);
    start..text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(target: &str) -> HttpRequest {
        HttpRequest::from_parts("GET", target, [("Host", "h")]).unwrap()
    }

    fn with(headers: &[(&str, &[u8])]) -> Result<HttpRequest, HttpError> {
        HttpRequest::from_parts("GET", "/", headers.iter().copied())
    }

    #[test]
    fn the_path_ends_where_the_query_begins() {
        assert_eq!(get("/a%2Fb?c/d").path(), "/a%2Fb");
        assert_eq!(get("*").path(), "*");
        assert_eq!(get("example.com:80").path(), "");
        assert_eq!(get("http:?//x").path(), "");
    }

    #[test]
    fn an_absolute_target_brings_its_own_host() {
        let request = get("HTTP://a.org:81/b?c=d");
        assert_eq!((request.path(), request.host().unwrap()), ("/b", "a.org:81"));
        assert_eq!(request.query("c").as_deref(), Some("d"));
        assert_eq!(get("http://a.org?x").path(), "/");
        assert!(get("http:///b").host().is_err());
        let refusal =
            HttpRequest::from_parts("GET", "http://u:p@a.org/", [("Host", "h")]).unwrap_err();
        assert_eq!(refusal.code, "bad_request");
    }

    #[test]
    fn a_query_parameter_is_decoded_and_the_first_wins() {
        let request = get("/?a=1+2%2B&a=3&b&c%20d=%FF&=e&f=g=h");
        assert_eq!(request.query("a").as_deref(), Some("1 2+"));
        assert_eq!(request.query("b").as_deref(), Some(""));
        assert_eq!(request.query("c d").as_deref(), Some("\u{fffd}"));
        assert_eq!(request.query("").as_deref(), Some("e"));
        assert_eq!(request.query("f").as_deref(), Some("g=h"));
        assert_eq!(request.query("A"), None);
        assert_eq!(get("/").query("a"), None);
    }

    #[test]
    fn headers_are_found_in_any_case_and_trimmed() {
        let request = with(&[("X-A", b" 1\t"), ("x-a", b"2"), ("X-B", b"\xff")]).unwrap();
        assert_eq!(request.header("x-A"), Some("1"));
        assert_eq!(request.header("X-B"), Some("\u{fffd}"));
        assert_eq!(request.header("X-C"), None);
        assert_eq!(request.headers().count(), 3);
        assert_eq!(request.single("x-a").unwrap_err().code, "repeated_header");
    }

    #[test]
    fn a_list_spans_lines() {
        let request = with(&[("L", b"a, ,b"), ("M", b"x"), ("L", b"c")]).unwrap();
        assert_eq!(request.list("l").collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn parts_that_could_not_be_a_request_are_refused() {
        let code = |result: Result<HttpRequest, HttpError>| result.unwrap_err().code;
        assert_eq!(code(with(&[("A", b"b\r\nC: d")])), "bad_request");
        assert_eq!(code(with(&[("A b", b"c")])), "bad_request");
        assert_eq!(code(with(&[("Origin", b"\xff")])), "bad_request");
        assert_eq!(code(HttpRequest::from_parts("G T", "/", [("A", "b")])), "bad_request");
        assert_eq!(code(HttpRequest::from_parts("GET", "/ x", [("A", "b")])), "bad_request");
        assert_eq!(code(HttpRequest::from_parts("GET", "", [("A", "b")])), "bad_request");
        assert!(HttpRequest::from_parts("GET", "/", [("A", "b"); MAX_HEADERS]).is_ok());
        let many = HttpRequest::from_parts("GET", "/", [("A", "b"); MAX_HEADERS + 1]);
        assert_eq!(many.unwrap_err().status, Status::HeadTooLarge);
    }

    #[test]
    fn a_content_length_is_one_plain_number() {
        let length = |headers: &[(&str, &[u8])]| {
            with(headers).unwrap().content_length().map_err(|refusal| refusal.code)
        };
        assert_eq!(length(&[]), Ok(0));
        assert_eq!(length(&[("Content-Length", b"18446744073709551615")]), Ok(u64::MAX));
        for bad in [&b"+1"[..], b"-1", b"", b"1, 1", b"0x1", b"18446744073709551616"] {
            assert_eq!(length(&[("Content-Length", bad)]), Err("bad_content_length"));
        }
        let twice: [(&str, &[u8]); 2] = [("Content-Length", b"1"); 2];
        assert_eq!(length(&twice), Err("repeated_header"));
        let chunked: (&str, &[u8]) = ("Transfer-Encoding", b"chunked");
        assert_eq!(length(&[chunked]), Err("length_required"));
        assert_eq!(length(&[chunked, ("Content-Length", b"1")]), Err("bad_content_length"));
    }
}
