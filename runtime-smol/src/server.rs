//! The server: accepting, and bringing sockets in from elsewhere.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use smol::future::FutureExt;
use smol::{Async, Executor, Timer};
use switchboard_core::http::{Request, Response};
use switchboard_core::serving::{AcceptFailure, Admission, BACKLOG, SHORTAGE};

use crate::builder::Builder;
use crate::connection::Connection;
use crate::handle::Handle;
use crate::handshake;
use crate::outlet::{Link, SocketOutlet};
use crate::shared::Shared;
use crate::turn;

/// A listener for [`Server::serve`], with room for a storm of connects.
///
/// # Errors
/// When the address cannot be listened on.
pub fn bind(address: SocketAddr) -> io::Result<Async<TcpListener>> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Async::new(socket.into())
}

/// A WebSocket server. It works while [`serve`](Self::serve) or [`run`](Self::run) is awaited. Dropped, it lets go of all
/// its connections at once.
pub struct Server {
    shared: Arc<Shared>,
    executor: Arc<Executor<'static>>,
}

impl Server {
    /// Settings with their defaults, and no handlers.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(shared: Arc<Shared>, executor: Arc<Executor<'static>>) -> Self {
        Self { shared, executor }
    }

    /// The server in the hands of the rest of the application.
    pub fn handle(&self) -> Handle {
        Handle::new(self.shared.clone())
    }

    /// Accepts connections until the server has been drained ([`Handle::drain`]). Several listeners can be served at once, as
    /// long as one task awaits them all (an IPv4 and an IPv6 address, say).
    ///
    /// # Errors
    /// When the listener itself fails. A single connection that fails does not count, nor that there are too many open
    /// files: accepting goes on when there are fewer.
    pub async fn serve(&self, listener: Async<TcpListener>) -> io::Result<()> {
        let accepting = async {
            loop {
                accept(&self.shared, &listener).await?;
            }
        };
        self.until_drained(accepting).await
    }

    /// Runs without a listener, for sockets that come through [`adopt`](Self::adopt), until the server has been drained.
    ///
    /// # Errors
    /// None at present.
    pub async fn run(&self) -> io::Result<()> {
        self.until_drained(std::future::pending()).await
    }

    async fn until_drained(
        &self,
        accepting: impl Future<Output = io::Result<()>>,
    ) -> io::Result<()> {
        let shared = &self.shared;
        let service = async {
            turn::flusher(shared).or(turn::time_keeper(shared)).await;
            Ok(())
        };
        let drained = async {
            shared.drained.wait().await;
            Ok(())
        };
        // Ending comes first: after a drain there is nothing that others could wait for.
        let all = drained.or(service).or(accepting);
        let result = self.executor.run(all).await;
        // Those that were cut off have been woken to let go of their sockets.
        while self.executor.try_tick() {}
        result
    }

    /// Checks an upgrade request that another HTTP server has read, authenticates it and takes a seat. The answer to
    /// send is [`Admission::upgrade`]; afterwards the socket goes to [`adopt`](Self::adopt).
    ///
    /// # Errors
    /// The response to send instead. (Here a full server answers 503, whatever
    /// [`Builder::capacity_answer`](crate::Builder::capacity_answer) says: the upgrade is not ours to accept.)
    pub async fn admit(&self, request: Request) -> Result<Admission, Response> {
        handshake::admit(&self.shared, request).await.map_err(|refused| refused.into_response())
    }

    /// Takes over a socket whose upgrade has been answered, and what was already read of it after the request.
    ///
    /// # Errors
    /// When the seat's time was over, or it is one of another server; the socket is closed.
    pub fn adopt(
        &self,
        admission: Admission,
        socket: Async<TcpStream>,
        read_ahead: &[u8],
    ) -> io::Result<()> {
        tune(socket.get_ref(), self.shared.settings.send_buffer)?;
        open(&self.shared, admission, socket, read_ahead)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stats = self.handle().stats();
        self.shared.drive(|driver, now| {
            if stats.connections + stats.reserved + stats.closing > 0 {
                driver.cut_off(now);
            }
            // What it knows of the end is complete, however long others keep the driver.
            driver.dismiss();
        });
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Server")
    }
}

/// Opens the connection of a seat whose upgrade has been answered.
pub(crate) fn open(
    shared: &Arc<Shared>,
    admission: Admission,
    socket: Async<TcpStream>,
    read_ahead: &[u8],
) -> io::Result<()> {
    let (id, claims) = admission.take(shared).ok_or(io::ErrorKind::InvalidInput)?;
    let link = Arc::new(Link::new(socket));
    let mut connection = Connection::new(shared.clone(), link.clone(), id, claims);
    let codec = shared.settings.entrance.codec;
    if !shared.drive(|driver, now| driver.open(now, id, codec, SocketOutlet(link))) {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "the seat's time was over"));
    }
    if !read_ahead.is_empty() {
        connection.read_ahead(read_ahead);
    }
    shared.spawn(connection);
    Ok(())
}

/// Accepts one socket, when there is room for its handshake.
async fn accept(shared: &Arc<Shared>, listener: &Async<TcpListener>) -> io::Result<()> {
    let is_full = || shared.handshakes.load(Ordering::Acquire) >= shared.settings.max_handshakes;
    while is_full() {
        let done = shared.handshake_done.listen();
        // One may have ended just before it was listened to.
        if is_full() {
            done.await;
        }
    }
    let (socket, peer) = match listener.accept().await {
        Ok(accepted) => accepted,
        Err(error) => match AcceptFailure::of(&error) {
            AcceptFailure::OneSocket => return Ok(()),
            AcceptFailure::ForNow => {
                tracing::warn!(%error, "no socket can be accepted for now");
                Timer::after(SHORTAGE).await;
                return Ok(());
            }
            AcceptFailure::Listener => return Err(error),
        },
    };
    shared.handshakes.fetch_add(1, Ordering::AcqRel);
    let task = {
        let shared = shared.clone();
        async move {
            let _counted = Counted(shared.clone());
            if let Err(error) = handshake::serve(&shared, socket, peer).await {
                tracing::debug!(%peer, %error, "the handshake ended early");
            }
        }
    };
    shared.spawn(task);
    Ok(())
}

/// One of the handshakes under way.
struct Counted(Arc<Shared>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.handshakes.fetch_sub(1, Ordering::AcqRel);
        self.0.handshake_done.notify(usize::MAX);
    }
}

/// Small messages go at once, and a slow reader is noticed before it holds much.
pub(crate) fn tune(socket: &TcpStream, send_buffer: usize) -> io::Result<()> {
    socket.set_nodelay(true)?;
    if send_buffer > 0 {
        socket2::SockRef::from(socket).set_send_buffer_size(send_buffer)?;
    }
    Ok(())
}
