//! The parts of a request target (RFC 9112 section 3.2).

use alloc::borrow::Cow;
use core::ops::Range;

use percent_encoding::percent_decode_str;

use super::error::HttpError;

/// Where the authority (in an absolute URI only) and the path are in a target.
pub(super) fn split_target(
    target: &str,
) -> Result<(Option<Range<usize>>, Range<usize>), HttpError> {
    let end = target.find('?').unwrap_or(target.len());
    if target.starts_with('/') || target == "*" {
        return Ok((None, 0..end));
    }
    let scheme = ["http://", "https://", "ws://", "wss://"].into_iter().find(|scheme| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let Some(scheme) = scheme else {
        // `host:port`, for CONNECT (RFC 9112 section 3.2.3), or garbage: there is no path.
        return Ok((None, 0..0));
    };
    let start = scheme.len();
    if start > end {
        return Ok((None, 0..0));
    }
    let path = target[start..end].find('/').map_or(end, |slash| start + slash);
    if target[start..path].contains('@') {
        // RFC 9110 section 4.2.4: credentials in a URI are a trap, and would reach the logs.
        return Err(HttpError::bad_request("bad_request", "the target contains user information"));
    }
    Ok((Some(start..path), path..end))
}

/// The parameters of a query: each as sent, its decoded name, its decoded value.
pub(super) fn query_pairs(query: &str) -> impl Iterator<Item = (&str, Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (pair, decode_parameter(name), decode_parameter(value))
    })
}

fn decode_parameter(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned());
    }
    percent_decode_str(text).decode_utf8_lossy()
}

/// Characters that a target or a host never contains.
pub(super) fn is_control_or_space(c: char) -> bool {
    c.is_ascii_control() || c == ' '
}
