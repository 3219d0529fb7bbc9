//! What limits per address count by.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr};

/// The part of a client's address that limits count by: an IPv4 address, or the first 64 bits of an
/// IPv6 address, since one subscriber usually has that many addresses (RFC 6177, section 2).
///
/// ```
/// use std::net::IpAddr;
/// use switchboard_core::Network;
///
/// let network = |text: &str| text.parse().map(|address: IpAddr| Network::from(address));
/// assert_eq!(network("2001:db8::1"), network("2001:db8::2"));
/// assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
/// assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
/// assert_eq!(network("2001:db8::1")?.to_string(), "2001:db8::/64");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Network(IpAddr);

impl Network {
    /// Returns whether it is this machine: 127.0.0.0/8 or ::1.
    pub fn is_loopback(self) -> bool {
        // The first 64 bits of ::1 are those of no address that is ever routed.
        self.0.is_loopback() || self.0 == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => {
                let bits = address.to_bits() >> 64 << 64;
                Ipv6Addr::from_bits(bits).into()
            }
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(address) => write!(f, "{address}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::from(text.parse::<IpAddr>().expect("an address"))
    }

    #[test]
    fn an_ipv6_network_has_64_bits() {
        let same = network("2001:db8:1:2::");
        assert_eq!(network("2001:db8:1:2:ffff:ffff:ffff:ffff"), same);
        assert_ne!(network("2001:db8:1:3::"), same);
    }

    #[test]
    fn this_machine_has_two_names() {
        for text in ["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"] {
            assert!(network(text).is_loopback(), "{text}");
        }
        for text in ["128.0.0.1", "fe80::1", "0.0.0.0", "2001:db8::1"] {
            assert!(!network(text).is_loopback(), "{text}");
        }
    }
}
