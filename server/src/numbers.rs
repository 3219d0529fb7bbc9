//! Access to the statistics: over HTTP, and in their room.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use switchboard_core::http::{BearerToken, HttpError, HttpRequest};

use crate::auth::{AuthError, Identity, Verifier};
use crate::config::Stats;

/// The claim of a token whose holder may see the statistics.
const CLAIM: &str = "stats";

/// Decides which clients may see the statistics.
pub(crate) struct Numbers {
    shown: Stats,
    verifier: Option<Arc<Verifier>>,
}

impl Numbers {
    pub(crate) fn new(shown: Stats, verifier: Option<Arc<Verifier>>) -> Self {
        Self { shown, verifier }
    }

    /// Checks a request for the statistics.
    ///
    /// # Errors
    /// 404 if they are shown to nobody; 401 or 403 if they are not shown to this peer.
    pub(crate) fn check(&self, request: &HttpRequest) -> Result<(), HttpError> {
        let forbidden = |message| Err(HttpError::forbidden("forbidden", message));
        match self.shown {
            Stats::Off => Err(HttpError::not_found()),
            Stats::Loopback if is_local(request) => Ok(()),
            Stats::Loopback => forbidden("the statistics are shown on this machine only"),
            Stats::Token => {
                let token = BearerToken::find(request)?;
                if shows(&verify(self.verifier.as_deref(), token.as_ref())?) {
                    Ok(())
                } else {
                    forbidden("the token does not show the statistics (claim `stats`)")
                }
            }
        }
    }

    /// Returns whether a client may enter the room of the statistics; `identity` is what its token
    /// says, if it has one.
    pub(crate) fn opens_room(&self, request: &HttpRequest, identity: Option<&Identity>) -> bool {
        match self.shown {
            Stats::Off => false,
            Stats::Loopback => is_local(request),
            Stats::Token => identity.is_some_and(shows),
        }
    }
}

/// Returns whether a token's holder may see the statistics.
pub(crate) fn shows(identity: &Identity) -> bool {
    identity.claims.get(CLAIM) == Some(&Value::Bool(true))
}

/// Returns whether a request comes from this machine, and does not say that it was passed on.
pub(crate) fn is_local(request: &HttpRequest) -> bool {
    let is_peer_here =
        request.address().is_some_and(|address| address.to_canonical().is_loopback());
    let is_trace = |name: &str| {
        let name = name.to_ascii_lowercase();
        matches!(&*name, "forwarded" | "via" | "x-real-ip") || name.starts_with("x-forwarded-")
    };
    is_peer_here && request.is_for_loopback() && !request.headers().any(|(name, _)| is_trace(name))
}

/// Checks a request's token, now.
pub(crate) fn verify(
    verifier: Option<&Verifier>,
    token: Option<&BearerToken>,
) -> Result<Identity, HttpError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let verified = match (verifier, token) {
        (Some(verifier), Some(token)) => verifier.verify(token.expose(), now),
        _ => Err(AuthError::Missing),
    };
    verified.map_err(|error| HttpError::unauthorized(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(address: Option<&str>, host: &str, more: &[(&str, &str)]) -> HttpRequest {
        let headers = [("Host", host)].into_iter().chain(more.iter().copied());
        let request = HttpRequest::from_parts("GET", "/api/stats", headers).unwrap();
        request.with_address(address.map(|address| address.parse().unwrap()))
    }

    #[test]
    fn a_local_request_comes_from_here_to_here_and_was_not_passed_on() {
        for (address, host) in [
            ("127.0.0.1", "localhost:8080"),
            ("127.3.2.1", "127.0.0.1"),
            ("::1", "[::1]:8080"),
            ("::ffff:127.0.0.1", "LOCALHOST"),
        ] {
            assert!(is_local(&request(Some(address), host, &[])), "{address} {host}");
        }
        let here = Some("127.0.0.1");
        assert!(!is_local(&request(None, "localhost", &[])), "its address is unknown");
        assert!(!is_local(&request(Some("192.0.2.1"), "localhost", &[])));
        assert!(!is_local(&request(here, "chat.test", &[])));
        for name in [
            "Forwarded",
            "X-Forwarded-For",
            "x-forwarded-proto",
            "X-Forwarded-Host",
            "VIA",
            "X-Real-IP",
        ] {
            assert!(!is_local(&request(here, "localhost", &[(name, "")])), "{name}");
        }
        assert!(is_local(&request(here, "localhost", &[("X-Forward", ""), ("Viable", "")])));
    }

    #[test]
    fn what_is_shown_to_nobody_is_not_there() {
        let local = request(Some("::1"), "localhost", &[]);
        let unknown = request(None, "localhost", &[]);
        let status = |stats, request: &HttpRequest| {
            Numbers::new(stats, None).check(request).map_err(|refusal| refusal.status.code())
        };
        assert_eq!(status(Stats::Off, &local), Err(404));
        assert_eq!(status(Stats::Loopback, &local), Ok(()));
        assert_eq!(status(Stats::Loopback, &unknown), Err(403));
        assert_eq!(status(Stats::Token, &local), Err(401), "there is no token");
    }
}
