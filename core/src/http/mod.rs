//! The HTTP side of a WebSocket, without IO: bytes of a request in, a decision and the bytes of the
//! response out. Every runtime uses it, so a 401, a 404 or a 426 is the same in all of them.
//!
//! A driver reads bytes and hands all of them to [`parse()`] until the head is complete. If the
//! request [wants an upgrade](wants_upgrade), or its path is that of the sockets, [`check`]
//! decides; the driver writes [`Upgrade::accept_response`] or [`HttpError::to_bytes`]. For other
//! paths it writes a [`Response`]. Both come after [`Hosts::check`], which keeps pages out that
//! reach the server by a name of their own.
//!
//! ```
//! use switchboard_core::http::{DEFAULT_MAX_HEAD_BYTES, Origins, Parsed, check, parse};
//!
//! let bytes = b"GET /ws/lobby HTTP/1.1\r\n\
//!     Host: example.com\r\n\
//!     Origin: https://example.com\r\n\
//!     Upgrade: websocket\r\n\
//!     Connection: keep-alive, Upgrade\r\n\
//!     Sec-WebSocket-Version: 13\r\n\
//!     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
//!     Sec-WebSocket-Protocol: switchboard, bearer.a-token\r\n\
//!     \r\n";
//!
//! let Ok(Parsed::Complete { request, head_len }) = parse(bytes, DEFAULT_MAX_HEAD_BYTES) else {
//!     panic!("the head is complete");
//! };
//! assert_eq!(head_len, bytes.len());
//!
//! let upgrade = check(&request, &Origins::SameHost, "/ws").unwrap();
//! assert_eq!(upgrade.room.as_deref(), Some("lobby"));
//! assert_eq!(upgrade.token.as_ref().map(|token| token.expose()), Some("a-token"));
//! assert_eq!(
//!     upgrade.accept_response(),
//!     b"HTTP/1.1 101 Switching Protocols\r\n\
//!     Upgrade: websocket\r\n\
//!     Connection: Upgrade\r\n\
//!     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
//!     Sec-WebSocket-Protocol: switchboard\r\n\
//!     \r\n"
//! );
//! ```
//!
//! Not done here: bodies (the caller reads [`HttpRequest::content_length`] bytes after the head),
//! chunks, keep-alive (every response but the 101 ends the connection), HTTP/2, extensions such as
//! compression, verifying tokens, and timeouts, which are the driver's.

// A test that unwraps what is not there has found something, and says where.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod authority;
mod error;
mod host;
mod origin;
mod parse;
mod redact;
mod request;
mod response;
mod target;
#[cfg(test)]
mod tests;
mod token;
mod upgrade;

pub use error::HttpError;
pub use host::{HostPattern, Hosts, InvalidHost};
pub use origin::{InvalidOrigin, OriginPattern, Origins};
pub use parse::{DEFAULT_MAX_HEAD_BYTES, MAX_HEADERS, Parsed, parse};
pub use request::{HttpRequest, Version};
pub use response::{Response, Status};
pub use token::BearerToken;
pub use upgrade::{SUBPROTOCOL, Upgrade, check, wants_upgrade};
