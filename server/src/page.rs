//! The page, and other answers over HTTP.

use std::borrow::Cow;

use switchboard_core::http::{HttpError, HttpRequest, Response, Status};

/// Only the page's own files are run or fetched. WebSockets may go anywhere, because a page opened
/// under another name of this machine has another origin.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss: blob:; img-src 'self' blob: data:; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

macro_rules! files {
    ($($name:literal: $kind:literal,)*) => {
        &[$((
            $name,
            $kind,
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/page/", $name)),
        ),)*]
    };
}

const FILES: &[(&str, &str, &[u8])] = files! {
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "favicon.svg": "image/svg+xml",
    "app.js": "text/javascript; charset=utf-8",
    "chart.js": "text/javascript; charset=utf-8",
    "chat.js": "text/javascript; charset=utf-8",
    "closes.js": "text/javascript; charset=utf-8",
    "dashboard.js": "text/javascript; charset=utf-8",
    "dom.js": "text/javascript; charset=utf-8",
    "fill.js": "text/javascript; charset=utf-8",
    "format.js": "text/javascript; charset=utf-8",
    "health.js": "text/javascript; charset=utf-8",
    "images.js": "text/javascript; charset=utf-8",
    "members.js": "text/javascript; charset=utf-8",
    "messages.js": "text/javascript; charset=utf-8",
    "names.js": "text/javascript; charset=utf-8",
    "roster.js": "text/javascript; charset=utf-8",
    "scale.js": "text/javascript; charset=utf-8",
    "switchboard-client.js": "text/javascript; charset=utf-8",
    "visit.js": "text/javascript; charset=utf-8",
};

/// Returns one of the page's files, or 404.
pub(crate) fn file(request: &HttpRequest) -> Response {
    let name = match request.path() {
        "/" => "index.html",
        path => path.trim_start_matches('/'),
    };
    let found = FILES.iter().find(|(known, ..)| *known == name);
    let Some((_, kind, bytes)) = found else { return HttpError::not_found().to_response() };
    Response::new(Status::Ok, kind, *bytes)
        .header("Content-Security-Policy", POLICY)
        .header("X-Content-Type-Options", "nosniff")
        .header("Referrer-Policy", "no-referrer")
        .no_store()
}

/// Returns a plain-text response.
pub(crate) fn text(status: Status, text: impl Into<Cow<'static, str>>) -> Response {
    let mut text = text.into().into_owned();
    text.push('\n');
    Response::new(status, "text/plain; charset=utf-8", text).no_store()
}

/// Returns a JSON response.
pub(crate) fn json(value: &serde_json::Value) -> Response {
    Response::new(Status::Ok, "application/json", format!("{value:#}\n")).no_store()
}
