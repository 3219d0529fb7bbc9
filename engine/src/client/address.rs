//! Where the server is.
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use switchboard_core::RoomName;

/// What needs no escape in a query.
const QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':');

/// The address of a server, such as `wss://chat.example.com/ws/lobby`.
///
/// ```
/// use switchboard_engine::client::Address;
///
/// let address = Address::parse("ws://localhost:8080/ws/lobby")?;
/// assert_eq!((address.host(), address.port(), address.is_secure()), ("localhost", 8080, false));
/// assert_eq!(address.room().map(|room| room.as_str()), Some("lobby"));
/// assert!(Address::parse("http://localhost").is_err());
/// # Ok::<(), switchboard_engine::client::AddressError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    secure: bool,
    host: String,
    port: u16,
    path: String,
    query: String,
    room: Option<RoomName>,
}

/// The text is not the address of a WebSocket server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressError(&'static str);

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid address: {}", self.0)
    }
}

impl std::error::Error for AddressError {}

impl Address {
    /// Reads `ws://HOST[:PORT][/PATH][?QUERY]`, or the same with `wss`. Without a path it is `/ws`.
    ///
    /// # Errors
    /// If it is something else.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let bad = |why| Err(AddressError(why));
        if text.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return bad("it has a space or a control character");
        }
        let text = text.split_once('#').map_or(text, |(text, _)| text);
        let Some((scheme, rest)) = text.split_once("://") else {
            return bad("it must begin with ws:// or wss://");
        };
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "ws" => false,
            "wss" => true,
            _ => return bad("it must begin with ws:// or wss://"),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        if authority.contains('@') {
            return bad("a name or password in it is not supported; use a token");
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(inside) => {
                let Some((host, port)) = inside.split_once(']') else {
                    return bad("the bracket is not closed");
                };
                (host, port.strip_prefix(':').or(if port.is_empty() { None } else { Some("-") }))
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        if host.is_empty() {
            return bad("it has no host");
        }
        let port = match port {
            None => {
                if secure {
                    443
                } else {
                    80
                }
            }
            Some(digits) => match digits.parse() {
                Ok(port) if port > 0 && digits.bytes().all(|byte| byte.is_ascii_digit()) => port,
                _ => return bad("the port must be a number from 1 to 65535"),
            },
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = if matches!(path, "" | "/") { "/ws" } else { path };
        Ok(Self {
            secure,
            host: host.to_owned(),
            port,
            room: room_of(path),
            path: path.to_owned(),
            query: query.to_owned(),
        })
    }

    /// The host's name or IP address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is `wss`.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The room that the server puts the client into at once: `ROOM` in the path `…/ws/ROOM`.
    pub fn room(&self) -> Option<&RoomName> {
        self.room.as_ref()
    }

    /// The value of the `Host` header.
    pub(super) fn host_header(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = if self.secure { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }

    /// Path and query, with these added.
    pub(super) fn target(&self, more: &[(&str, Option<&str>)]) -> String {
        let mut target = format!("{}?{}", self.path, self.query);
        for (name, value) in more {
            if let Some(value) = value {
                if !target.ends_with('?') && !target.ends_with('&') {
                    target.push('&');
                }
                target.push_str(name);
                target.push('=');
                target.extend(utf8_percent_encode(value, QUERY));
            }
        }
        if target.ends_with('?') {
            target.pop();
        }
        target
    }
}

/// The query is not shown, because it may hold a token.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.host_header(), self.path)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn room_of(path: &str) -> Option<RoomName> {
    let (before, last) = path.rsplit_once('/')?;
    if !before.ends_with("/ws") {
        return None;
    }
    RoomName::new(&percent_decode_str(last).decode_utf8().ok()?).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_found() {
        for (text, host, port, target) in [
            ("ws://a", "a", 80, "/ws"),
            ("WSS://a.example/", "a.example", 443, "/ws"),
            ("ws://a:81/x/ws/l%20y?user=u", "a", 81, "/x/ws/l%20y?user=u"),
            ("ws://[::1]:82?user=u#f", "::1", 82, "/ws?user=u"),
            ("wss://[::1]/ws", "::1", 443, "/ws"),
        ] {
            let address = Address::parse(text).unwrap();
            let found = (address.host(), address.port(), address.target(&[]));
            assert_eq!(found, (host, port, target.to_string()), "{text}");
        }
        let room = Address::parse("ws://a:81/x/ws/l%20y").unwrap().room().cloned();
        assert_eq!(room.unwrap().as_str(), "l y");
        let address = Address::parse("ws://a/ws?user=u").unwrap();
        let more = [("session", Some("a b")), ("none", None)];
        assert_eq!(address.target(&more), "/ws?user=u&session=a%20b");
        assert_eq!(
            Address::parse("wss://[::1]:9/ws?token=x").unwrap().to_string(),
            "wss://[::1]:9/ws"
        );
    }

    #[test]
    fn what_is_no_address_says_why() {
        for text in [
            "",
            "a",
            "http://a",
            "ws://",
            "ws://:80",
            "ws://a:0",
            "ws://a:x",
            "ws://a:+1",
            "ws://a:65536",
            "ws://[::1",
            "ws://[::1]x",
            "ws://u:p@a",
            "ws://a b",
            "ws://a/\r\nx: y",
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(error.to_string().starts_with("invalid address: "), "{text}");
        }
    }
}
