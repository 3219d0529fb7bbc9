//! A client that can also break the rules: it writes its frames byte by byte, on a blocking socket.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::DEADLINE;

/// The first byte of a text message in a single frame.
pub const TEXT: u8 = 0x81;
/// The first byte of a binary message in a single frame.
pub const BINARY: u8 = 0x82;
/// The first byte of a close frame.
pub const CLOSE: u8 = 0x88;
/// The first byte of a ping.
pub const PING: u8 = 0x89;
/// The first byte of a pong.
pub const PONG: u8 = 0x8a;

const MASK: [u8; 4] = [0x12, 0xa7, 0x00, 0xff];

/// A frame from the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// FIN, reserved bits and opcode.
    pub head: u8,
    /// The frame's unmasked bytes.
    pub payload: Vec<u8>,
}

/// Encodes a frame, masked as a client's must be.
pub fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(head, payload.len() as u64);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// Encodes the header of a masked frame that announces `len` bytes.
pub fn header(head: u8, len: u64) -> Vec<u8> {
    let mut bytes = vec![head];
    match len {
        0..=125 => bytes.push(0x80 | len as u8),
        126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend(len.to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes
}

/// The payload of a close frame.
pub fn closing(code: u16, reason: impl AsRef<[u8]>) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason.as_ref()].concat()
}

/// Encodes an upgrade request with these extra header lines.
pub fn request(target: &str, more: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// One end of a connection. Any failure panics: a test expects success.
#[derive(Debug)]
pub struct Client {
    /// The socket, for tests that break the rules.
    pub socket: TcpStream,
    /// Bytes that were read and not yet parsed.
    ahead: Vec<u8>,
}

impl Client {
    /// Connects without sending anything.
    pub fn dial(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.set_write_timeout(Some(DEADLINE)).unwrap();
        Self { socket, ahead: Vec::new() }
    }

    /// As [`dial`](Self::dial), from the address 127.0.0.`host`, which is this machine as well.
    #[cfg(target_os = "linux")]
    pub fn dial_from(host: u8, address: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, host], 0)).into()).unwrap();
        socket.connect(&address.into()).unwrap();
        let socket = TcpStream::from(socket);
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.set_write_timeout(Some(DEADLINE)).unwrap();
        Self { socket, ahead: Vec::new() }
    }

    /// As [`dial`](Self::dial), with a kernel receive buffer so small that it soon fills up.
    pub fn dial_narrow(address: SocketAddr) -> Self {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4 * 1024).unwrap();
        socket.connect(&address.into()).unwrap();
        let socket = TcpStream::from(socket);
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.set_write_timeout(Some(DEADLINE)).unwrap();
        Self { socket, ahead: Vec::new() }
    }

    /// Opens a connection with an upgrade that must succeed. The server's first message is still to
    /// be read.
    pub fn open(address: SocketAddr, target: &str) -> Self {
        let mut client = Self::dial(address);
        client.upgrade(target);
        client
    }

    /// As [`open`](Self::open), on an existing socket.
    pub fn upgrade(&mut self, target: &str) {
        self.write(request(target, ""));
        let head = self.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{target}: {head}");
    }

    /// Sends a request, and returns the status and the whole response.
    pub fn ask(address: SocketAddr, request: impl AsRef<[u8]>) -> (u16, String) {
        let mut client = Self::dial(address);
        client.write(request);
        client.response()
    }

    /// Returns the status and text of a whole response, after which the server must end the
    /// connection.
    pub fn response(&mut self) -> (u16, String) {
        let bytes = self.rest();
        let text = String::from_utf8(bytes).unwrap();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or_else(|| panic!("no answer but {text:?}")), text)
    }

    /// Reads the response's head, up to and with the empty line.
    pub fn head(&mut self) -> String {
        loop {
            if let Some(at) = self.ahead.windows(4).position(|four| four == b"\r\n\r\n") {
                let rest = self.ahead.split_off(at + 4);
                let head = std::mem::replace(&mut self.ahead, rest);
                return String::from_utf8(head).unwrap();
            }
            assert!(self.fill().unwrap() > 0, "the answer ends: {:?}", self.ahead);
        }
    }

    /// Writes these bytes unchanged.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).unwrap();
    }

    /// As [`write`](Self::write), to a server that may have ended the connection.
    ///
    /// # Errors
    /// If the server has ended the connection.
    pub fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.socket.write_all(bytes.as_ref())
    }

    /// Sends a frame with this first byte.
    pub fn send(&mut self, head: u8, payload: impl AsRef<[u8]>) {
        self.write(frame(head, payload.as_ref()));
    }

    /// Sends a text message.
    pub fn text(&mut self, text: &str) {
        self.send(TEXT, text);
    }

    /// Sends a message of the protocol.
    pub fn json(&mut self, message: &Value) {
        self.text(&message.to_string());
    }

    /// Reads once more from the socket. Returns the number of bytes; 0 means the end.
    fn fill(&mut self) -> io::Result<usize> {
        let mut piece = vec![0; 64 * 1024];
        let taken = self.socket.read(&mut piece)?;
        self.ahead.extend_from_slice(&piece[..taken]);
        Ok(taken)
    }

    /// Reads the next frame.
    pub fn next_frame(&mut self) -> Frame {
        self.try_next_frame().unwrap().expect("the server has more to say")
    }

    /// Reads the next frame; `None` if the server has ended the connection.
    pub fn try_next_frame(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.take_frame() {
                return Ok(Some(frame));
            }
            if self.fill()? == 0 {
                assert!(self.ahead.is_empty(), "a frame is cut off: {:?}", self.ahead.len());
                return Ok(None);
            }
        }
    }

    /// Returns the next frame without consuming it.
    pub fn peek(&mut self) -> Frame {
        let frame = self.next_frame();
        // A server's frame has one possible encoding, so it can be put back.
        let len = frame.payload.len();
        assert!(len < 126 || u16::try_from(len).is_ok(), "too large to be put back: {len} bytes");
        let mut bytes = vec![frame.head];
        match u8::try_from(len) {
            Ok(short @ 0..=125) => bytes.push(short),
            Ok(_) | Err(_) => {
                bytes.push(126);
                bytes.extend((len as u16).to_be_bytes());
            }
        }
        bytes.extend_from_slice(&frame.payload);
        self.ahead.splice(..0, bytes);
        frame
    }

    /// Checks that nothing arrives for a while.
    pub fn expect_silence(&mut self) {
        self.socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let error = self.fill().expect_err("the server says nothing");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        self.socket.set_read_timeout(Some(DEADLINE)).unwrap();
    }

    /// Returns whether nothing arrives within the socket's timeout. What arrives stays unread.
    pub fn is_silent(&mut self) -> bool {
        let filled = self.fill();
        matches!(filled, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    fn take_frame(&mut self) -> Option<Frame> {
        let [head, second, ..] = self.ahead[..] else { return None };
        assert_eq!(second & 0x80, 0, "a server masks nothing");
        let (len, start) = match second {
            126 => (u64::from(u16::from_be_bytes(self.ahead.get(2..4)?.try_into().unwrap())), 4),
            127 => (u64::from_be_bytes(self.ahead.get(2..10)?.try_into().unwrap()), 10),
            short => (u64::from(short), 2),
        };
        let end = start + usize::try_from(len).unwrap();
        if self.ahead.len() < end {
            // The rest of a large frame is read at once.
            self.ahead.reserve(end - self.ahead.len());
            return None;
        }
        let payload = self.ahead[start..end].to_vec();
        self.ahead.drain(..end);
        Some(Frame { head, payload })
    }

    /// Reads the next message of the protocol, which must have this type.
    pub fn expect(&mut self, kind: &str) -> Value {
        let message = self.message();
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    /// Reads up to the next message of this type, and returns it.
    pub fn until(&mut self, kind: &str) -> Value {
        loop {
            let message = self.message();
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// Reads the next message of the protocol.
    pub fn message(&mut self) -> Value {
        let frame = self.next_frame();
        assert_eq!(frame.head, TEXT, "{:?}", String::from_utf8_lossy(&frame.payload));
        serde_json::from_slice(&frame.payload).unwrap()
    }

    /// Sends a message with this id and returns the server's answer, skipping other messages.
    pub fn call(&mut self, message: &Value) -> Value {
        let id = message["id"].clone();
        assert!(id.is_string(), "{message}");
        self.json(message);
        loop {
            let answer = self.message();
            if answer["id"] == id && answer.get("event_id").is_none_or(|_| answer["type"] == "ack")
            {
                return answer;
            }
        }
    }

    /// Reads up to the close frame, skipping data, and returns it.
    pub fn closed(&mut self) -> (u16, String) {
        loop {
            let frame = self.next_frame();
            if frame.head == CLOSE {
                let (code, reason) = frame.payload.split_at(frame.payload.len().min(2));
                let code = code.try_into().map_or(1005, u16::from_be_bytes);
                return (code, String::from_utf8(reason.to_vec()).unwrap());
            }
        }
    }

    /// Reads to the end of the connection; a reset is an end too.
    pub fn rest(&mut self) -> Vec<u8> {
        loop {
            match self.fill() {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
                Err(error) => panic!("{error}, after {} bytes", self.ahead.len()),
            }
        }
        std::mem::take(&mut self.ahead)
    }

    /// Checks that the server ends the connection without another frame.
    pub fn ended(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
    }

    /// Closes properly: close frame, its answer, the end.
    pub fn bye(mut self) {
        self.send(CLOSE, closing(1000, ""));
        assert_eq!(self.closed().0, 1000);
        self.ended();
    }

    /// Shuts down only this client's side.
    pub fn half_close(&self) {
        self.socket.shutdown(Shutdown::Write).unwrap();
    }

    /// Resets the connection, as a machine does after a crash.
    pub fn reset(self) {
        socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO)).unwrap();
    }
}
