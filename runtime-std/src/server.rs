//! The server: accepting, and bringing sockets in from elsewhere.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use polling::{Event, Events, Poller};
use switchboard_core::http::{HttpRequest, Response};
use switchboard_engine::server::{AcceptFailure, Entry, Host, Reservation, SHORTAGE};

use crate::Handle;
use crate::builder::Builder;
use crate::connection::Connection;
use crate::guest::Guest;
use crate::handshake;
use crate::outlet::{Link, SocketOutlet};
use crate::shared::Shared;

/// A WebSocket server. It works from the first call of [`serve`](Self::serve), [`run`](Self::run)
/// or [`adopt`](Self::adopt). Dropping it cuts off all connections at once, and waits for the
/// handlers that run.
pub struct Server {
    shared: Arc<Shared>,
}

impl Server {
    /// A builder with the default settings, and no handlers.
    ///
    /// ```
    /// # use switchboard_std::Server;
    /// let server = Server::builder().build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// A handle for the rest of the application.
    ///
    /// ```
    /// # use switchboard_std::Server;
    /// let server = Server::builder().build()?;
    /// let handle = server.handle();
    /// handle.publish("lobby", "news", &"We are open.")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle(&self) -> Handle {
        Handle::new(self.shared.clone())
    }

    /// Accepts connections until the server has been drained ([`Handle::drain`]) and all its
    /// threads have ended. It can be called from several threads, for a listener each. The listener
    /// becomes non-blocking.
    ///
    /// # Errors
    /// If the listener itself fails, or the server's threads cannot be started. A single connection
    /// that fails is not an error, nor are too many open files or threads: accepting goes on when
    /// there are fewer.
    ///
    /// ```no_run
    /// # use switchboard_std::Server;
    /// let server = Server::builder().build()?;
    /// let listener = switchboard_std::bind("127.0.0.1:8080".parse()?)?;
    /// server.serve(listener)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn serve(&self, listener: TcpListener) -> io::Result<()> {
        self.shared.start()?;
        let poller = Arc::new(Poller::new()?);
        self.shared.drained.wakes(&poller);
        listener.set_nonblocking(true)?;
        // SAFETY: the listener is taken out of the poller below, before it is closed.
        #[expect(unsafe_code, reason = "the poller cannot know how long the listener lives")]
        unsafe {
            poller.add(&listener, Event::none(0))?;
        }
        let result = self.accept_all(&listener, &poller);
        let deleted = poller.delete(&listener);
        result.and(deleted)?;
        self.shared.threads.join_all();
        Ok(())
    }

    /// Runs without a listener, for sockets that come through [`adopt`](Self::adopt), until the
    /// server has been drained and all its threads have ended.
    ///
    /// # Errors
    /// If the server's threads cannot be started.
    ///
    /// ```no_run
    /// # use switchboard_std::Server;
    /// let server = Server::builder().build()?;
    /// server.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run(&self) -> io::Result<()> {
        self.shared.start()?;
        self.shared.drained.wait();
        self.shared.threads.join_all();
        Ok(())
    }

    /// Checks an upgrade request that another HTTP server has read, authenticates it and reserves a
    /// seat. The answer to send is [`Reservation::upgrade`]; then pass the socket to
    /// [`adopt`](Self::adopt).
    ///
    /// # Errors
    /// Returns the response to send instead. A full server answers with 503, whatever
    /// [`ServerSettings::capacity_answer`](crate::ServerSettings::capacity_answer) says, because it
    /// does not accept this upgrade itself.
    ///
    /// ```
    /// # use switchboard_std::{Server, http::HttpRequest};
    /// # fn example(server: Server, request: HttpRequest) {
    /// match server.admit(request) {
    ///     Ok(reservation) => println!("answer with 101: {:?}", reservation.upgrade()),
    ///     Err(response) => println!("answer with {:?}", response.status()),
    /// }
    /// # }
    /// ```
    pub fn admit(&self, request: HttpRequest) -> Result<Reservation, Response> {
        let admitted = Entry::new(self.shared.clone(), request.address())
            .and_then(|entry| handshake::decide(&self.shared, request, Some(entry)));
        handshake::told(&self.shared, admitted).map_err(|refused| refused.into_response())
    }

    /// Takes over a socket whose upgrade has been answered, and what was already read of it after
    /// the request. From here on a thread of the server reads it.
    ///
    /// # Errors
    /// If the reservation has expired, is one of another server, or there can be no more threads.
    /// The socket is closed.
    ///
    /// ```
    /// # use switchboard_std::{Server, http::HttpRequest};
    /// # fn example(server: Server, request: HttpRequest, socket: std::net::TcpStream)
    /// #     -> std::io::Result<()> {
    /// let Ok(reservation) = server.admit(request) else { return Ok(()) };
    /// // The other server answers with 101, and gives the socket away.
    /// server.adopt(reservation, socket, &[])?;
    /// # Ok(()) }
    /// ```
    pub fn adopt(
        &self,
        admission: Reservation,
        socket: TcpStream,
        read_ahead: &[u8],
    ) -> io::Result<()> {
        self.shared.start()?;
        socket.set_nonblocking(false)?;
        self.shared.settings.tune(&socket)?;
        let socket = Arc::new(socket);
        let (connection, entry) = open(&self.shared, admission, socket.clone())?;
        let (link, read_ahead) = (connection.link.clone(), read_ahead.to_vec());
        let started = start(&self.shared, socket, move || {
            connection.run(&read_ahead);
            drop(entry);
        });
        if started.is_err() {
            self.shared.drive(|driver, now| driver.lost(now, link.id));
        }
        started
    }

    fn accept_all(&self, listener: &TcpListener, poller: &Poller) -> io::Result<()> {
        let shared = &self.shared;
        let mut events = Events::new();
        while !shared.drained.is_open() {
            let failure = match accept(shared, listener) {
                None => break,
                Some(Ok(())) => continue,
                Some(Err(error)) => error,
            };
            events.clear();
            if failure.kind() == io::ErrorKind::WouldBlock {
                poller.modify(listener, Event::readable(0))?;
                poller.wait(&mut events, None)?;
                continue;
            }
            match AcceptFailure::of(&failure) {
                AcceptFailure::OneSocket => {}
                AcceptFailure::ForNow => {
                    tracing::warn!(error = %failure, "no socket can be accepted for now");
                    // The listener is not polled; only the end of the server shortens this.
                    poller.modify(listener, Event::none(0))?;
                    poller.wait(&mut events, Some(SHORTAGE))?;
                }
                AcceptFailure::Listener => return Err(failure),
            }
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let is_drained = self.shared.drained.is_open();
        self.shared.drive(|driver, now| {
            if !is_drained {
                driver.cut_off(now);
            }
            // The tap has seen the end, however long handles keep the driver.
            driver.detach_tap();
        });
        // A connection that could not be cut off does not keep its thread.
        self.shared.stop();
        self.shared.threads.join_all();
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Server")
    }
}

/// Opens the connection of a seat whose upgrade has been answered. Returns its place as well, if
/// another server answered it.
pub(crate) fn open(
    shared: &Arc<Shared>,
    admission: Reservation,
    socket: Arc<TcpStream>,
) -> io::Result<(Connection, Option<Entry>)> {
    // From here on reads wait as long as it takes, and no write waits.
    socket.set_read_timeout(None)?;
    let (id, claims, entry) = admission.take(shared).ok_or(io::ErrorKind::InvalidInput)?;
    let link = Arc::new(Link::new(socket, id));
    let outlet = SocketOutlet { link: link.clone(), writer: shared.writer.clone() };
    let codec = shared.entrance.codec();
    if !shared.drive(|driver, now| driver.open(now, id, codec, outlet)) {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "the seat's time was over"));
    }
    Ok((Connection::new(shared.clone(), link, claims), entry))
}

/// Accepts one socket; its handshake and its connection have a thread of their own. Returns `None`
/// if the server has ended.
fn accept(shared: &Arc<Shared>, listener: &TcpListener) -> Option<io::Result<()>> {
    let accept = || {
        let (socket, peer) = listener.accept()?;
        // On some systems, sockets inherit this from their listener.
        socket.set_nonblocking(false)?;
        Ok((peer.ip(), Arc::new(socket), peer))
    };
    let entered = Guest::accept(shared, accept)?;
    Some(entered.and_then(|(guest, peer)| serve(shared, guest, peer)))
}

fn serve(shared: &Arc<Shared>, mut guest: Guest, peer: SocketAddr) -> io::Result<()> {
    start(shared, guest.socket.clone(), move || {
        match handshake::open(&mut guest, peer) {
            Ok(Some((connection, read_ahead))) => {
                // From here on only the connection owns the socket.
                let place = guest.into_place();
                connection.run(&read_ahead);
                drop(place);
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(%peer, %error, "the handshake ended early"),
        }
    })
    // A lack of threads must not look like a lack of sockets.
    .map_err(io::Error::other)
}

fn start(
    shared: &Arc<Shared>,
    socket: Arc<TcpStream>,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let stack = shared.services.thread_stack_bytes;
    shared.threads.start("switchboard-conn", stack, Some(socket), work)
}
