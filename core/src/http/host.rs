//! The names that a server is reached by.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use super::authority::{is_loopback, split_port};
use super::error::{HttpError, excerpt, listed};
use super::request::HttpRequest;
use super::upgrade::wants_upgrade;

/// Which hosts a request may name.
///
/// A page can have a name of its own resolve to the address of a server that only this machine, or
/// only this network, can reach. To the browser, page and server then have the same origin (DNS
/// rebinding). Only the `Host` tells: it is still the page's.
///
/// ```
/// use switchboard_core::http::{Hosts, HttpRequest};
///
/// let hosts = Hosts::LoopbackOr(vec!["chat.test".parse().unwrap()]);
/// let get = |host| HttpRequest::from_parts("GET", "/", [("Host", host)]).unwrap();
/// assert!(hosts.check(&get("localhost:8080")).is_ok());
/// assert!(hosts.check(&get("chat.test")).is_ok());
/// assert_eq!(hosts.check(&get("evil.test")).unwrap_err().code, "host_not_allowed");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Hosts {
    /// Every host.
    #[default]
    Any,
    /// Only the hosts that match a pattern.
    Only(Vec<HostPattern>),
    /// `localhost`, the addresses 127.0.0.0/8 and `[::1]`, and the hosts that match a pattern: for
    /// a server that listens on loopback and asks for no token.
    LoopbackOr(Vec<HostPattern>),
}

impl Hosts {
    /// Checks the host of a request. An upgrade without an `Origin` may name any host: it does not
    /// come from a page, and the client could claim any.
    ///
    /// # Errors
    /// 403 `host_not_allowed`, naming the host. 400 `bad_host` if there is no host, and
    /// `repeated_header` if there are several, whatever hosts are allowed.
    pub fn check(&self, request: &HttpRequest) -> Result<(), HttpError> {
        let host = request.host()?;
        let is_from_program = wants_upgrade(request) && request.header("origin").is_none();
        if is_from_program || self.allows(host) {
            return Ok(());
        }
        let message = format!("the host {} is not one that this server is known by", excerpt(host));
        Err(HttpError::forbidden("host_not_allowed", message).comparing_with(self.compared()))
    }

    /// Describes what the host of a request is compared with.
    fn compared(&self) -> String {
        match self {
            Hosts::Any => "*".to_owned(),
            Hosts::Only(patterns) => excerpt(&listed(patterns)),
            Hosts::LoopbackOr(patterns) if patterns.is_empty() => "loopback".to_owned(),
            Hosts::LoopbackOr(patterns) => excerpt(&format!("loopback, {}", listed(patterns))),
        }
    }

    fn allows(&self, authority: &str) -> bool {
        let matches = |patterns: &[HostPattern]| patterns.iter().any(|it| it.matches(authority));
        match self {
            Hosts::Any => true,
            Hosts::Only(patterns) => matches(patterns),
            Hosts::LoopbackOr(patterns) => names_loopback(authority) || matches(patterns),
        }
    }
}

impl HttpRequest {
    /// Returns whether the request names this machine as its host: `localhost`, an address of
    /// 127.0.0.0/8, or `[::1]`.
    pub fn is_for_loopback(&self) -> bool {
        self.host().is_ok_and(names_loopback)
    }
}

fn names_loopback(authority: &str) -> bool {
    split_port(authority).is_some_and(|(host, _)| is_loopback(host))
}

/// A host, `example.com`, with any port, or with one, `example.com:8443`; `*` is every host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    /// `None` for every host.
    host: Option<String>,
    /// `None` for any port.
    port: Option<u16>,
}

impl HostPattern {
    fn matches(&self, authority: &str) -> bool {
        let Some(expected) = &self.host else { return true };
        split_port(authority).is_some_and(|(host, port)| {
            host.eq_ignore_ascii_case(expected) && (self.port.is_none() || self.port == port)
        })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.host.as_deref().unwrap_or("*"))?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl FromStr for HostPattern {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<HostPattern, InvalidHost> {
        if text == "*" {
            return Ok(HostPattern { host: None, port: None });
        }
        match split_port(text) {
            Some((host, port)) if !host.contains('*') && !text.ends_with(':') => {
                Ok(HostPattern { host: Some(host.to_owned()), port })
            }
            _ => Err(InvalidHost(text.to_owned())),
        }
    }
}

/// A text that is not a [`HostPattern`]: it has a scheme, a path, or a `*` beside other characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidHost(String);

impl fmt::Display for InvalidHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a host such as example.com or example.com:8443", self.0)
    }
}

impl core::error::Error for InvalidHost {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn patterns(texts: &[&str]) -> Vec<HostPattern> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn get(host: &str) -> HttpRequest {
        HttpRequest::from_parts("GET", "/", [("Host", host)]).unwrap()
    }

    fn upgrade(host: &str, origin: Option<&str>) -> HttpRequest {
        let headers = [("Host", host), ("Upgrade", "websocket"), ("Connection", "Upgrade")];
        let origin = origin.map(|origin| ("Origin", origin));
        HttpRequest::from_parts("GET", "/ws", headers.into_iter().chain(origin)).unwrap()
    }

    #[test]
    fn a_server_on_loopback_is_reached_by_its_own_names_and_those_listed() {
        let hosts = Hosts::LoopbackOr(patterns(&["chat.test", "dev.test:8443"]));
        for host in ["localhost:1", "127.0.0.1:8080", "[::1]:8080", "CHAT.test:9", "dev.test:8443"]
        {
            assert_eq!(hosts.check(&get(host)), Ok(()), "{host}");
        }
        for host in ["evil.test:8080", "dev.test", "dev.test:1", "x.chat.test", "127.0.0.1:x"] {
            let refusal = hosts.check(&get(host)).unwrap_err();
            assert_eq!((refusal.status.code(), refusal.code), (403, "host_not_allowed"));
            assert!(refusal.message.contains(host), "{refusal}");
        }
    }

    #[test]
    fn only_the_listed_hosts_are_served_elsewhere() {
        let hosts = Hosts::Only(patterns(&["chat.test"]));
        assert_eq!(hosts.check(&get("chat.test")), Ok(()));
        assert_eq!(hosts.check(&get("localhost")).unwrap_err().code, "host_not_allowed");
        assert_eq!(Hosts::Only(patterns(&["*"])).check(&get("anything")), Ok(()));
        assert_eq!(Hosts::Any.check(&get("anything")), Ok(()));
    }

    #[test]
    fn an_upgrade_is_checked_only_if_a_page_asks() {
        let hosts = Hosts::LoopbackOr(Vec::new());
        assert_eq!(hosts.check(&upgrade("evil.test", None)), Ok(()));
        for origin in ["http://evil.test", "null", ""] {
            let refusal = hosts.check(&upgrade("evil.test", Some(origin))).unwrap_err();
            assert_eq!(refusal.code, "host_not_allowed", "{origin}");
        }
        assert_eq!(hosts.check(&upgrade("localhost", Some("http://evil.test"))), Ok(()));
    }

    #[test]
    fn the_log_is_told_what_the_host_was_compared_with() {
        let compared = |hosts: Hosts| {
            let refusal = hosts.check(&get("evil.test")).unwrap_err();
            refusal.compared_with().unwrap_or_default().to_string()
        };
        let listed = || patterns(&["chat.test", "dev.test:8443"]);
        assert_eq!(compared(Hosts::LoopbackOr(Vec::new())), "loopback");
        assert_eq!(compared(Hosts::LoopbackOr(listed())), "loopback, chat.test, dev.test:8443");
        assert_eq!(compared(Hosts::Only(listed())), "chat.test, dev.test:8443");
        assert_eq!(compared(Hosts::Only(Vec::new())), "an empty list");
    }

    #[test]
    fn a_request_for_this_machine_names_it() {
        assert!(get("localhost:8080").is_for_loopback());
        assert!(!get("chat.test").is_for_loopback());
        assert!(!HttpRequest::from_parts("GET", "/", [("A", "b")]).unwrap().is_for_loopback());
    }

    #[test]
    fn a_request_names_exactly_one_host() {
        let none = HttpRequest::from_parts("GET", "/", [("A", "b")]).unwrap();
        let two = HttpRequest::from_parts("GET", "/", [("Host", "a"), ("Host", "a")]).unwrap();
        for hosts in [Hosts::Any, Hosts::Only(Vec::new()), Hosts::LoopbackOr(Vec::new())] {
            assert_eq!(hosts.check(&none).unwrap_err().code, "bad_host");
            let refusal = hosts.check(&two).unwrap_err();
            assert_eq!((refusal.status.code(), refusal.code), (400, "repeated_header"));
        }
    }

    #[test]
    fn a_pattern_that_could_never_match_is_refused() {
        for text in
            ["", "https://a.test", "a.test/", "*.a.test", "a*", "a.test:", "a.test:x", "a b"]
        {
            let error = text.parse::<HostPattern>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{text:?} is not a host")), "{error}");
        }
    }
}
