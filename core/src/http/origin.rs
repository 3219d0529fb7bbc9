//! The web pages that may connect.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use super::authority::{is_loopback, split_port};
use super::error::{HttpError, excerpt, listed};
use super::request::HttpRequest;

/// Which web pages may connect (RFC 6455 section 10.2).
///
/// A browser sends a user's cookies to any server that a page names, and the same-origin policy
/// does not cover WebSockets, so the server must check `Origin`. A client that is not a browser
/// sends no `Origin` and is always allowed: it could claim any.
///
/// ```
/// use switchboard_core::http::{HttpRequest, Origins};
///
/// let origins = Origins::list(["https://example.com", "https://*.example.com"]).unwrap();
/// let from = |origin| {
///     let headers = [("Host", "ws.example.net"), ("Origin", origin)];
///     HttpRequest::from_parts("GET", "/ws", headers).unwrap()
/// };
/// assert!(origins.check(&from("https://shop.example.com")).is_ok());
/// assert!(origins.check(&from("https://example.org")).is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Every page.
    Any,
    /// Pages from the same host and port that they connect to. A missing port is the default port
    /// of the page's scheme on both sides; the scheme itself is not compared, because a proxy in
    /// front may have terminated TLS.
    #[default]
    SameHost,
    /// The same, and pages of this machine, from any port: `http` or `https` at `localhost`, an
    /// address of 127.0.0.0/8, or `[::1]`. For a server that listens on loopback and asks for no
    /// token, beside a development server such as Vite.
    SameHostOrLoopback,
    /// Only the pages that match a pattern. The server's own host must be listed like any other.
    List(Vec<OriginPattern>),
}

impl Origins {
    /// Builds the setting from its entries; `*` among them allows [every page](Origins::Any). An
    /// empty list allows no page.
    ///
    /// # Errors
    /// If an entry is neither `*` nor an [`OriginPattern`].
    pub fn list<S: AsRef<str>>(
        entries: impl IntoIterator<Item = S>,
    ) -> Result<Origins, InvalidOrigin> {
        let mut patterns = Vec::new();
        let mut any = false;
        for entry in entries {
            match entry.as_ref() {
                "*" => any = true,
                pattern => patterns.push(pattern.parse()?),
            }
        }
        Ok(if any { Origins::Any } else { Origins::List(patterns) })
    }

    /// Checks the `Origin` of a request.
    ///
    /// # Errors
    /// 403 `origin_not_allowed`, naming the origin. 400 if `Origin` is repeated or the host is
    /// missing.
    pub fn check(&self, request: &HttpRequest) -> Result<(), HttpError> {
        let Some(sent) = request.single("origin")? else { return Ok(()) };
        let allowed = match self {
            Origins::Any => true,
            Origins::SameHost | Origins::SameHostOrLoopback => {
                let host = request.host()?;
                Origin::parse(sent).is_some_and(|origin| {
                    origin.is_at(host)
                        || *self == Origins::SameHostOrLoopback && origin.is_loopback()
                })
            }
            Origins::List(patterns) => Origin::parse(sent)
                .is_some_and(|origin| patterns.iter().any(|pattern| pattern.matches(&origin))),
        };
        if allowed {
            return Ok(());
        }
        let message = format!("the origin {} is not allowed to connect", excerpt(sent));
        let refusal = HttpError::forbidden("origin_not_allowed", message);
        Err(refusal.comparing_with(self.compared(request)))
    }

    /// Describes what the origin of a request is compared with.
    fn compared(&self, request: &HttpRequest) -> String {
        let host = || excerpt(request.header("host").unwrap_or_default());
        match self {
            Origins::Any => "*".to_owned(),
            Origins::SameHost => format!("host {}", host()),
            Origins::SameHostOrLoopback => format!("host {} and loopback", host()),
            Origins::List(patterns) => excerpt(&listed(patterns)),
        }
    }
}

/// One origin, `https://example.com` or `https://example.com:8443`, or all hosts below a domain,
/// `https://*.example.com` (at any depth, the domain itself not included).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPattern {
    scheme: String,
    /// The host, or with `subdomains` its suffix, from the dot on.
    host: String,
    port: Option<u16>,
    subdomains: bool,
}

impl OriginPattern {
    fn matches(&self, origin: &Origin<'_>) -> bool {
        let host = if self.subdomains {
            let start = origin.host.len().saturating_sub(self.host.len());
            if start == 0 {
                return false;
            }
            origin.host.get(start..).unwrap_or_default()
        } else {
            origin.host
        };
        self.scheme.eq_ignore_ascii_case(origin.scheme)
            && self.host.eq_ignore_ascii_case(host)
            && self.port == origin.port
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, port, subdomains } = self;
        write!(f, "{scheme}://{}{host}", if *subdomains { "*" } else { "" })?;
        match port.filter(|_| *port != default_port(scheme)) {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl FromStr for OriginPattern {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<OriginPattern, InvalidOrigin> {
        let invalid = || InvalidOrigin(text.to_owned());
        let origin = Origin::parse(text).ok_or_else(invalid)?;
        let (host, subdomains) = match origin.host.strip_prefix('*') {
            Some(suffix) if suffix.len() > 1 && suffix.starts_with('.') => (suffix, true),
            Some(_) => return Err(invalid()),
            None => (origin.host, false),
        };
        if host.contains('*') {
            return Err(invalid());
        }
        let (scheme, host) = (origin.scheme.to_owned(), host.to_owned());
        Ok(OriginPattern { scheme, host, port: origin.port, subdomains })
    }
}

/// An entry that is not an origin: no scheme, a path or slash at the end, or a `*` in the wrong
/// place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidOrigin(String);

impl fmt::Display for InvalidOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.0;
        write!(f, "{text:?} is not an origin such as https://example.com or https://*.example.com")
    }
}

impl core::error::Error for InvalidOrigin {}

/// Scheme, host and port (RFC 6454 section 4), the default port filled in.
struct Origin<'a> {
    scheme: &'a str,
    host: &'a str,
    /// `None` if the scheme has no known default port.
    port: Option<u16>,
}

impl<'a> Origin<'a> {
    /// Returns `None` unless it is exactly one origin: `null`, for example, which a sandboxed page
    /// sends.
    fn parse(text: &'a str) -> Option<Origin<'a>> {
        let (scheme, authority) = text.split_once("://")?;
        let (host, port) = split_port(authority)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let port = port.or_else(|| default_port(scheme));
        (!scheme.is_empty() && scheme.chars().all(plain)).then_some(Origin { scheme, host, port })
    }

    fn is_loopback(&self) -> bool {
        let is = |name: &str| self.scheme.eq_ignore_ascii_case(name);
        (is("http") || is("https")) && is_loopback(self.host)
    }

    fn is_at(&self, authority: &str) -> bool {
        split_port(authority).is_some_and(|(host, port)| {
            host.eq_ignore_ascii_case(self.host)
                && port.or_else(|| default_port(self.scheme)) == self.port
        })
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    if is("http") || is("ws") {
        Some(80)
    } else if is("https") || is("wss") {
        Some(443)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origins: &Origins, host: &str, origin: &str) -> bool {
        let headers = [("Host", host), ("Origin", origin)];
        origins.check(&HttpRequest::from_parts("GET", "/ws", headers).unwrap()).is_ok()
    }

    #[test]
    fn same_host_compares_host_and_port() {
        let same = |host, origin| allowed(&Origins::SameHost, host, origin);
        assert!(same("example.com", "https://example.com"));
        assert!(same("EXAMPLE.com", "http://example.COM"));
        assert!(same("example.com:443", "https://example.com"));
        assert!(same("example.com", "http://example.com:80"));
        assert!(same("localhost:8080", "http://localhost:8080"));
        assert!(same("[::1]:8080", "http://[::1]:8080"));
        assert!(!same("example.com:80", "https://example.com"));
        assert!(!same("localhost:8080", "http://localhost:3000"));
        assert!(!same("example.com", "https://example.com.evil.org"));
        assert!(!same("example.com", "https://evil.org"));
        assert!(!same("example.com", "https://evil.org https://example.com"));
        assert!(!same("example.com", "https://evil@example.com"));
        assert!(!same("example.com", "null"));
        assert!(!same("example.com", ""));
    }

    #[test]
    fn pages_of_this_machine_may_come_from_any_port() {
        let local = |origin| allowed(&Origins::SameHostOrLoopback, "127.0.0.1:8080", origin);
        for origin in [
            "http://127.0.0.1:8080",
            "http://127.0.0.1",
            "http://localhost:5173",
            "https://LOCALHOST",
            "http://[::1]:3000",
            "http://127.9.9.9:1",
        ] {
            assert!(local(origin), "{origin}");
        }
        for origin in [
            "null",
            "",
            "capacitor://localhost",
            "http://localhost.:8080",
            "http://localhost.evil.test",
            "http://127.0.0.1.evil.test:8080",
            "http://[::ffff:127.0.0.1]:8080",
            "http://192.168.0.1:8080",
        ] {
            assert!(!local(origin), "{origin}");
        }
        let same_host = allowed(&Origins::SameHostOrLoopback, "a.test", "https://a.test");
        assert!(same_host, "the same host is allowed as well");
        assert!(!allowed(&Origins::SameHost, "127.0.0.1:8080", "http://localhost:5173"));
    }

    #[test]
    fn a_list_matches_whole_origins() {
        let entries = ["https://a.org", "http://b.org:8080", "https://*.c.org"];
        let origins = Origins::list(entries).unwrap();
        let listed = |origin| allowed(&origins, "h", origin);
        assert!(listed("https://a.org"));
        assert!(listed("https://A.org:443"));
        assert!(listed("http://b.org:8080"));
        assert!(listed("https://x.c.org"));
        assert!(listed("https://x.y.C.org"));
        assert!(!listed("http://a.org"));
        assert!(!listed("https://a.org:8443"));
        assert!(!listed("http://b.org"));
        assert!(!listed("https://c.org"));
        assert!(!listed("https://.c.org"));
        assert!(!listed("https://xc.org"));
        assert!(!listed("https://é.org"));
        assert!(!listed("http://h"));
    }

    #[test]
    fn a_star_allows_every_page() {
        let any = Origins::list(["https://a.org", "*"]).unwrap();
        assert_eq!(any, Origins::Any);
        assert!(allowed(&any, "h", "null"));
        assert!(!allowed(&Origins::list([""; 0]).unwrap(), "h", "http://h"));
    }

    #[test]
    fn an_entry_that_could_never_match_is_refused() {
        for entry in ["a.org", "https://a.org/", "https://", "://a", "https://*", "https://*."] {
            assert!(Origins::list([entry]).is_err(), "{entry}");
        }
        for entry in ["https://*a.org", "https://a.*.org", "https://a.org:x", "https://a:99999"] {
            assert!(Origins::list([entry]).is_err(), "{entry}");
        }
    }

    #[test]
    fn no_origin_is_allowed_and_two_are_not() {
        let none = HttpRequest::from_parts("GET", "/ws", [("Host", "h")]).unwrap();
        assert!(Origins::SameHost.check(&none).is_ok());
        let headers = [("Host", "h"), ("Origin", "http://h"), ("Origin", "http://h")];
        let two = HttpRequest::from_parts("GET", "/ws", headers).unwrap();
        assert_eq!(Origins::Any.check(&two).unwrap_err().code, "repeated_header");
    }

    #[test]
    fn the_refusal_names_the_origin() {
        let headers = [("Host", "h"), ("Origin", "https://evil.org")];
        let request = HttpRequest::from_parts("GET", "/ws", headers).unwrap();
        let refusal = Origins::SameHost.check(&request).unwrap_err();
        assert_eq!((refusal.status.code(), refusal.code), (403, "origin_not_allowed"));
        assert!(refusal.message.contains("https://evil.org"));
        assert_eq!(refusal.compared_with(), Some("host h"));
        let compared = |origins: Origins| {
            origins.check(&request).unwrap_err().compared_with().unwrap_or_default().to_owned()
        };
        assert_eq!(compared(Origins::SameHostOrLoopback), "host h and loopback");
        let list = ["https://a.org:443", "http://*.b.org:8080"];
        assert_eq!(compared(Origins::list(list).unwrap()), "https://a.org, http://*.b.org:8080");
        assert_eq!(compared(Origins::List(Vec::new())), "an empty list");
    }
}
