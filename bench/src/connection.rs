//! One socket and its buffers.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::TcpStream;

use polling::{Event, PollMode, Poller};
use socket2::{Domain, Protocol, Socket, Type};
use switchboard_engine::client::{ClientUpgrade, Stream, Upgraded};

use crate::failure;
use crate::target::{Place, Target};

/// The receive buffer of a slow connection, in bytes. The default on loopback is megabytes.
const SLOW_BUFFER: usize = 32 * 1024;
const SLOW_SEGMENT: u32 = 1460;

/// The state of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    Dialing,
    Upgrading,
    /// Performing this step of the template's hello.
    Greeting(usize),
    Open,
    /// We have sent a close frame.
    Leaving,
    Over,
}

/// How a connection ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// The server refused the upgrade.
    Refused(String),
    Closed {
        code: u16,
        reason: String,
    },
    HungUp,
    Failed(String),
    /// A timeout in this stage.
    Late(Stage),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) | Self::Failed(why) => f.write_str(why),
            Self::Closed { code: 1005, .. } => f.write_str("closed without a code"),
            Self::Closed { code, reason } if reason.is_empty() => write!(f, "closed with {code}"),
            Self::Closed { code, reason } => write!(f, "closed with {code} {reason}"),
            Self::HungUp => f.write_str("the server hung up"),
            Self::Late(stage) => f.write_str(match stage {
                Stage::Dialing => "timeout: the server did not accept the connection",
                Stage::Upgrading => "timeout: no answer to the upgrade",
                Stage::Greeting(_) => {
                    "timeout: the message that the template waits for did not come"
                }
                Stage::Open | Stage::Leaving | Stage::Over => "timeout: no answer to the close",
            }),
        }
    }
}

/// The result of a read.
pub(crate) enum Flow {
    /// The buffer holds `filled` bytes; `more` says whether the socket may have more.
    Read {
        filled: usize,
        more: bool,
    },
    Nothing,
    Ended(Ended),
}

pub(crate) struct Connection {
    socket: Option<(TcpStream, Stream)>,
    is_secure: bool,
    /// The handshake, until it is complete.
    upgrade: Option<ClientUpgrade>,
    pub(crate) stage: Stage,
    /// Distinguishes this connection from earlier ones in the same slot of the table.
    pub(crate) generation: u32,
    pub(crate) place: Place,
    pub(crate) begun: u64,
    pub(crate) is_deaf: bool,
    /// The start of an incomplete frame or head.
    unread: Vec<u8>,
    /// Fragments of an incomplete message.
    pub(crate) parts: Vec<u8>,
    unsent: Vec<u8>,
}

impl Connection {
    /// Returns a connection that was never made.
    pub(crate) fn none(place: Place, begun: u64, generation: u32) -> Self {
        Self {
            socket: None,
            is_secure: false,
            upgrade: None,
            stage: Stage::Dialing,
            generation,
            place,
            begun,
            is_deaf: false,
            unread: Vec::new(),
            parts: Vec::new(),
            unsent: Vec::new(),
        }
    }

    pub(crate) fn dial(
        target: &Target,
        place: Place,
        is_slow: bool,
        begun: u64,
        generation: u32,
    ) -> Result<Self, String> {
        let socket = open(target, is_slow).map_err(|error| {
            let no_port = error.kind() == ErrorKind::AddrNotAvailable;
            let why = if no_port { ": this machine has no free port left" } else { "" };
            format!("{error}{why}")
        })?;
        let socket = Some((socket, target.stream()?));
        let is_secure = target.is_secure();
        Ok(Self { socket, is_secure, ..Self::none(place, begun, generation) })
    }

    /// Registers the socket with the poller, edge-triggered.
    pub(crate) fn watch(&self, poller: &Poller, key: usize) -> io::Result<()> {
        let Some((socket, _)) = &self.socket else { return Ok(()) };
        #[expect(unsafe_code, reason = "the poller cannot know how long the socket lives")]
        // SAFETY: `hang_up` removes it from the poller, and the crowd drops the poller before its
        // connections.
        unsafe {
            poller.add_with_mode(socket, Event::all(key), PollMode::Edge)
        }
    }

    /// Returns whether the TCP connection is established.
    pub(crate) fn connected(&self) -> Result<bool, String> {
        let Some((socket, _)) = &self.socket else { return Ok(false) };
        if let Some(error) = socket.take_error().map_err(|error| error.to_string())? {
            return Err(error.to_string());
        }
        Ok(socket.peer_addr().is_ok())
    }

    /// Sends the upgrade request.
    pub(crate) fn ask(&mut self, target: &Target) {
        let (upgrade, request) = target.request(self.place);
        self.upgrade = Some(upgrade);
        self.stage = Stage::Upgrading;
        self.write(&request);
    }

    /// Feeds bytes of the response to the upgrade. Once the response is complete, returns the bytes
    /// after its head, or why there is no connection. `ended` says that no more bytes will come.
    pub(crate) fn answer(&mut self, bytes: &[u8], ended: bool) -> Option<Result<Vec<u8>, String>> {
        let answer = match self.upgrade.as_mut()?.feed(bytes, ended)? {
            Upgraded::Open(behind) => Ok(behind),
            Upgraded::Refused { status, reason, body, .. } => {
                Err(failure::refusal(status, &reason, &body))
            }
            Upgraded::Failed(why) => Err(why),
        };
        self.upgrade = None;
        Some(answer)
    }

    /// Reads after the bytes that were kept.
    pub(crate) fn read(&mut self, buffer: &mut Vec<u8>, size: usize) -> Flow {
        let Some((socket, stream)) = &mut self.socket else { return Flow::Nothing };
        if self.is_deaf {
            return Flow::Nothing;
        }
        let kept = self.unread.len();
        if buffer.len() < kept + size {
            buffer.resize(kept + size, 0);
        }
        loop {
            match stream.read(socket, &mut buffer[kept..]) {
                Ok(0) => return Flow::Ended(Ended::HungUp),
                Ok(taken) => {
                    buffer[..kept].copy_from_slice(&self.unread);
                    self.unread.clear();
                    // A short read means that the socket is empty; TLS returns what it has
                    // decrypted.
                    let more = self.is_secure || kept + taken == buffer.len();
                    return Flow::Read { filled: kept + taken, more };
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.flush();
                    return Flow::Nothing;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Flow::Ended(Ended::Failed(error.to_string())),
            }
        }
    }

    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    pub(crate) fn unsent(&self) -> usize {
        self.unsent.len()
    }

    /// Sends, or buffers what the socket does not accept. Errors show at the next read.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return;
        }
        let Some((socket, stream)) = &mut self.socket else { return };
        let taken = pass(stream, socket, bytes);
        self.unsent.extend_from_slice(&bytes[taken..]);
    }

    pub(crate) fn flush(&mut self) {
        let Some((socket, stream)) = &mut self.socket else { return };
        if self.unsent.is_empty() && !stream.wants_write() {
            return;
        }
        let taken = pass(stream, socket, &self.unsent);
        self.unsent.drain(..taken);
    }

    pub(crate) fn hang_up(&mut self, poller: &Poller) {
        if let Some((socket, _)) = self.socket.take() {
            // Fails only for a socket that could not be added either.
            let _ = poller.delete(socket);
        }
        self.upgrade = None;
        self.unread = Vec::new();
        self.parts = Vec::new();
        self.unsent = Vec::new();
    }
}

/// Writes until the socket would block. Returns the number of bytes written.
fn pass(stream: &mut Stream, socket: &mut TcpStream, bytes: &[u8]) -> usize {
    let mut done = 0;
    while done < bytes.len() {
        match stream.write(socket, &bytes[done..]) {
            Ok(taken @ 1..) => done += taken,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
        }
    }
    // TLS buffers what it could not write, and says so.
    let _ = stream.flush(socket);
    done
}

fn open(target: &Target, is_slow: bool) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(target.at), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if is_slow {
        socket.set_recv_buffer_size(SLOW_BUFFER)?;
        socket.set_tcp_mss(SLOW_SEGMENT)?;
    }
    match socket.connect(&target.at.into()) {
        Err(error)
            if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
        {
            Err(error)
        }
        Ok(()) | Err(_) => Ok(socket.into()),
    }
}
