//! The server: its thread, its listeners, and sockets from elsewhere.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;
use smol::channel::{Receiver, bounded};
use smol::future::FutureExt;
use smol::{Async, Executor};
use switchboard_core::http::{HttpRequest, Response};
use switchboard_engine::server::{Entry, Host, RefusedUpgrade, Reservation};

use crate::Handle;
use crate::auth::guarded;
use crate::builder::Builder;
use crate::outlet::Socket;
use crate::reactor::{self, Listener};
use crate::shared::Shared;

/// A listener for [`Server::serve`], with room for a storm of connects.
///
/// # Errors
/// When the address cannot be listened on.
pub fn bind(address: SocketAddr) -> io::Result<Async<TcpListener>> {
    Async::new(switchboard_engine::bind(address)?)
}

/// A WebSocket server. It works while [`serve`](Self::serve) or [`run`](Self::run) is awaited: a
/// thread of its own handles the sockets, and tasks of the application that have to wait run where
/// these are awaited. Dropping it cuts off all connections at once.
pub struct Server {
    shared: Arc<Shared>,
    executor: Arc<Executor<'static>>,
    thread: Mutex<Thread>,
}

/// The server's thread, which runs while the server is awaited.
#[derive(Default)]
struct Thread {
    users: usize,
    running: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

/// A call of [`Server::serve`] or [`Server::run`] that is being awaited.
struct Serving<'s> {
    server: &'s Server,
    listener: Option<usize>,
    /// Hears when the listener fails.
    failed: Receiver<io::Error>,
}

impl Server {
    /// A builder with the default settings, and no handlers.
    ///
    /// ```
    /// # use switchboard_smol::Server;
    /// let server = Server::builder().build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(shared: Arc<Shared>, executor: Arc<Executor<'static>>) -> Self {
        Self { shared, executor, thread: Mutex::default() }
    }

    /// A handle for the rest of the application.
    ///
    /// ```
    /// # use switchboard_smol::Server;
    /// let server = Server::builder().build()?;
    /// let handle = server.handle();
    /// handle.publish("lobby", "news", &"We are open.")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle(&self) -> Handle {
        Handle::new(self.shared.clone())
    }

    /// Accepts connections until the server has been drained ([`Handle::drain`]) and the last bytes
    /// have been sent, which peers that do not read can delay by a quarter of a second. Several
    /// listeners can be served at once, such as an IPv4 and an IPv6 address. Dropping the future
    /// stops accepting.
    ///
    /// # Errors
    /// If the listener itself fails, or the server's thread cannot be started. A single connection
    /// that fails is not an error, nor are too many open files: accepting goes on when there are
    /// fewer.
    ///
    /// ```no_run
    /// # use switchboard_smol::Server;
    /// let server = Server::builder().build()?;
    /// let listener = switchboard_smol::bind("127.0.0.1:8080".parse()?)?;
    /// smol::block_on(server.serve(listener))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn serve(&self, listener: Async<TcpListener>) -> io::Result<()> {
        let listener = listener.into_inner()?;
        self.shared.settings.tune(&listener)?;
        self.begin(Some(listener))?.until_over().await
    }

    /// Runs without a listener, for sockets that come through [`adopt`](Self::adopt), until the
    /// server has been drained.
    ///
    /// # Errors
    /// If the server's thread cannot be started.
    ///
    /// ```no_run
    /// # use switchboard_smol::Server;
    /// let server = Server::builder().build()?;
    /// smol::block_on(server.run())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn run(&self) -> io::Result<()> {
        self.begin(None)?.until_over().await
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
    /// # use switchboard_smol::{Server, http::HttpRequest};
    /// # async fn example(server: Server, request: HttpRequest) {
    /// match server.admit(request).await {
    ///     Ok(reservation) => println!("answer with 101: {:?}", reservation.upgrade()),
    ///     Err(response) => println!("answer with {:?}", response.status()),
    /// }
    /// # }
    /// ```
    pub async fn admit(&self, request: HttpRequest) -> Result<Reservation, Response> {
        self.seat(request).await.map_err(|refused| {
            self.shared.engage(|state, now| state.engine.entrance().refused(now, &refused));
            refused.into_response()
        })
    }

    async fn seat(&self, request: HttpRequest) -> Result<Reservation, Box<RefusedUpgrade>> {
        let shared = &self.shared;
        let entrance = &shared.entrance;
        let entry = Entry::new(shared.clone(), request.address())?;
        let (upgrade, credentials) = entrance.check(request)?;
        let verdict = guarded(|| (shared.services.authenticate)(credentials)).await;
        let peer = entrance.judge(upgrade, verdict.and_then(|verdict| verdict))?;
        Reservation::new(shared.clone(), peer, Some(entry))
    }

    /// Takes over a socket whose upgrade has been answered, and what was already read of it after
    /// the request.
    ///
    /// # Errors
    /// If the reservation has expired, or is one of another server. The socket is closed.
    ///
    /// ```
    /// # use switchboard_smol::{Server, http::HttpRequest};
    /// # async fn example(
    /// #     server: Server, request: HttpRequest, socket: smol::Async<std::net::TcpStream>,
    /// # ) -> std::io::Result<()> {
    /// let Ok(reservation) = server.admit(request).await else { return Ok(()) };
    /// // The other server answers with 101, and gives the socket away.
    /// server.adopt(reservation, socket, &[])?;
    /// # Ok(()) }
    /// ```
    pub fn adopt(
        &self,
        admission: Reservation,
        socket: Async<TcpStream>,
        read_ahead: &[u8],
    ) -> io::Result<()> {
        let socket = socket.into_inner()?;
        self.shared.settings.tune(&socket)?;
        let (id, claims, entry) =
            admission.take(&self.shared).ok_or(io::ErrorKind::InvalidInput)?;
        let place = entry.and_then(Entry::into_place).ok_or(io::ErrorKind::InvalidInput)?;
        let socket = Socket::from(socket);
        self.shared.engage(|state, now| {
            self.shared.keep_claims(id, claims);
            let Some(key) = state.engine.adopted(now, id, place, socket.clone()) else {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the seat's time was over"));
            };
            state.watch(&self.shared, now, key, socket);
            if !read_ahead.is_empty() {
                state.engine.received(now, key, &mut read_ahead.to_vec());
            }
            Ok(())
        })
    }

    /// Starts the server's thread, if it does not run, and lets it serve this listener.
    fn begin(&self, listener: Option<TcpListener>) -> io::Result<Serving<'_>> {
        let mut thread = self.thread.lock();
        if thread.running.is_none() {
            thread.running = Some(start(&self.shared)?);
        }
        thread.users += 1;
        drop(thread);
        let (failure, failed) = bounded(1);
        let mut serving = Serving { server: self, listener: None, failed };
        if let Some(listener) = listener {
            let key = self.shared.engage(|state, _| {
                let entry = state.listeners.vacant_entry();
                let key = entry.key();
                self.shared.poller.add_listener(&listener, key)?;
                entry.insert(Listener::new(listener, failure));
                Ok::<_, io::Error>(key)
            })?;
            serving.listener = Some(key);
            self.shared.ring();
        }
        Ok(serving)
    }
}

/// Starts the server's thread.
fn start(shared: &Arc<Shared>) -> io::Result<(Arc<AtomicBool>, JoinHandle<()>)> {
    let stop = Arc::new(AtomicBool::new(false));
    shared.lock().serving += 1;
    let (for_thread, stop_of_thread) = (shared.clone(), stop.clone());
    let run = move || {
        let (shared, stop) = (for_thread, stop_of_thread);
        let result = catch_unwind(AssertUnwindSafe(|| reactor::run(&shared, &stop)));
        let failed = || Err(io::Error::other("the server's thread has failed"));
        if let Err(error) = result.unwrap_or_else(|_| failed()) {
            tracing::error!(%error, "the server's thread has failed");
            shared.failed.open();
        }
        shared.lock().serving -= 1;
    };
    let thread = thread::Builder::new().name("switchboard".into()).spawn(run);
    let thread = thread.inspect_err(|_| shared.lock().serving -= 1)?;
    Ok((stop, thread))
}

impl Serving<'_> {
    async fn until_over(self) -> io::Result<()> {
        let shared = &self.server.shared;
        let over = async {
            shared.over.wait().await;
            Ok(())
        };
        let failed = async {
            shared.failed.wait().await;
            Err(io::Error::other("the server's thread has failed"))
        };
        let listener_failed = async {
            match self.failed.recv().await {
                Ok(error) => Err(error),
                // There is no listener to fail.
                Err(_) => std::future::pending().await,
            }
        };
        self.server.executor.run(over.or(failed).or(listener_failed)).await
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        let shared = &self.server.shared;
        if let Some(key) = self.listener {
            // It may have failed and been removed.
            shared.engage(|state, _| state.listeners.try_remove(key));
        }
        let mut thread = self.server.thread.lock();
        thread.users -= 1;
        if thread.users == 0
            && let Some((stop, running)) = thread.running.take()
        {
            stop.store(true, Ordering::Release);
            shared.ring();
            // A thread cannot wait for itself, and a failure has been logged.
            if running.thread().id() != thread::current().id() {
                let _ = running.join();
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.engage(|state, now| {
            state.engine.cut_off(now);
            // The tap has seen the end, however long handles keep the driver.
            state.engine.driver().detach_tap();
        });
        self.shared.pending().end();
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Server")
    }
}
