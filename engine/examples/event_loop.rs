//! A whole server on one thread: a loop over a readiness API, to be copied into an engine that has a loop of its own.
//! `docs/write-your-own-driver.md` goes through it step by step.
//!
//! ```text
//! cargo run -p switchboard-engine --example event_loop -- [--listen 127.0.0.1:9003] [--echo]
//! ```

use std::error::Error;
use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use polling::{AsRawSource, Event, Events, PollMode, Poller};
use switchboard_core::http::HttpError;
use switchboard_core::{Outlet, Output, Stall, Timestamp};
use switchboard_engine::server::{self, Engine, ServerSettings, Task};
use switchboard_engine::{Clock, bind, seed};

/// Keys of the poller. Those of sockets are the engine's, behind these.
const LISTENER: usize = 0;
const SIGNALS: usize = 1;
const FIRST_SOCKET: usize = 2;

/// Work in one turn: bytes read from one socket, sockets accepted, sockets written to.
const TURN_BYTES: usize = 64 * 1024;
const TURN_ACCEPTS: usize = 64;
const TURN_WRITES: usize = 256;

/// A socket in the poller. The engine's handles of it are its only owners.
struct Socket {
    stream: TcpStream,
    poller: Arc<Poller>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = self.poller.delete(&self.stream);
    }
}

/// What the engine has of a socket.
#[derive(Clone)]
struct SocketOutlet(Arc<Socket>);

impl Outlet for SocketOutlet {
    fn write(&mut self, parts: &[&[u8]]) -> Result<usize, Stall> {
        server::write_parts(&self.0.stream, parts)
    }

    fn watch(&mut self) {
        // The poller tells when it takes bytes again, unasked.
    }

    fn finish(&mut self) {
        // If it fails, the peer is gone already.
        let _ = self.0.stream.shutdown(Shutdown::Write);
    }
}

pub(crate) struct EventLoop {
    listener: TcpListener,
    /// A byte for each SIGTERM or SIGINT.
    signals: UnixStream,
    poller: Arc<Poller>,
    engine: Engine<SocketOutlet>,
    clock: Clock,
    /// The time of this turn: one reading of the clock serves all of it.
    now: Timestamp,
    /// Somebody may wait to be accepted.
    may_accept: bool,
    /// Sockets of which there is more to be read than one turn may.
    unread: Vec<usize>,
    /// One for all sockets, because between two reads it holds nothing.
    buffer: Vec<u8>,
    /// How long everybody has to leave, and for how long they are sent away.
    pub(crate) drain: (Duration, Duration),
}

impl EventLoop {
    pub(crate) fn new(
        listener: TcpListener,
        signals: UnixStream,
        settings: ServerSettings,
    ) -> Result<Self, Box<dyn Error>> {
        let poller = Arc::new(Poller::new()?);
        listener.set_nonblocking(true)?;
        signals.set_nonblocking(true)?;
        register(&poller, &listener, Event::readable(LISTENER))?;
        register(&poller, &signals, Event::readable(SIGNALS))?;
        Ok(Self {
            listener,
            signals,
            poller,
            engine: Engine::new(settings, Vec::new(), seed())?,
            clock: Clock::start(),
            now: Timestamp::ZERO,
            may_accept: true,
            unread: Vec::new(),
            buffer: vec![0; TURN_BYTES],
            drain: (Duration::from_secs(10), Duration::from_secs(5)),
        })
    }

    /// Serves until everybody has been sent away.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::new();
        while !self.engine.is_over() {
            events.clear();
            self.now = self.clock.now();
            let idle_for = self.idle_for();
            self.poller.wait(&mut events, idle_for)?;
            if idle_for != Some(Duration::ZERO) {
                self.now = self.clock.now();
            }
            self.engine.sync_wall_clock(self.now);
            for key in std::mem::take(&mut self.unread) {
                self.read(key);
            }
            for event in events.iter() {
                match event.key {
                    LISTENER => self.may_accept = true,
                    SIGNALS => self.signal()?,
                    key => self.ready(key - FIRST_SOCKET, event),
                }
            }
            self.accept()?;
            let is_all = events.len() < events.capacity().get();
            self.engine.tick_when_read(self.now, is_all && self.unread.is_empty());
            self.perform();
            self.engine.flush(self.now, TURN_WRITES);
            self.perform();
        }
        Ok(())
    }

    fn idle_for(&self) -> Option<Duration> {
        let has_work =
            !self.unread.is_empty() || (self.may_accept && self.engine.has_room(self.now));
        if has_work { Some(Duration::ZERO) } else { self.engine.idle_for(self.now) }
    }

    fn accept(&mut self) -> io::Result<()> {
        for _ in 0..TURN_ACCEPTS {
            if !self.may_accept || !self.engine.has_room(self.now) {
                break;
            }
            match self.listener.accept() {
                // One that fails here is gone already.
                Ok((stream, peer)) => drop(self.welcome(stream, peer.ip())),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.may_accept = false,
                Err(error) => self.engine.not_accepted(self.now, error)?,
            }
        }
        Ok(())
    }

    fn welcome(&mut self, stream: TcpStream, address: IpAddr) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        // What the kernel holds for a slow reader, the hub does not see.
        self.engine.settings().tune(&stream)?;
        let socket = Arc::new(Socket { stream, poller: self.poller.clone() });
        let outlet = SocketOutlet(socket.clone());
        if let Some(key) = self.engine.accepted(self.now, outlet, Some(address)) {
            let interest = Event::all(FIRST_SOCKET + key);
            if register(&self.poller, &socket.stream, interest).is_err() {
                self.engine.ended(self.now, key);
            }
        }
        Ok(())
    }

    /// Does the application's part. Here there is none, and the name in `?user=` is trusted; a real
    /// server verifies `credentials.token`, and passes on what else there is in `Task::Output`:
    /// messages for its handlers, ended connections, lines for its log.
    fn perform(&mut self) {
        while let Some(task) = self.engine.next_task() {
            match task {
                Task::Authenticate(handshake, credentials) => {
                    let verdict = server::anonymous(&credentials);
                    self.engine.authenticated(self.now, handshake, verdict);
                }
                Task::Respond(handshake, _) => {
                    let not_found = HttpError::not_found().to_response();
                    self.engine.respond(self.now, handshake, not_found);
                }
                Task::Output(Output::Raw { connection, frame }) => {
                    self.engine.answer_raw(self.now, connection, frame);
                }
                Task::Output(_) => {}
                Task::Stop(id, stop) => stop.tell(self.engine.driver(), self.now, id),
            }
        }
    }

    fn ready(&mut self, key: usize, event: Event) {
        if event.writable {
            self.engine.writable(self.now, key);
        }
        if event.readable {
            self.read(key);
        }
    }

    fn read(&mut self, key: usize) {
        let Some(SocketOutlet(socket)) = self.engine.socket(key) else { return };
        match (&socket.stream).read(&mut self.buffer) {
            Ok(taken @ 1..) => {
                // There may be more, which the poller has told of already. Others have their turn before that.
                self.unread.push(key);
                self.engine.received(self.now, key, &mut self.buffer[..taken]);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => self.engine.ended(self.now, key),
        }
    }

    /// The first signal sends everybody away; a second one does not wait.
    fn signal(&mut self) -> io::Result<()> {
        if self.signals.read(&mut [0; 16])? > 1 || self.engine.driver().hub().is_draining() {
            return Err(io::Error::new(ErrorKind::Interrupted, "ended before the drain was over"));
        }
        let (timeout, spread) = self.drain;
        self.engine.drain(self.now, timeout, spread);
        Ok(())
    }
}

#[allow(unsafe_code)]
fn register(poller: &Poller, source: impl AsRawSource, interest: Event) -> io::Result<()> {
    // SAFETY: the poller must forget a source before that is closed. A `Socket` sees to that when it is dropped, and the
    // listener and the signals live as long as the poller.
    unsafe { poller.add_with_mode(source, interest, PollMode::Edge) }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().collect();
    let echo = arguments.iter().any(|argument| argument == "--echo");
    let listen = arguments.windows(2).find(|pair| pair[0] == "--listen");
    let address = listen.map_or("127.0.0.1:9003", |pair| &pair[1]);
    let (signals, signalled) = UnixStream::pair()?;
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::low_level::pipe::register(signal, signalled.try_clone()?)?;
    }
    let listener = bind(address.parse()?)?;
    let path = if echo { "" } else { "/ws/ROOM" };
    println!("listening on ws://{}{path}", listener.local_addr()?);
    let settings = if echo { ServerSettings::echo() } else { ServerSettings::default() };
    EventLoop::new(listener, signals, settings)?.run()?;
    Ok(())
}
