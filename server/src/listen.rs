//! Listens on every address of a name, such as the two of `localhost`.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};

use smol::Async;

/// The error of Linux for a family of addresses that the machine does not have (EAFNOSUPPORT).
const NO_SUCH_FAMILY: i32 = 97;

/// How many ports are tried if one is free at the first address and taken at another.
const PORTS_TRIED: usize = 16;

/// Binds a listener to each address. With port 0, all get the same free port. An address that the
/// machine does not have, as `[::1]` where there is no IPv6, is left out if there is another.
pub(crate) fn listen(addresses: &[SocketAddr]) -> io::Result<Vec<Async<TcpListener>>> {
    let is_port_free = addresses.iter().any(|address| address.port() == 0);
    let mut ports_left = if is_port_free { PORTS_TRIED } else { 1 };
    loop {
        ports_left -= 1;
        match listen_once(addresses) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && ports_left > 0 => {}
            result => return result,
        }
    }
}

fn listen_once(addresses: &[SocketAddr]) -> io::Result<Vec<Async<TcpListener>>> {
    let mut listeners: Vec<Async<TcpListener>> = Vec::new();
    let mut missing = io::Error::from(ErrorKind::AddrNotAvailable);
    for address in addresses {
        let mut address = *address;
        if let Some(first) = listeners.first() {
            address.set_port(first.get_ref().local_addr()?.port());
        }
        match switchboard_smol::bind(address) {
            Ok(listener) => listeners.push(listener),
            Err(error) if is_missing(&error) => {
                tracing::info!(%address, "not listening here, this machine has no such address");
                missing = error;
            }
            Err(error) => return Err(error),
        }
    }
    if listeners.is_empty() { Err(missing) } else { Ok(listeners) }
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(NO_SUCH_FAMILY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(addresses: &[&str]) -> io::Result<Vec<SocketAddr>> {
        let addresses: Vec<_> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        listen(&addresses)?.iter().map(|listener| listener.get_ref().local_addr()).collect()
    }

    #[test]
    fn every_address_is_listened_on_at_one_port() {
        let bound = at(&["127.0.0.1:0", "127.0.0.2:0"]).unwrap();
        assert_eq!(bound.len(), 2);
        assert_ne!(bound[0].ip(), bound[1].ip());
        assert_ne!(bound[0].port(), 0);
        assert_eq!(bound[0].port(), bound[1].port());
    }

    #[test]
    fn an_address_of_another_machine_is_left_out_if_there_is_another() {
        let bound = at(&["192.0.2.1:0", "127.0.0.1:0"]).unwrap();
        assert_eq!(bound.len(), 1);
        assert!(bound[0].ip().is_loopback());
        let alone = at(&["192.0.2.1:0"]).unwrap_err();
        assert_eq!(alone.kind(), ErrorKind::AddrNotAvailable);
        assert_eq!(at(&[]).unwrap_err().kind(), ErrorKind::AddrNotAvailable);
    }

    #[test]
    fn a_port_that_is_taken_at_one_address_is_an_error() {
        let taken = TcpListener::bind("127.0.0.2:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let addresses = [format!("127.0.0.1:{port}"), format!("127.0.0.2:{port}")];
        let error = at(&addresses.each_ref().map(String::as_str)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    }
}
