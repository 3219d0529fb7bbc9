//! A host and its port, as `Host` and `Origin` name them.

use core::net::{Ipv4Addr, Ipv6Addr};

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
pub(super) fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(end);
    let outside = |c: char| c.is_control() || c.is_whitespace() || "/\\@?#,".contains(c);
    if host.is_empty() || host.contains(outside) {
        return None;
    }
    if port.is_empty() {
        return Some((host, None));
    }
    let digits = port.strip_prefix(':')?;
    if digits.is_empty() {
        // RFC 3986 section 3.2.3: a colon without a port means the default port.
        return Some((host, None));
    }
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| plain).map(|port| (host, Some(port)))
}

/// Returns whether a host, without its port, can only be this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let v6 = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback())
        || v6.and_then(|v6| v6.parse().ok()).is_some_and(|address: Ipv6Addr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_this_machine_by_name_or_address() {
        for host in ["localhost", "LocalHost", "127.0.0.1", "127.255.3.9", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "localhost.",
            "localhost.evil.test",
            "127.0.0.1.evil.test",
            "128.0.0.1",
            "127.1",
            "0.0.0.0",
            "::1",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::1",
            "",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
