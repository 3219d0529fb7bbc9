//! A network that breaks: it forwards bytes, and cuts connections by a reset in both directions.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smol::Async;
use smol::future::FutureExt;
use socket2::SockRef;

type Pairs = Arc<Mutex<HashMap<u64, (Arc<Async<TcpStream>>, Arc<Async<TcpStream>>)>>>;

pub(crate) struct Proxy {
    address: SocketAddr,
    pairs: Pairs,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    pub(crate) fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = switchboard_smol::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = listener.get_ref().local_addr()?;
        let pairs = Pairs::default();
        smol::spawn(accept(listener, server, pairs.clone())).detach();
        Ok(Self { address, pairs })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts up to `count` random connections. Returns how many it cut.
    pub(crate) fn cut(&self, count: usize) -> usize {
        let mut pairs = lock(&self.pairs);
        // The order of a hash map is random enough.
        let chosen: Vec<u64> = pairs.keys().copied().take(count).collect();
        for serial in &chosen {
            if let Some((client, server)) = pairs.remove(serial) {
                for socket in [client, server] {
                    // What the sockets' tasks still buffer is lost with them; only a reset remains.
                    let reset = SockRef::from(socket.get_ref()).set_linger(Some(Duration::ZERO));
                    let ended = socket.get_ref().shutdown(std::net::Shutdown::Read);
                    // The other side may have closed on its own.
                    let _ = reset.and(ended);
                }
            }
        }
        chosen.len()
    }
}

async fn accept(listener: Async<TcpListener>, server: SocketAddr, pairs: Pairs) {
    for serial in 0.. {
        match listener.accept().await {
            Ok((client, _)) => {
                let pairs = pairs.clone();
                smol::spawn(async move {
                    // An absent server looks like an absent network.
                    if let Ok(server) = Async::<TcpStream>::connect(server).await {
                        let pair = (Arc::new(client), Arc::new(server));
                        lock(&pairs).insert(serial, pair.clone());
                        pass(&pair.0, &pair.1).or(pass(&pair.1, &pair.0)).await;
                        lock(&pairs).remove(&serial);
                    }
                })
                .detach();
            }
            Err(error) => {
                eprintln!("the network cannot accept a connection: {error}");
                smol::Timer::after(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Forwards bytes from one socket to the other until either ends.
async fn pass(from: &Async<TcpStream>, to: &Async<TcpStream>) {
    use smol::io::{AsyncReadExt, AsyncWriteExt};
    let (mut from, mut to) = (from, to);
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(taken @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..taken]).await.is_err() {
            return;
        }
    }
}
