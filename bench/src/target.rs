//! The server's address, and the requests to it.

use std::fmt;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use switchboard_engine::client::{Address, ClientUpgrade, Stream, Tls};

use crate::template::{NAMES, Template};
use crate::text::Text;

/// Timeout of the first attempt to reach the server.
const REACHABLE: Duration = Duration::from_secs(5);

/// A connection's room and user, by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) room: u32,
    pub(crate) user: u32,
}

/// The server under load.
pub(crate) struct Target {
    address: Address,
    /// The value of the `Host` header.
    host: String,
    path: Text,
    tls: Tls,
    pub(crate) at: SocketAddr,
    pub(crate) template: Template,
    run: u16,
}

impl Target {
    /// Parses the address, which may contain `{room}` and `{user}`, and checks that something
    /// listens there.
    pub(crate) fn new(
        url: &str,
        template: Template,
        ca: Option<&Path>,
        run: u16,
    ) -> Result<Self, String> {
        let whole = Text::parse(url, NAMES)?;
        let filled = whole.fill(|_| "x".to_owned());
        let address = Address::parse(&filled).map_err(|error| error.to_string())?;
        let behind = url.split_once("://").map_or(url, |(_, rest)| rest);
        let behind = behind.split_once('#').map_or(behind, |(rest, _)| rest);
        let (host, path) = behind.split_at(behind.find(['/', '?']).unwrap_or(behind.len()));
        let slash = if path.starts_with('/') { "" } else { "/" };
        let path = Text::parse(&format!("{slash}{path}"), NAMES)?;
        let tls = match ca {
            None => Tls::default(),
            Some(file) => {
                let about = |why: String| format!("{}: {why}", file.display());
                let pem = fs::read(file).map_err(|error| about(error.to_string()))?;
                Tls::with_root_pem(&pem).map_err(|error| about(error.to_string()))?
            }
        };
        let at = reach(&address)?;
        Ok(Self { host: host.to_owned(), address, path, tls, at, template, run })
    }

    /// Returns whether the server is told a connection's room.
    pub(crate) fn names_rooms(&self) -> bool {
        self.path.uses("room") || self.template.names_rooms()
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.address.is_secure()
    }

    /// Returns the stream of one connection, plain or TLS.
    pub(crate) fn stream(&self) -> Result<Stream, String> {
        Stream::new(&self.address, &self.tls).map_err(|error| error.to_string())
    }

    /// Starts the handshake of one connection, and returns the bytes of its request.
    pub(crate) fn request(&self, place: Place) -> (ClientUpgrade, Vec<u8>) {
        let mut headers =
            format!("User-Agent: switchboard-bench/{}\r\n", env!("CARGO_PKG_VERSION"));
        for header in &self.template.headers {
            headers.push_str(&self.fill(header, place));
            headers.push_str("\r\n");
        }
        ClientUpgrade::request(&self.host, &self.fill(&self.path, place), &headers)
    }

    pub(crate) fn fill(&self, text: &Text, place: Place) -> String {
        text.fill(|name| match name {
            "room" => self.room(place.room),
            _ => self.user(place.user),
        })
    }

    /// Room names differ between runs.
    pub(crate) fn room(&self, number: u32) -> String {
        format!("bench-{:04}-{number}", self.run)
    }

    pub(crate) fn user(&self, number: u32) -> String {
        format!("bench-{:04}-u{number}", self.run)
    }
}

/// Leaves out the query, which may hold a token.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure() { "wss" } else { "ws" };
        let path = self.path.fill(|name| format!("{{{name}}}"));
        let path = path.split_once('?').map_or(path.as_str(), |(path, _)| path);
        write!(f, "{scheme}://{}{path}", self.host)
    }
}

/// Returns the first of the host's addresses that accepts a connection.
fn reach(address: &Address) -> Result<SocketAddr, String> {
    let about = |error: io::Error| {
        format!("there is no server at {}:{}: {error}", address.host(), address.port())
    };
    let mut last = io::ErrorKind::NotFound.into();
    for at in (address.host(), address.port()).to_socket_addrs().map_err(about)? {
        match TcpStream::connect_timeout(&at, REACHABLE) {
            Ok(_) => return Ok(at),
            Err(error) => last = error,
        }
    }
    Err(about(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn target(listener: &TcpListener, path: &str) -> Result<Target, String> {
        let url = format!("ws://{}{path}", listener.local_addr().unwrap());
        Target::new(&url, Template::load("plain").unwrap(), None, 7)
    }

    #[test]
    fn every_connection_asks_for_its_own_room() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = Place { room: 3, user: 12 };
        for (path, line) in [
            ("/ws/{room}?user={user}#x", "GET /ws/bench-0007-3?user=bench-0007-u12 HTTP/1.1\r\n"),
            ("?a=b", "GET /?a=b HTTP/1.1\r\n"),
            ("", "GET / HTTP/1.1\r\n"),
        ] {
            let target = target(&listener, path).unwrap();
            let (_, request) = target.request(place);
            let request = String::from_utf8(request).unwrap();
            assert!(request.starts_with(line), "{request}");
            let host = format!("\r\nHost: {}\r\n", listener.local_addr().unwrap());
            assert!(request.contains(&host), "{request}");
            assert_eq!(target.names_rooms(), path.contains("{room}"));
        }
        let said = target(&listener, "/{rom}").err().unwrap();
        assert!(said.contains("there is no {rom} to fill in"), "{said}");
    }

    #[test]
    fn a_place_where_nobody_listens_is_said() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let template = Template::load("plain").unwrap();
        let said = Target::new(&format!("ws://{address}/"), template, None, 7).err().unwrap();
        assert!(said.starts_with(&format!("there is no server at {address}: ")), "{said}");
        let template = Template::load("plain").unwrap();
        let said = Target::new("http://localhost/", template, None, 7).err().unwrap();
        assert!(said.contains("must begin with ws:// or wss://"), "{said}");
    }
}
