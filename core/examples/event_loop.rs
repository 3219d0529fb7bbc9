//! A whole server on one thread: a loop over a readiness API, to be copied into an engine that has a loop of its own.
//! `docs/write-your-own-driver.md` goes through it step by step.
//!
//! ```text
//! cargo run -p switchboard-core --example event_loop -- [--listen 127.0.0.1:9003] [--echo]
//! ```

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use polling::{AsRawSource, Event, Events, PollMode, Poller};
use switchboard_core::http::{self, DEFAULT_MAX_HEAD_BYTES, Origins, Parsed, Refusal, Request};
use switchboard_core::{
    CloseReason, Codec, Command, Config, ConnectionId, Driver, Frame, Heartbeat, Limit, Limits,
    Message, Outlet, Output, Rate, RoomName, Stall, Timestamp, UserName,
};
use tungstenite::error::{CapacityError, Error as WsError};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

/// Keys of the poller. Those of peers are counted up and never used again, so what comes late finds nobody.
const LISTENER: usize = 0;
const SIGNALS: usize = 1;
const FIRST_PEER: usize = 2;

/// Work in one turn: bytes read from one socket, sockets accepted, sockets written to.
const TURN_BYTES: usize = 64 * 1024;
const TURN_ACCEPTS: usize = 64;
const TURN_WRITES: usize = 256;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a socket is kept after its end, so that the last bytes are not destroyed by a reset.
const LINGER: Duration = Duration::from_secs(2);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
const DRAIN_SPREAD: Duration = Duration::from_secs(5);
/// The kernel doubles it. What it holds for a slow reader, the hub does not see.
const SEND_BUFFER: usize = 64 * 1024;

/// What the loop and its sockets have in common.
struct Hooks {
    poller: Poller,
    /// Peers that the driver has let go of in this turn.
    ended: RefCell<Vec<usize>>,
}

/// A socket in the poller. The loop reads from it, the driver writes to it.
struct Link {
    key: usize,
    socket: TcpStream,
    hooks: Rc<Hooks>,
}

impl Link {
    fn wait_for(&self, interest: Event) {
        // It can only fail for a socket that failed, and reading will tell.
        let _ = self.hooks.poller.modify_with_mode(&self.socket, interest, PollMode::Level);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = self.hooks.poller.delete(&self.socket);
    }
}

/// What the driver has of a socket.
struct SocketOutlet(Rc<Link>);

impl Outlet for SocketOutlet {
    fn write(&mut self, parts: &[&[u8]]) -> Result<usize, Stall> {
        let mut slices = [IoSlice::new(&[]); 64];
        let count = parts.len().min(slices.len());
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
        }
        match (&self.0.socket).write_vectored(&slices[..count]) {
            Ok(taken) => Ok(taken),
            // Interrupted comes to the same: the poller says at once that there is room.
            Err(error) if is_transient(&error) => Err(Stall::Full),
            Err(_) => Err(Stall::Broken),
        }
    }

    fn watch(&mut self) {
        self.0.wait_for(Event::all(self.0.key));
    }

    fn finish(&mut self) {
        // If it fails, the peer is gone already.
        let _ = self.0.socket.shutdown(Shutdown::Write);
    }

    fn end(&mut self) {
        self.0.hooks.ended.borrow_mut().push(self.0.key);
    }
}

/// How far a peer has come.
enum Stage {
    /// Its request, as far as it is here.
    Request(Vec<u8>),
    Open(ConnectionId, Box<WebSocketContext>),
    /// What it still sends is read and thrown away: until the driver ends it, then until the peer does or time is up.
    Deaf(Option<ConnectionId>),
}

struct Peer {
    link: Rc<Link>,
    stage: Stage,
    /// Of the stages that the hub knows nothing of: the first, and the very last.
    deadline: Timestamp,
}

struct Server {
    hooks: Rc<Hooks>,
    listener: TcpListener,
    signals: UnixStream,
    driver: Driver<SocketOutlet>,
    codec: Codec,
    prefix: &'static str,
    origins: Origins,
    framing: WebSocketConfig,
    peers: HashMap<usize, Peer>,
    next_key: usize,
    /// The peers' deadlines, and when the listener is listened to again.
    timers: BTreeSet<(Timestamp, usize)>,
    started: Instant,
    /// The time of this turn: one clock reading serves all of it.
    now: Timestamp,
    /// One for all, because between two reads it holds nothing.
    buffer: Vec<u8>,
    drained: bool,
}

impl Server {
    fn new(listener: TcpListener, signals: UnixStream, echo: bool) -> Result<Self, Box<dyn Error>> {
        let mut config = if echo { echo_config() } else { Config::default() };
        config.limits.max_connections = Limit::NONE;
        config.unix_ms_at_start = u64::try_from(UNIX_EPOCH.elapsed()?.as_millis())?;
        let max_message = Some(config.limits.max_message_bytes);
        let seed = RandomState::new().hash_one(std::process::id());
        let server = Self {
            hooks: Rc::new(Hooks { poller: Poller::new()?, ended: RefCell::default() }),
            listener,
            signals,
            driver: Driver::new(config, seed, Timestamp::ZERO)?,
            codec: if echo { Codec::Raw } else { Codec::Json },
            prefix: if echo { "/" } else { "/ws" },
            origins: if echo { Origins::Any } else { Origins::SameHost },
            // It reads from memory and writes nothing (see `Piece`): large buffers would only cost each peer their size.
            framing: WebSocketConfig::default()
                .read_buffer_size(256)
                .write_buffer_size(0)
                .max_write_buffer_size(1_024)
                .max_message_size(max_message)
                .max_frame_size(max_message),
            peers: HashMap::new(),
            next_key: FIRST_PEER,
            timers: BTreeSet::new(),
            started: Instant::now(),
            now: Timestamp::ZERO,
            buffer: vec![0; TURN_BYTES],
            drained: false,
        };
        server.listener.set_nonblocking(true)?;
        server.signals.set_nonblocking(true)?;
        register(&server.hooks.poller, &server.listener, LISTENER)?;
        register(&server.hooks.poller, &server.signals, SIGNALS)?;
        Ok(server)
    }

    fn run(mut self) -> io::Result<()> {
        let mut events = Events::new();
        while !(self.drained && self.peers.is_empty()) {
            events.clear();
            self.hooks.poller.wait(&mut events, self.sleep())?;
            self.now = self.clock();
            if self.driver.next_deadline().is_some_and(|deadline| deadline <= self.now) {
                self.driver.tick(self.now);
            }
            while let Some(&(at, key)) = self.timers.first().filter(|(at, _)| *at <= self.now) {
                self.timers.pop_first();
                self.expired(at, key);
            }
            for event in events.iter() {
                match event.key {
                    LISTENER => self.accept(),
                    SIGNALS => self.drain()?,
                    key => self.ready(key, event),
                }
            }
            self.end_turn();
        }
        Ok(())
    }

    fn clock(&self) -> Timestamp {
        Timestamp::ZERO + self.started.elapsed()
    }

    /// How long nothing will be due; `None` is for ever.
    fn sleep(&self) -> Option<Duration> {
        if self.driver.unflushed() > 0 {
            return Some(Duration::ZERO);
        }
        let timer = self.timers.first().map(|(at, _)| *at);
        let next = self.driver.next_deadline().into_iter().chain(timer).min();
        next.map(|next| next - self.clock())
    }

    /// What is done once for all that this turn has brought.
    fn end_turn(&mut self) {
        self.perform();
        self.driver.flush(self.now, TURN_WRITES);
        self.perform();
        for key in self.hooks.ended.take() {
            self.linger(key);
        }
        if self.drained {
            // From here on there is only lingering.
            let _ = self.hooks.poller.delete(&self.listener);
            self.peers.retain(|_, peer| matches!(peer.stage, Stage::Deaf(_)));
        }
    }

    /// Does what the driver leaves to the application.
    fn perform(&mut self) {
        while let Some(output) = self.driver.take_output() {
            if let Output::Raw { connection, frame } = output {
                let echo = Command::Send { to: connection, message: Message::Raw(frame) };
                // If it has ended meanwhile, nobody waits for it.
                let _ = self.driver.command(self.now, echo);
            } else if output == Output::Drained {
                self.drained = true;
            }
        }
    }

    fn accept(&mut self) {
        for _ in 0..TURN_ACCEPTS {
            match self.listener.accept() {
                // One that fails here is gone already.
                Ok((socket, _)) => drop(self.welcome(socket)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(_) => {
                    // Too many open files, most likely. The poller would say at once that there is somebody to accept, so
                    // it is not asked for a while; the backlog keeps those who wait.
                    let _ = self.hooks.poller.modify(&self.listener, Event::none(LISTENER));
                    self.timers.insert((self.now + ACCEPT_PAUSE, LISTENER));
                    return;
                }
            }
        }
    }

    fn welcome(&mut self, socket: TcpStream) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        socket2::SockRef::from(&socket).set_send_buffer_size(SEND_BUFFER)?;
        let key = self.next_key;
        self.next_key += 1;
        register(&self.hooks.poller, &socket, key)?;
        let link = Rc::new(Link { key, socket, hooks: self.hooks.clone() });
        let deadline = self.now + HANDSHAKE_TIMEOUT;
        self.timers.insert((deadline, key));
        self.peers.insert(key, Peer { link, stage: Stage::Request(Vec::new()), deadline });
        Ok(())
    }

    fn ready(&mut self, key: usize, event: Event) {
        let Some(peer) = self.peers.get(&key) else { return };
        if event.writable {
            peer.link.wait_for(Event::readable(key));
            if let Some(id) = peer.stage.id() {
                self.driver.writable(self.now, id);
            }
        }
        if event.readable {
            self.read(key);
        }
    }

    /// Reads once, at most a buffer full; if there is more, the poller says so again when others have had their turn.
    fn read(&mut self, key: usize) {
        let Some(peer) = self.peers.get(&key) else { return };
        match (&peer.link.socket).read(&mut self.buffer) {
            Err(error) if is_transient(&error) => {}
            Ok(0) | Err(_) => {
                if let Some(id) = peer.stage.id() {
                    self.driver.lost(self.now, id);
                }
                self.peers.remove(&key);
            }
            Ok(taken) => {
                let buffer = std::mem::take(&mut self.buffer);
                self.received(key, &buffer[..taken]);
                self.buffer = buffer;
            }
        }
    }

    fn received(&mut self, key: usize, bytes: &[u8]) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        match &mut peer.stage {
            Stage::Request(head) => {
                head.extend_from_slice(bytes);
                match http::parse(head, DEFAULT_MAX_HEAD_BYTES) {
                    Ok(Parsed::Incomplete) => {}
                    Ok(Parsed::Complete { request, head_len }) => {
                        let rest = head.split_off(head_len);
                        self.upgrade(key, &request, &rest);
                    }
                    Err(refusal) => self.dismiss(key, &refusal.to_bytes()),
                }
            }
            Stage::Open(id, framing) => {
                let id = *id;
                let end = deliver(&mut self.driver, self.now, id, framing, bytes);
                if end.is_some() {
                    peer.stage = Stage::Deaf(Some(id));
                }
                // What came before the end counts: it is answered first.
                self.perform();
                match end {
                    Some(End::Goodbye(code)) => self.driver.peer_closed(self.now, id, code),
                    Some(End::Broken(reason)) => self.driver.fail(self.now, id, reason),
                    None => {}
                }
            }
            Stage::Deaf(_) => {}
        }
    }

    fn upgrade(&mut self, key: usize, request: &Request, rest: &[u8]) {
        let (id, response) = match self.admit(key, request) {
            Ok(admitted) => admitted,
            Err(answer) => return self.dismiss(key, &answer),
        };
        let Some(peer) = self.peers.get_mut(&key) else { return };
        // A socket that has sent nothing yet takes a few hundred bytes at once, or is broken.
        if (&peer.link.socket).write_all(&response).is_err() {
            self.driver.abandon(self.now, id);
            self.peers.remove(&key);
            return;
        }
        let framing = WebSocketContext::new(Role::Server, Some(self.framing));
        peer.stage = Stage::Open(id, Box::new(framing));
        self.driver.open(self.now, id, self.codec, SocketOutlet(peer.link.clone()));
        // Frames may have come right behind the request.
        self.received(key, rest);
    }

    /// A seat and the answer that says so, or the answer that says why not.
    fn admit(&mut self, key: usize, request: &Request) -> Result<(ConnectionId, Vec<u8>), Vec<u8>> {
        let no = |refusal: Refusal| refusal.to_bytes();
        let upgrade = http::check(request, &self.origins, self.prefix).map_err(no)?;
        // Here a real server verifies `upgrade.token`, and finds out whose it is.
        let name = upgrade.user.clone().unwrap_or_else(|| format!("guest-{key}"));
        let user = UserName::new(&name)
            .map_err(|error| no(Refusal::bad_request("bad_user", format!("the name {error}"))))?;
        let room = upgrade.room.as_deref().filter(|_| self.codec != Codec::Raw);
        let room = room
            .map(RoomName::new)
            .transpose()
            .map_err(|error| no(Refusal::bad_request("bad_room", format!("the room {error}"))))?;
        let rooms = room.map(|room| (room, upgrade.since)).into_iter().collect();
        match self.driver.connect(self.now, user, rooms, upgrade.session) {
            Ok(id) => Ok((id, upgrade.accept_response())),
            // A page only learns the reason if the upgrade succeeds and a close frame follows.
            Err(rejection) => {
                let close = Frame::close(&rejection.close_reason());
                Err([upgrade.accept_response(), close.parts().concat()].concat())
            }
        }
    }

    /// Answers one who does not get in.
    fn dismiss(&mut self, key: usize, answer: &[u8]) {
        if let Some(peer) = self.peers.get(&key) {
            let _ = (&peer.link.socket).write_all(answer);
            self.linger(key);
        }
    }

    /// Nothing more will be written. To close the socket now, with bytes unread, would reset it and destroy what is under
    /// way; so the peer hears that this is the end, and gets a moment to read it and to go.
    fn linger(&mut self, key: usize) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let _ = peer.link.socket.shutdown(Shutdown::Write);
        peer.link.wait_for(Event::readable(key));
        peer.stage = Stage::Deaf(None);
        peer.deadline = self.now + LINGER;
        self.timers.insert((peer.deadline, key));
    }

    fn expired(&mut self, at: Timestamp, key: usize) {
        if key == LISTENER {
            let again = Event::readable(LISTENER);
            let _ = self.hooks.poller.modify_with_mode(&self.listener, again, PollMode::Level);
        }
        // A timer is not taken back when a peer moves on: it only counts if it is still the peer's own.
        let Some(peer) = self.peers.get(&key).filter(|peer| peer.deadline == at) else { return };
        match peer.stage {
            Stage::Request(_) => self.dismiss(key, &Refusal::request_timeout().to_bytes()),
            Stage::Open(..) | Stage::Deaf(Some(_)) => {}
            Stage::Deaf(None) => drop(self.peers.remove(&key)),
        }
    }

    /// SIGTERM or Ctrl-C: the hub sends everybody away, and `Output::Drained` ends the loop. A second one does not wait.
    fn drain(&mut self) -> io::Result<()> {
        if self.signals.read(&mut [0; 16])? > 1 || self.driver.hub().is_draining() {
            return Err(io::Error::new(ErrorKind::Interrupted, "ended before the drain was over"));
        }
        self.driver.drain(self.now, DRAIN_TIMEOUT, DRAIN_SPREAD);
        Ok(())
    }
}

impl Stage {
    /// The driver's name for the peer, while it has one.
    fn id(&self) -> Option<ConnectionId> {
        match self {
            Self::Open(id, _) | Self::Deaf(Some(id)) => Some(*id),
            Self::Request(_) | Self::Deaf(None) => None,
        }
    }
}

/// Why nothing more of a peer is looked at.
enum End {
    Goodbye(Option<u16>),
    Broken(CloseReason),
}

/// Gives every message that is complete to the driver, up to the end if there is one.
fn deliver(
    driver: &mut Driver<SocketOutlet>,
    now: Timestamp,
    id: ConnectionId,
    framing: &mut WebSocketContext,
    bytes: &[u8],
) -> Option<End> {
    let max_message = framing.get_config().max_message_size.unwrap_or(usize::MAX);
    let mut piece = Piece(bytes);
    let end = loop {
        match framing.read(&mut piece) {
            Ok(tungstenite::Message::Text(text)) => driver.text(now, id, &text),
            Ok(tungstenite::Message::Binary(bytes)) => driver.binary(now, id, bytes),
            Ok(tungstenite::Message::Ping(payload)) => driver.ping(now, id, &payload),
            Ok(tungstenite::Message::Pong(payload)) => driver.pong(now, id, &payload),
            Ok(tungstenite::Message::Close(frame)) => {
                break Some(End::Goodbye(frame.map(|frame| frame.code.into())));
            }
            // Only what is written has this kind.
            Ok(tungstenite::Message::Frame(_)) => {}
            Err(WsError::Io(error)) if error.kind() == ErrorKind::WouldBlock => break None,
            Err(error) => {
                break Some(End::Broken(reason_of(&error, max_message)));
            }
        }
    };
    driver.after_read(now, id, bytes.len());
    end
}

fn reason_of(error: &WsError, max_message: usize) -> CloseReason {
    if let WsError::Capacity(CapacityError::MessageTooLong { .. }) = error {
        CloseReason::TooBig(max_message)
    } else if let WsError::Utf8(_) = error {
        CloseReason::InvalidText
    } else {
        CloseReason::Protocol(error.to_string().into())
    }
}

/// What was read, as tungstenite wants it. What it would write, pongs and close frames, the driver writes in their place.
struct Piece<'a>(&'a [u8]);

impl Read for Piece<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(ErrorKind::WouldBlock.into()) } else { self.0.read(buffer) }
    }
}

impl Write for Piece<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[allow(unsafe_code)]
fn register(poller: &Poller, source: impl AsRawSource, key: usize) -> io::Result<()> {
    // SAFETY: the poller must forget a source before that is closed. A peer's `Link` sees to that when it is dropped, and
    // the listener and the signals live as long as the poller.
    unsafe { poller.add_with_mode(source, Event::readable(key), PollMode::Level) }
}

/// For suites that test the framing: nearly everything is allowed, so not for the open internet.
fn echo_config() -> Config {
    Config {
        limits: Limits {
            max_per_user: Limit::NONE,
            max_message_bytes: 64 * 1024 * 1024,
            max_fragments: 100_000,
            messages: Rate::NONE,
            bytes: Rate::NONE,
            outbox_messages: 1_000_000,
            outbox_bytes: 1024 * 1024 * 1024,
            ..Limits::default()
        },
        heartbeat: Heartbeat { interval: Duration::ZERO, ..Heartbeat::default() },
        ..Config::default()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut address, mut echo) = ("127.0.0.1:9003".to_owned(), false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--listen" => address = arguments.next().ok_or("--listen needs an address")?,
            "--echo" => echo = true,
            other => {
                return Err(format!("{other:?}? There is --listen ADDR, and --echo").into());
            }
        }
    }
    let (signals, signalled) = UnixStream::pair()?;
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::low_level::pipe::register(signal, signalled.try_clone()?)?;
    }
    let listener = TcpListener::bind(address)?;
    let path = if echo { "" } else { "/ws/ROOM" };
    println!("listening on ws://{}{path}", listener.local_addr()?);
    Server::new(listener, signals, echo)?.run()?;
    Ok(())
}
