//! What the server answers to requests that are not upgrades: health, statistics, the page.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use switchboard_core::http::{Hosts, HttpError, HttpRequest, Response, Status};
use switchboard_smol::Handle;

use crate::auth::Identity;
use crate::numbers::Numbers;
use crate::{dashboard, page};

/// The HTTP service, which is built before its server.
pub(crate) struct Site {
    hosts: Hosts,
    numbers: Numbers,
    started: Instant,
    handle: OnceLock<Handle>,
    is_closing: AtomicBool,
}

impl Site {
    pub(crate) fn new(hosts: Hosts, numbers: Numbers, started: Instant) -> Self {
        let (handle, is_closing) = (OnceLock::new(), AtomicBool::new(false));
        Self { hosts, numbers, started, handle, is_closing }
    }

    /// Brings the server, whose numbers and readiness are shown.
    pub(crate) fn open(&self, handle: Handle) {
        // There is only one server for each site.
        let _ = self.handle.set(handle);
    }

    /// From here on the server is not ready, so that no new clients are sent to it. Those that come
    /// are served until the drain begins.
    pub(crate) fn close(&self) {
        self.is_closing.store(true, Ordering::Release);
    }

    /// Returns whether a user is connected.
    pub(crate) fn is_online(&self, user: &str) -> bool {
        self.handle.get().is_some_and(|handle| handle.is_online(user))
    }

    /// Returns whether a client may enter the room of the statistics; `identity` is what its token
    /// says, if it has one.
    pub(crate) fn opens_numbers(&self, request: &HttpRequest, identity: Option<&Identity>) -> bool {
        self.numbers.opens_room(request, identity)
    }

    pub(crate) fn answer(&self, request: &HttpRequest) -> Response {
        self.respond(request).unwrap_or_else(|refusal| refusal.to_response())
    }

    fn respond(&self, request: &HttpRequest) -> Result<Response, HttpError> {
        let is_health = matches!(request.path(), "/healthz" | "/readyz");
        if !is_health {
            self.hosts.check(request)?;
        }
        if !matches!(request.method(), "GET" | "HEAD") {
            return Err(HttpError::method_not_allowed("GET, HEAD"));
        }
        let handle = self.handle.get();
        let is_closing = self.is_closing.load(Ordering::Acquire);
        let is_draining = is_closing || handle.is_none_or(Handle::is_draining);
        Ok(match (request.path(), handle) {
            ("/healthz", _) => page::text(Status::Ok, "ok"),
            ("/readyz", _) if is_draining => page::text(Status::Unavailable, "draining"),
            ("/readyz", _) => page::text(Status::Ok, "ready"),
            ("/api/stats", Some(handle)) => {
                self.numbers.check(request)?;
                let uptime = self.started.elapsed();
                page::json(&dashboard::stats(
                    &handle.stats(),
                    handle.refused_requests(),
                    uptime,
                    is_draining,
                ))
            }
            _ => page::file(request),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Stats;

    fn status(hosts: &Hosts, method: &str, path: &str, host: Option<&str>) -> u16 {
        let numbers = Numbers::new(Stats::Loopback, None);
        let site = Site::new(hosts.clone(), numbers, Instant::now());
        let headers = host.map(|host| ("Host", host));
        let request = HttpRequest::from_parts(method, path, headers).unwrap();
        site.answer(&request).status().code()
    }

    #[test]
    fn only_the_health_paths_answer_whatever_the_host() {
        let hosts = Hosts::LoopbackOr(Vec::new());
        for (host, expected) in
            [(Some("localhost:80"), 200), (Some("evil.test"), 403), (Some(""), 400), (None, 400)]
        {
            assert_eq!(status(&hosts, "GET", "/", host), expected, "{host:?}");
            assert_eq!(status(&hosts, "GET", "/healthz", host), 200, "{host:?}");
            assert_eq!(status(&hosts, "GET", "/readyz", host), 503, "not served yet");
        }
        assert_eq!(status(&Hosts::Any, "GET", "/", Some("evil.test")), 200);
        assert_eq!(status(&Hosts::Any, "GET", "/", None), 400);
    }

    #[test]
    fn pages_are_only_read() {
        for path in ["/", "/healthz"] {
            assert_eq!(status(&Hosts::Any, "POST", path, Some("a")), 405);
            assert_eq!(status(&Hosts::Any, "HEAD", path, Some("a")), 200);
        }
    }
}
