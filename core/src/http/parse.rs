//! Parses the first bytes of a connection into a request.

use super::error::HttpError;
use super::request::{HttpRequest, Version};
use super::response::Status;

/// The default bound on a request head, in bytes. It fits every browser with its cookies, with room
/// for a long token.
pub const DEFAULT_MAX_HEAD_BYTES: usize = 16 * 1024;

/// The bound on the number of header lines.
pub const MAX_HEADERS: usize = 64;

/// The result of [`parse`].
#[derive(Clone, Debug)]
pub enum Parsed {
    /// The head is incomplete: read more, then parse everything again.
    Incomplete,
    /// The head is complete.
    Complete {
        /// The request.
        request: HttpRequest,
        /// The length of the head in bytes, with the empty line that ends it. The bytes after it
        /// are a body or the first frames, and belong to the caller.
        head_len: usize,
    },
}

/// Parses an HTTP/1 request head (RFC 9112 sections 2 to 5) from all the bytes received so far.
///
/// Bytes are refused as soon as no continuation could make them a request, so the result never
/// depends on how the bytes were split. An empty line before the request line is skipped; folded
/// header lines and lone carriage returns are refused. A head of exactly `max_head_bytes` is
/// accepted.
///
/// # Errors
/// - 431 `head_too_large` when the head is longer than `max_head_bytes` (known once that many bytes
///   have come without its end), or `too_many_headers` with more than [`MAX_HEADERS`] lines.
/// - 400 when the bytes are not an HTTP/1 request: `tls`, `http_version` or `bad_request`.
///
/// # Cost
/// Linear in the head. Each call starts over: call it when a line ends or the bytes have doubled
/// rather than for each byte.
pub fn parse(bytes: &[u8], max_head_bytes: usize) -> Result<Parsed, HttpError> {
    let within_limit = &bytes[..bytes.len().min(max_head_bytes)];
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let head_len = match head.parse(within_limit) {
        Ok(httparse::Status::Complete(head_len)) => head_len,
        Ok(httparse::Status::Partial) if bytes.len() < max_head_bytes => {
            return Ok(Parsed::Incomplete);
        }
        Ok(httparse::Status::Partial) => return Err(too_large(max_head_bytes)),
        Err(error) => return Err(not_http(bytes, error)),
    };
    let version = if head.version == Some(0) { Version::Http10 } else { Version::Http11 };
    let request = HttpRequest::build(
        head.method.unwrap_or_default(),
        head.path.unwrap_or_default(),
        version,
        head.headers.iter().map(|header| (header.name, header.value)),
    )?;
    Ok(Parsed::Complete { request, head_len })
}

fn too_large(max_head_bytes: usize) -> HttpError {
    let message = alloc::format!("the request head is larger than {max_head_bytes} bytes");
    HttpError::new(Status::HeadTooLarge, "head_too_large", message)
}

pub(super) fn too_many_headers() -> HttpError {
    let message = alloc::format!("the request has more than {MAX_HEADERS} headers");
    HttpError::new(Status::HeadTooLarge, "too_many_headers", message)
}

fn not_http(bytes: &[u8], error: httparse::Error) -> HttpError {
    /// The content type of a TLS record that holds a handshake message (RFC 8446 section 5.1).
    const TLS_HANDSHAKE: u8 = 22;
    if bytes.first() == Some(&TLS_HANDSHAKE) {
        let message = "this looks like TLS; use ws:// or put TLS in front";
        return HttpError::bad_request("tls", message);
    }
    match error {
        httparse::Error::TooManyHeaders => too_many_headers(),
        httparse::Error::Version => {
            HttpError::bad_request("http_version", "only HTTP/1.1 is spoken here")
        }
        httparse::Error::HeaderName | httparse::Error::HeaderValue => {
            HttpError::bad_request("bad_request", "a header line is malformed")
        }
        httparse::Error::NewLine | httparse::Error::Status | httparse::Error::Token => {
            HttpError::bad_request("bad_request", "this is not an HTTP request")
        }
    }
}
