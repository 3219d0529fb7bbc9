//! The server's half of the WebSocket opening handshake (RFC 6455 section 4.2).

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Display;
use core::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, PAD, STANDARD};
use percent_encoding::percent_decode_str;
use sha1_smol::Sha1;

use crate::protocol::position::{Position, Session};

use super::error::HttpError;
use super::origin::Origins;
use super::request::{HttpRequest, Version};
use super::response::push_header;
use super::token::BearerToken;

/// The subprotocol of Switchboard's JSON envelope, the only one that is ever selected.
///
/// If a page offers a list and the server selects no entry, the browser fails the connection: a
/// page that sends its token as `bearer.<token>` must also offer `switchboard`.
pub const SUBPROTOCOL: &str = "switchboard";

/// A valid upgrade request. Authentication and the limits are still to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The value of `Sec-WebSocket-Accept` (RFC 6455 section 4.2.2).
    pub accept_key: String,
    /// The room in the path, percent-decoded. It is not empty, but otherwise as the client wrote
    /// it: the hub checks that it is a valid name.
    pub room: Option<String>,
    /// The client's credential, not verified.
    pub token: Option<BearerToken>,
    /// The subprotocol to confirm: [`SUBPROTOCOL`] if the client offered it.
    pub subprotocol: Option<&'static str>,
    /// Whether a web page asks, which names its `Origin`. Its script sees a close code, but neither
    /// the status nor the body of a refusal.
    pub from_page: bool,
    /// The query parameter `user`: a name that the client claims, without proof. For servers that
    /// run without tokens.
    pub user: Option<String>,
    /// The query parameter `session`: the session to resume.
    pub session: Option<Session>,
    /// The query parameter `last_event_id`: the last position seen in the room of the path.
    pub since: Option<Position>,
}

impl Upgrade {
    /// Returns the headers of the 101, for a driver that responds through another HTTP library. No
    /// extension is ever confirmed, so frames are plain.
    pub fn accept_headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [("Upgrade", "websocket"), ("Connection", "Upgrade")]
            .into_iter()
            .chain([("Sec-WebSocket-Accept", self.accept_key.as_str())])
            .chain(self.subprotocol.map(|name| ("Sec-WebSocket-Protocol", name)))
    }

    /// Returns the 101 as bytes. After it the connection speaks WebSocket.
    pub fn accept_response(&self) -> Vec<u8> {
        let mut head = String::from("HTTP/1.1 101 Switching Protocols\r\n");
        for (name, value) in self.accept_headers() {
            push_header(&mut head, name, value);
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// Returns whether the request asks for a WebSocket, as opposed to a page: `Upgrade` lists
/// `websocket` and `Connection` lists `upgrade`, in any case and on any of their lines.
pub fn wants_upgrade(request: &HttpRequest) -> bool {
    names_websocket(request) && lists_upgrade(request)
}

/// Decides whether a request is an acceptable WebSocket handshake. `prefix` is the path of the
/// sockets, such as `/ws`: the room follows after a slash.
///
/// # Errors
/// The first that applies:
///
/// | status | code | |
/// |---|---|---|
/// | 404 | `not_found` | the path is not below the prefix |
/// | 405 | `method_not_allowed` | the method is not GET |
/// | 400 | `http_version` | the version is HTTP/1.0, as from a proxy with default settings |
/// | 400 | `bad_host`, `repeated_header` | there is not exactly one host |
/// | 426 | `upgrade_required` | `Upgrade` or `Connection` does not ask for a WebSocket |
/// | 426 | `websocket_version` | `Sec-WebSocket-Version` is not 13 |
/// | 400 | `websocket_key` | `Sec-WebSocket-Key` is not 16 bytes in base64 |
/// | 400 | `unexpected_body` | the request has a body, which would be read as frames |
/// | 400 | `bad_room` | the room is not UTF-8 |
/// | 400 | `bad_session`, `bad_position` | the query parameter `session` or `last_event_id` is
/// malformed |
/// | 403 | `origin_not_allowed` | `origins` does not allow the page |
///
/// `repeated_header` (400) is also the response to a second line of any other header that must be
/// unique.
pub fn check(request: &HttpRequest, origins: &Origins, prefix: &str) -> Result<Upgrade, HttpError> {
    let room = room_part(request.path(), prefix).ok_or_else(HttpError::not_found)?;
    if request.method() != "GET" {
        return Err(HttpError::method_not_allowed("GET"));
    }
    if request.version() == Version::Http10 {
        let message = "a WebSocket needs HTTP/1.1; a proxy in front may have to be told so";
        return Err(HttpError::bad_request("http_version", message));
    }
    request.host()?;
    check_wish(request)?;
    let accept_key = accept_key(request)?;
    check_no_body(request)?;
    let room = decode_room(room)?;
    origins.check(request)?;
    let since = query(request, "last_event_id", "bad_position")?;
    Ok(Upgrade {
        accept_key,
        token: BearerToken::find(request)?,
        subprotocol: request
            .list("sec-websocket-protocol")
            .any(|entry| entry == SUBPROTOCOL)
            .then_some(SUBPROTOCOL),
        from_page: request.header("origin").is_some(),
        user: request.query("user").filter(|user| !user.is_empty()).map(String::from),
        session: query(request, "session", "bad_session")?,
        since: since.filter(|_| room.is_some()),
        room,
    })
}

/// Parses a query parameter.
fn query<T>(request: &HttpRequest, name: &str, code: &'static str) -> Result<Option<T>, HttpError>
where
    T: FromStr<Err: Display>,
{
    let value = request.query(name).filter(|value| !value.is_empty());
    let parsed = value.map(|value| value.parse()).transpose();
    parsed.map_err(|error: T::Err| {
        HttpError::bad_request(code, alloc::format!("the query parameter {name} {error}"))
    })
}

fn names_websocket(request: &HttpRequest) -> bool {
    request.list("upgrade").any(|entry| entry.eq_ignore_ascii_case("websocket"))
}

fn lists_upgrade(request: &HttpRequest) -> bool {
    request.list("connection").any(|entry| entry.eq_ignore_ascii_case("upgrade"))
}

fn check_wish(request: &HttpRequest) -> Result<(), HttpError> {
    let required = |message| Err(HttpError::upgrade_required("upgrade_required", message));
    if !names_websocket(request) {
        return required("this path speaks WebSocket: the Upgrade header must be websocket");
    }
    if !lists_upgrade(request) {
        return required("the Connection header must list Upgrade; a proxy may have removed it");
    }
    if request.single("sec-websocket-version")? != Some("13") {
        let message = "the Sec-WebSocket-Version must be 13";
        return Err(HttpError::upgrade_required("websocket_version", message));
    }
    Ok(())
}

/// Checks the client's key and returns the accept value (RFC 6455 sections 4.2.1 item 5 and 4.2.2
/// item 5.4).
fn accept_key(request: &HttpRequest) -> Result<String, HttpError> {
    const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    /// Some clients draw 24 characters instead of 16 bytes. Their last bits are meaningless and
    /// harmless.
    const LENIENT: GeneralPurpose =
        GeneralPurpose::new(&base64::alphabet::STANDARD, PAD.with_decode_allow_trailing_bits(true));

    let key = request.single("sec-websocket-key")?.unwrap_or_default();
    let mut nonce = [0; 18];
    // Do not decode if the length cannot be right.
    if key.len() != 24 || LENIENT.decode_slice(key, &mut nonce) != Ok(16) {
        let message = "the Sec-WebSocket-Key must be 16 bytes in base64";
        return Err(HttpError::bad_request("websocket_key", message));
    }
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(GUID.as_bytes());
    Ok(STANDARD.encode(hash.digest().bytes()))
}

fn check_no_body(request: &HttpRequest) -> Result<(), HttpError> {
    let chunked = request.header("transfer-encoding").is_some();
    if chunked || request.content_length()? > 0 {
        let message = "a WebSocket handshake has no body";
        return Err(HttpError::bad_request("unexpected_body", message));
    }
    Ok(())
}

/// Returns what follows the prefix and a slash; empty at the prefix itself, `None` elsewhere.
fn room_part<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(prefix.trim_end_matches('/'))?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

fn decode_room(part: &str) -> Result<Option<String>, HttpError> {
    let Ok(room) = percent_decode_str(part).decode_utf8() else {
        return Err(HttpError::bad_request("bad_room", "the name of the room is not UTF-8"));
    };
    Ok((!room.is_empty()).then(|| room.as_ref().to_owned()))
}
