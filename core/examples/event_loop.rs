//! A whole server on one thread: a loop over a readiness API, to be copied into an engine that has a loop of its own.
//! `docs/write-your-own-driver.md` goes through it step by step.
//!
//! ```text
//! cargo run -p switchboard-core --example event_loop -- [--listen 127.0.0.1:9003] [--echo]
//! ```

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use polling::{AsRawSource, Event, Events, PollMode, Poller};
use switchboard_core::serving::{self, Engine, Settings};
use switchboard_core::{Outlet, Stall, Timestamp};

/// Keys of the poller. Those of sockets are counted up and never used again, so what comes late finds nobody.
const LISTENER: usize = 0;
const SIGNALS: usize = 1;
const FIRST_SOCKET: usize = 2;

/// Work in one turn: bytes read from one socket, sockets accepted, sockets written to.
const TURN_BYTES: usize = 64 * 1024;
const TURN_ACCEPTS: usize = 64;
const TURN_WRITES: usize = 256;

/// A socket in the poller. The loop reads from it, the engine writes to it.
struct Socket {
    key: usize,
    stream: TcpStream,
    all: Rc<Sockets>,
}

struct Sockets {
    poller: Poller,
    open: RefCell<HashMap<usize, Rc<Socket>>>,
}

impl Socket {
    fn wait_for(&self, interest: Event) {
        // It can only fail for a socket that failed, and reading will tell.
        let _ = self.all.poller.modify_with_mode(&self.stream, interest, PollMode::Level);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = self.all.poller.delete(&self.stream);
    }
}

/// What the engine has of a socket.
struct SocketOutlet(Rc<Socket>);

impl Outlet for SocketOutlet {
    fn write(&mut self, parts: &[&[u8]]) -> Result<usize, Stall> {
        serving::write_parts(&self.0.stream, parts)
    }

    fn watch(&mut self) {
        self.0.wait_for(Event::all(self.0.key));
    }

    fn finish(&mut self) {
        // If it fails, the peer is gone already.
        let _ = self.0.stream.shutdown(Shutdown::Write);
    }

    fn end(&mut self) {
        self.0.all.open.borrow_mut().remove(&self.0.key);
    }
}

pub(crate) struct EventLoop {
    listener: TcpListener,
    /// A byte for each SIGTERM or SIGINT.
    signals: UnixStream,
    sockets: Rc<Sockets>,
    next_key: usize,
    engine: Engine<SocketOutlet>,
    started: Instant,
    /// The time of this turn: one reading of the clock serves all of it.
    now: Timestamp,
    /// One for all sockets, because between two reads it holds nothing.
    buffer: Vec<u8>,
    /// How long everybody has to leave, and for how long they are sent away.
    pub(crate) drain: (Duration, Duration),
}

impl EventLoop {
    pub(crate) fn new(
        listener: TcpListener,
        signals: UnixStream,
        settings: Settings,
    ) -> Result<Self, Box<dyn Error>> {
        let seed = RandomState::new().hash_one(std::process::id());
        let unix_ms = u64::try_from(UNIX_EPOCH.elapsed()?.as_millis())?;
        let poller = Poller::new()?;
        listener.set_nonblocking(true)?;
        signals.set_nonblocking(true)?;
        register(&poller, &listener, LISTENER)?;
        register(&poller, &signals, SIGNALS)?;
        Ok(Self {
            listener,
            signals,
            sockets: Rc::new(Sockets { poller, open: RefCell::default() }),
            next_key: FIRST_SOCKET,
            // Here a real server verifies `credentials.token`, and finds out whose it is.
            engine: Engine::new(settings, |who| serving::anonymous(&who), seed, unix_ms)?,
            started: Instant::now(),
            now: Timestamp::ZERO,
            buffer: vec![0; TURN_BYTES],
            drain: (Duration::from_secs(10), Duration::from_secs(5)),
        })
    }

    /// Serves until everybody has been sent away.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::new();
        while !self.engine.is_over() {
            events.clear();
            self.sockets.poller.wait(&mut events, self.engine.idle_for(self.clock()))?;
            self.now = self.clock();
            self.engine.tick(self.now);
            for event in events.iter() {
                match event.key {
                    LISTENER => self.accept()?,
                    SIGNALS => self.signal()?,
                    key => self.ready(key, event),
                }
            }
            self.engine.end_turn(self.now, TURN_WRITES, |_driver, _output| {
                // Messages for handlers, ended connections, lines for the log: those are the application's.
            });
            if self.engine.has_room() {
                // It tells of newcomers once, and then no more until it is asked again.
                self.sockets.poller.modify(&self.listener, Event::readable(LISTENER))?;
            }
        }
        Ok(())
    }

    fn clock(&self) -> Timestamp {
        Timestamp::ZERO + self.started.elapsed()
    }

    fn accept(&mut self) -> io::Result<()> {
        for _ in 0..TURN_ACCEPTS {
            if !self.engine.has_room() {
                break;
            }
            match self.listener.accept() {
                // One that fails here is gone already.
                Ok((stream, _)) => drop(self.welcome(stream)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => self.engine.not_accepted(self.now, error)?,
            }
        }
        Ok(())
    }

    fn welcome(&mut self, stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        // What the kernel holds for a slow reader, the hub does not see.
        let send_buffer = self.engine.settings().send_buffer;
        socket2::SockRef::from(&stream).set_send_buffer_size(send_buffer)?;
        let key = self.next_key;
        self.next_key += 1;
        register(&self.sockets.poller, &stream, key)?;
        let socket = Rc::new(Socket { key, stream, all: self.sockets.clone() });
        self.sockets.open.borrow_mut().insert(key, socket.clone());
        self.engine.accepted(self.now, key, SocketOutlet(socket));
        Ok(())
    }

    fn ready(&mut self, key: usize, event: Event) {
        let Some(socket) = self.sockets.open.borrow().get(&key).cloned() else { return };
        if event.writable {
            socket.wait_for(Event::readable(key));
            self.engine.writable(self.now, key);
        }
        if event.readable {
            // Once: if there is more, the poller says so again when others have had their turn.
            match (&socket.stream).read(&mut self.buffer) {
                Ok(taken @ 1..) => self.engine.received(self.now, key, &self.buffer[..taken]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Ok(0) | Err(_) => self.engine.ended(self.now, key),
            }
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
fn register(poller: &Poller, source: impl AsRawSource, key: usize) -> io::Result<()> {
    // SAFETY: the poller must forget a source before that is closed. A `Socket` sees to that when it is dropped, and the
    // listener and the signals live as long as the poller.
    unsafe { poller.add_with_mode(source, Event::readable(key), PollMode::Level) }
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
    let listener = TcpListener::bind(address)?;
    let path = if echo { "" } else { "/ws/ROOM" };
    println!("listening on ws://{}{path}", listener.local_addr()?);
    let settings = if echo { Settings::echo() } else { Settings::default() };
    EventLoop::new(listener, signals, settings)?.run()?;
    Ok(())
}
