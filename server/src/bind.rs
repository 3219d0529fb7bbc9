//! Where to listen, and the refusal to listen where others can connect without a token.

use std::net::{SocketAddr, ToSocketAddrs};

use crate::config::AuthMode;

/// Checks the shape `host:port` without asking the resolver.
pub(crate) fn check_address(listen: &str) -> Result<(), String> {
    let parts = listen.rsplit_once(':').filter(|(host, port)| {
        let bracketed = host.starts_with('[') && host.ends_with(']');
        !host.is_empty() && (bracketed || !host.contains(':')) && port.parse::<u16>().is_ok()
    });
    match parts {
        Some(_) => Ok(()),
        None => Err(format!(
            "{listen:?} is not an address to listen on: expected host:port, such as \
             \"127.0.0.1:8080\", \"localhost:8080\" or \"[::1]:8080\""
        )),
    }
}

/// Resolves a name such as `localhost:8080`.
pub(crate) fn resolve(listen: &str) -> Result<Vec<SocketAddr>, String> {
    let addresses = listen
        .to_socket_addrs()
        .map_err(|error| format!("cannot resolve the address {listen:?}: {error}"))?;
    // A name may have an address twice, for instance in /etc/hosts.
    let mut distinct = Vec::new();
    for address in addresses {
        if !distinct.contains(&address) {
            distinct.push(address);
        }
    }
    Ok(distinct)
}

/// Returns whether only this machine can reach all of the addresses.
pub(crate) fn is_loopback(addresses: &[SocketAddr]) -> bool {
    addresses.iter().all(|address| address.ip().to_canonical().is_loopback())
}

/// Refuses to listen without authentication on an address that other machines can reach, unless the
/// configuration allows it.
pub(crate) fn check_exposure(
    listen: &str,
    addresses: &[SocketAddr],
    auth: AuthMode,
    allow_anonymous: bool,
) -> Result<(), String> {
    if is_loopback(addresses) || auth != AuthMode::Anonymous || allow_anonymous {
        return Ok(());
    }
    Err(format!(
        "refusing to listen on {listen}: other machines can reach it, and auth.mode is \
         \"anonymous\", so anybody could connect under any name, read every room and write into \
         it.\n\
         Either set auth.mode = \"jwt\" and a secret, so that only holders of a token get in,\n\
         or pass --allow-anonymous (allow_anonymous = true) when that is what you want."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposure(listen: &str, auth: AuthMode, allowed: bool) -> Result<(), String> {
        check_exposure(listen, &resolve(listen).unwrap(), auth, allowed)
    }

    #[test]
    fn loopback_is_open_to_everybody() {
        for listen in ["127.0.0.1:80", "127.8.9.1:80", "[::1]:80", "localhost:80"] {
            assert_eq!(exposure(listen, AuthMode::Anonymous, false), Ok(()), "{listen}");
        }
        assert_eq!(exposure("[::ffff:127.0.0.1]:80", AuthMode::Anonymous, false), Ok(()));
    }

    #[test]
    fn strangers_elsewhere_need_a_word_from_the_operator() {
        for listen in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80"] {
            let refusal = exposure(listen, AuthMode::Anonymous, false).unwrap_err();
            assert!(refusal.contains(&format!("refusing to listen on {listen}: ")), "{refusal}");
            assert!(refusal.contains("auth.mode = \"jwt\""), "{refusal}");
            assert!(refusal.contains("--allow-anonymous"), "{refusal}");
            assert_eq!(exposure(listen, AuthMode::Anonymous, true), Ok(()));
            assert_eq!(exposure(listen, AuthMode::Jwt, false), Ok(()));
        }
    }

    #[test]
    fn one_exposed_address_among_many_is_enough() {
        let addresses = ["127.0.0.1:80".parse().unwrap(), "192.0.2.1:80".parse().unwrap()];
        assert!(check_exposure("both:80", &addresses, AuthMode::Anonymous, false).is_err());
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for listen in ["127.0.0.1:8080", "localhost:0", "[::1]:8080", "chat.internal:65535"] {
            assert_eq!(check_address(listen), Ok(()));
        }
        for listen in ["", "8080", ":8080", "localhost", "localhost:", "host:65536", "::1:8080"] {
            let what = check_address(listen).unwrap_err();
            assert!(what.contains("expected host:port, such as \"127.0.0.1:8080\""), "{what}");
        }
    }
}
