//! The credential of a request.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use core::fmt;

use super::error::HttpError;
use super::request::HttpRequest;

/// The prefix of a subprotocol entry that carries a token.
const SUBPROTOCOL_PREFIX: &str = "bearer.";

/// A bearer token as the client sent it, not verified. It prints as `redacted`, so that it cannot
/// reach a log by accident; only [`expose`](BearerToken::expose) reveals it.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(String);

impl BearerToken {
    /// Finds the token of any request, an upgrade or not. In this order:
    ///
    /// 1. `Authorization: Bearer <token>` (RFC 6750 section 2.1; the scheme in any case),
    /// 2. an entry `bearer.<token>` in `Sec-WebSocket-Protocol`, for browsers, which cannot set the
    ///    former,
    /// 3. `?token=<token>` in the query.
    ///
    /// An `Authorization` of another scheme and an empty token are ignored. White space around a
    /// token is not part of it, such as the line break at the end of a file that it was read from.
    ///
    /// # Errors
    /// 400 `repeated_header` if there is more than one `Authorization`: a proxy in front may have
    /// checked the other one.
    pub fn find(request: &HttpRequest) -> Result<Option<BearerToken>, HttpError> {
        let authorization = request.single("authorization")?.and_then(bearer);
        let token = authorization
            .or_else(|| request.list("sec-websocket-protocol").find_map(in_subprotocol))
            .map(Cow::Borrowed)
            .or_else(|| request.query("token"))
            .map(|token| token.trim().to_string())
            .filter(|token| !token.is_empty());
        Ok(token.map(BearerToken))
    }

    /// Returns the token itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redacted")
    }
}

impl fmt::Display for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redacted")
    }
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn in_subprotocol(entry: &str) -> Option<&str> {
    let prefix = entry.get(..SUBPROTOCOL_PREFIX.len())?;
    let token = &entry[SUBPROTOCOL_PREFIX.len()..];
    (prefix.eq_ignore_ascii_case(SUBPROTOCOL_PREFIX) && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn token(target: &str, headers: &[(&str, &str)]) -> Option<String> {
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        let request = HttpRequest::from_parts("GET", target, headers).unwrap();
        BearerToken::find(&request).unwrap().map(|token| token.expose().to_string())
    }

    #[test]
    fn the_header_wins_over_the_subprotocol_and_that_over_the_query() {
        let header = ("Authorization", "bEARER  a");
        let subprotocol = ("Sec-WebSocket-Protocol", "switchboard, bearer.b");
        assert_eq!(token("/ws?token=c", &[subprotocol, header]).as_deref(), Some("a"));
        assert_eq!(token("/ws?token=c", &[subprotocol]).as_deref(), Some("b"));
        assert_eq!(token("/ws?token=c%2B", &[]).as_deref(), Some("c+"));
        assert_eq!(token("/ws", &[]), None);
    }

    #[test]
    fn an_empty_token_or_another_scheme_is_none() {
        assert_eq!(token("/ws?token=", &[]), None);
        assert_eq!(token("/ws?token=c", &[("Authorization", "Basic eDp5")]).as_deref(), Some("c"));
        assert_eq!(token("/ws", &[("Authorization", "Bearer")]), None);
        assert_eq!(token("/ws", &[("Sec-WebSocket-Protocol", "bearer.,bearerx,é.......")]), None);
    }

    #[test]
    fn a_line_break_at_the_end_is_not_part_of_a_token() {
        assert_eq!(token("/ws?token=c%0A", &[]).as_deref(), Some("c"));
        assert_eq!(token("/ws?token=+c%0D%0A", &[]).as_deref(), Some("c"));
        assert_eq!(token("/ws?token=%0A", &[]), None);
        assert_eq!(token("/ws?token=c%0Ad", &[]).as_deref(), Some("c\nd"), "that is invalid");
    }

    #[test]
    fn two_authorizations_are_refused() {
        let headers = [("Authorization", "Bearer a"), ("authorization", "Bearer b")];
        let request = HttpRequest::from_parts("GET", "/ws", headers).unwrap();
        assert_eq!(BearerToken::find(&request).unwrap_err().code, "repeated_header");
    }

    #[test]
    fn a_token_prints_as_redacted() {
        let token = BearerToken("secret".to_string());
        assert_eq!(format!("{token} {token:?}"), "redacted redacted");
    }
}
