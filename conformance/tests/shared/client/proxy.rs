//! A proxy that can cut connections: it forwards bytes until it resets all its connections.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use socket2::SockRef;

#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    target: SocketAddr,
    sockets: Mutex<Vec<TcpStream>>,
    /// The number of cuts to come, and the number of bytes from the client before each.
    cuts: AtomicUsize,
    cut_after: AtomicUsize,
}

impl Proxy {
    pub(crate) fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            target,
            sockets: Mutex::default(),
            cuts: AtomicUsize::new(0),
            cut_after: AtomicUsize::new(0),
        });
        let proxy = Self { address, state };
        let accepting = proxy.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                accepting.pass(client);
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    fn pass(&self, client: TcpStream) {
        // The client retries when the server is not there.
        let Ok(server) = TcpStream::connect(self.state.target) else { return };
        let (mut from_client, mut from_server) =
            (client.try_clone().unwrap(), server.try_clone().unwrap());
        let (mut to_client, mut to_server) =
            (client.try_clone().unwrap(), server.try_clone().unwrap());
        self.state.sockets.lock().unwrap().extend([client, server]);
        let proxy = self.clone();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            let mut passed = 0;
            while let Ok(taken @ 1..) = from_client.read(&mut buffer) {
                let left = proxy.state.cut_after.load(Ordering::SeqCst).saturating_sub(passed);
                passed += taken;
                if taken > left && proxy.may_cut() {
                    // The rest of a message is lost.
                    let _ = to_server.write_all(&buffer[..left]);
                    return proxy.cut();
                }
                if to_server.write_all(&buffer[..taken]).is_err() {
                    break;
                }
            }
            let _ = to_server.shutdown(std::net::Shutdown::Both);
        });
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(taken @ 1..) = from_server.read(&mut buffer) {
                if to_client.write_all(&buffer[..taken]).is_err() {
                    break;
                }
            }
            let _ = to_client.shutdown(std::net::Shutdown::Both);
        });
    }

    /// Resets all connections, without a close frame.
    pub(crate) fn cut(&self) {
        for socket in self.state.sockets.lock().unwrap().drain(..) {
            // With zero linger, the close is a reset.
            let _ = SockRef::from(&socket).set_linger(Some(std::time::Duration::ZERO));
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Cuts this many times, each time as soon as a client has sent this many bytes on a
    /// connection.
    pub(crate) fn cut_after(&self, times: usize, bytes: usize) {
        self.state.cut_after.store(bytes, Ordering::SeqCst);
        self.state.cuts.store(times, Ordering::SeqCst);
    }

    fn may_cut(&self) -> bool {
        let one_less = |cuts: usize| cuts.checked_sub(1);
        self.state.cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok()
    }

    /// Returns the number of cuts to come.
    pub(crate) fn cuts_left(&self) -> usize {
        self.state.cuts.load(Ordering::SeqCst)
    }
}
