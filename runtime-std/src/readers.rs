//! What the threads of connections have read, so that the clock does not judge before them.

use std::collections::HashMap;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use switchboard_core::ConnectionId;

use crate::outlet::Link;
use crate::sync::lock;

/// How long the time-keeper waits, at most, for the threads of connections.
const READ_FIRST: Duration = Duration::from_secs(1);

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The connections whose threads read.
#[derive(Default, Debug)]
pub(crate) struct Readers(Mutex<HashMap<ConnectionId, Arc<Link>>>);

impl Readers {
    pub(crate) fn add(&self, link: &Arc<Link>) {
        lock(&self.0).insert(link.id, link.clone());
    }

    pub(crate) fn remove(&self, id: ConnectionId) {
        lock(&self.0).remove(&id);
    }

    /// Waits until the threads have given to the driver what has arrived by now, for a second at
    /// most. What arrives later is not waited for.
    pub(crate) fn go_first(&self) {
        let deadline = Instant::now() + READ_FIRST;
        // Bytes that a thread has just taken out of the socket, and not yet counted, are seen by
        // the second look.
        for _ in 0..2 {
            let mut behind = self.behind();
            while !behind.is_empty() {
                if Instant::now() >= deadline {
                    tracing::warn!(connections = behind.len(), "judged before all was read");
                    return;
                }
                thread::park_timeout(LOOK_EVERY);
                behind.retain(|(link, target)| !link.is_ended() && link.given() < *target);
            }
            thread::park_timeout(LOOK_EVERY);
        }
    }

    /// The connections of which bytes have arrived that the driver does not have, and the count at
    /// which it will.
    fn behind(&self) -> Vec<(Arc<Link>, u64)> {
        let links = lock(&self.0);
        let behind = links.values().filter_map(|link| {
            // In this order: bytes that are taken in between are counted twice, not missed.
            let waiting = waiting_bytes(&link.socket);
            let target = link.taken() + waiting;
            (!link.is_ended() && link.given() < target).then(|| (link.clone(), target))
        });
        behind.collect()
    }
}

/// The number of bytes that can be read from a socket.
fn waiting_bytes(socket: &impl AsRawFd) -> u64 {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the socket is open while it is borrowed, and FIONREAD writes one `int`.
    #[expect(unsafe_code, reason = "the standard library has no call for it")]
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
    // A socket that cannot be asked is about to end, and has nothing to wait for.
    if result == 0 { u64::try_from(bytes).unwrap_or(0) } else { 0 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::num::NonZeroU32;
    use std::sync::mpsc::channel;

    use switchboard_core::ConnectionId;

    use super::*;

    /// A connection with its peer's socket.
    fn connection(readers: &Readers, index: u32) -> (Arc<Link>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        let id = ConnectionId::from_parts(index, NonZeroU32::MIN);
        let link = Arc::new(Link::new(Arc::new(socket), id));
        readers.add(&link);
        (link, peer)
    }

    /// Sends bytes, and waits until they can be read.
    fn send(link: &Link, peer: &mut TcpStream, bytes: &[u8]) {
        peer.write_all(bytes).unwrap();
        while waiting_bytes(&*link.socket) < bytes.len() as u64 {
            thread::yield_now();
        }
    }

    fn read(link: &Link, bytes: usize) {
        (&*link.socket).read_exact(&mut vec![0; bytes]).unwrap();
        link.took(bytes);
    }

    #[test]
    fn what_has_arrived_is_waited_for_and_what_comes_later_is_not() {
        let readers = Readers::default();
        let (link, mut peer) = connection(&readers, 1);
        let _idle = connection(&readers, 2);
        assert!(readers.behind().is_empty());
        send(&link, &mut peer, b"12345");
        read(&link, 2);
        let targets: Vec<_> = readers.behind().iter().map(|(_, target)| *target).collect();
        assert_eq!(targets, [5], "two in the thread's hands, three in the socket");
        read(&link, 3);
        assert_eq!(readers.behind().len(), 1, "the driver does not have them");
        link.gave();
        assert!(readers.behind().is_empty());
    }

    #[test]
    fn the_time_keeper_goes_on_when_all_is_given() {
        let readers = Readers::default();
        let (link, mut peer) = connection(&readers, 1);
        send(&link, &mut peer, b"pong");
        read(&link, 4);
        let (done, is_done) = channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                readers.go_first();
                done.send(link.given()).unwrap();
            });
            link.gave();
            assert_eq!(is_done.recv().unwrap(), 4);
        });
    }

    #[test]
    fn a_connection_that_nobody_reads_is_waited_for_only_so_long() {
        let readers = Readers::default();
        let (link, mut peer) = connection(&readers, 1);
        send(&link, &mut peer, b"pong");
        let start = Instant::now();
        readers.go_first();
        assert!(start.elapsed() >= READ_FIRST);
        readers.remove(link.id);
        assert!(readers.behind().is_empty());
    }
}
