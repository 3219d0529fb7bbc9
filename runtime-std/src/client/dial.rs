//! From an address to a connected socket.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use switchboard_engine::client::{Address, Attempt, Attempts, Over};

/// An attempt that has ended.
type Ended = (SocketAddr, io::Result<TcpStream>);

/// Resolves the host and connects to one of its addresses, within the time-out.
pub(super) fn dial(address: &Address, timeout: Duration) -> Result<TcpStream, Over> {
    let deadline = Instant::now() + timeout;
    let resolved = (address.host(), address.port()).to_socket_addrs();
    let resolved = resolved.map_err(|error| failed(&format!("cannot find {address}"), &error))?;
    connect(resolved, deadline, Over::Failed(format!("{address} has no address")))
}

/// Connects to the first of these addresses that answers. If none does, the error is that of the
/// last one, or `none` without any.
fn connect(
    addresses: impl IntoIterator<Item = SocketAddr>,
    deadline: Instant,
    none: Over,
) -> Result<TcpStream, Over> {
    let mut attempts = Attempts::new(addresses);
    let (sender, ended) = channel();
    let mut last = none;
    loop {
        let now = Instant::now();
        if now >= deadline {
            return Err(Over::Failed("connecting took too long".to_owned()));
        }
        let until = match attempts.next(now) {
            Attempt::Begin(address) => {
                begin(address, deadline - now, &sender);
                continue;
            }
            Attempt::WaitUntil(at) => at.min(deadline),
            Attempt::Wait => deadline,
            Attempt::Over => return Err(last),
        };
        // It can only time out, because a sender is here.
        let Ok((address, result)) = ended.recv_timeout(until - now) else { continue };
        match result {
            Ok(socket) => return Ok(socket),
            Err(error) => {
                attempts.failed();
                last = failed(&format!("cannot connect to {address}"), &error);
            }
        }
    }
}

/// Connects on a thread of its own, which ends within the time-out.
fn begin(address: SocketAddr, timeout: Duration, ended: &Sender<Ended>) {
    let to = ended.clone();
    let work = move || {
        // Where another attempt was faster, nobody waits for this one.
        let _ = to.send((address, TcpStream::connect_timeout(&address, timeout)));
    };
    let thread = thread::Builder::new().name("switchboard-dial".into());
    if let Err(error) = thread.spawn(work) {
        // The receiver is the caller's.
        let _ = ended.send((address, Err(error)));
    }
}

fn failed(what: &str, error: &io::Error) -> Over {
    Over::Failed(format!("{what}: {error}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::TcpListener;

    use switchboard_conformance::{BlackHole, closed_port};

    use super::*;

    fn try_all(addresses: Vec<SocketAddr>, timeout: Duration) -> Result<SocketAddr, Over> {
        let none = Over::Failed("there is none".to_owned());
        let socket = connect(addresses, Instant::now() + timeout, none)?;
        Ok(socket.peer_addr().unwrap())
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn an_address_that_does_not_answer_keeps_no_other_waiting() {
        let (hole, listener) = (BlackHole::new(), TcpListener::bind("127.0.0.1:0").unwrap());
        let good = listener.local_addr().unwrap();
        let start = Instant::now();
        assert_eq!(try_all(vec![hole.address(), good], LONG), Ok(good));
        let took = start.elapsed();
        assert!((Duration::from_millis(250)..Duration::from_secs(5)).contains(&took), "{took:?}");
    }

    #[test]
    fn an_address_that_refuses_is_followed_by_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        assert_eq!(try_all(vec![closed_port(), good], LONG), Ok(good));
    }

    #[test]
    fn the_last_failure_is_told() {
        let (first, last) = (closed_port(), closed_port());
        let Err(Over::Failed(why)) = try_all(vec![first, last], LONG) else {
            panic!("it connects")
        };
        assert!(why.starts_with(&format!("cannot connect to {last}: ")), "{why}");
        assert_eq!(try_all(Vec::new(), LONG), Err(Over::Failed("there is none".to_owned())));
    }

    #[test]
    fn the_time_out_is_for_all_addresses_together() {
        let holes = [BlackHole::new(), BlackHole::new(), BlackHole::new()];
        let addresses = holes.iter().map(BlackHole::address).collect();
        let start = Instant::now();
        assert!(try_all(addresses, Duration::from_millis(300)).is_err());
        let took = start.elapsed();
        assert!((Duration::from_millis(300)..Duration::from_secs(5)).contains(&took), "{took:?}");
    }
}
