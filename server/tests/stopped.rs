//! A server that is stopped for longer than its clients may be silent.
#![cfg(test)]
#![cfg(unix)]

mod program;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use program::{Server, UPGRADE, ask};

/// More than the poller tells of at once.
const ANSWERING: usize = 300;
const SILENT: usize = 5;
const STALE_AFTER: Duration = Duration::from_secs(4);

/// A client that answers pings when it is told to.
struct Client {
    socket: TcpStream,
    bytes: Vec<u8>,
    pings: Vec<Vec<u8>>,
    closed: Option<u16>,
    pongs: usize,
}

impl Client {
    fn new(server: &Server, number: usize) -> Self {
        let mut socket = TcpStream::connect(&server.address).unwrap();
        let headers = format!("Host: localhost\r\n{UPGRADE}");
        // Their own rooms, because one holds only a few.
        let path = format!("/ws/room-{number}?user=user-{number}");
        let (status, text) = ask(&mut socket, &path, &headers);
        assert_eq!(status, 101, "{text}");
        socket.set_nonblocking(true).unwrap();
        Self { socket, bytes: Vec::new(), pings: Vec::new(), closed: None, pongs: 0 }
    }

    /// Takes in what has arrived.
    fn read(&mut self) {
        let mut piece = [0; 4096];
        loop {
            match self.socket.read(&mut piece) {
                Ok(0) => break,
                Ok(taken) => self.bytes.extend_from_slice(&piece[..taken]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        while let Some((head, payload)) = self.frame() {
            match head {
                0x89 => self.pings.push(payload),
                0x88 => self.closed = Some(u16::from_be_bytes([payload[0], payload[1]])),
                _ if payload.starts_with(br#"{"type":"health_pong""#) => self.pongs += 1,
                _ => {}
            }
        }
    }

    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (length, start) = match *self.bytes.get(1)? {
            126 => (usize::from(u16::from_be_bytes([*self.bytes.get(2)?, *self.bytes.get(3)?])), 4),
            length => (usize::from(length), 2),
        };
        if self.bytes.len() < start + length {
            return None;
        }
        let frame: Vec<_> = self.bytes.drain(..start + length).collect();
        Some((frame[0], frame[start..].to_vec()))
    }

    /// Sends a short frame. Its mask is zero, which changes nothing.
    fn send(&mut self, head: u8, payload: &[u8]) {
        let length = 0x80 | u8::try_from(payload.len()).unwrap();
        let frame = [&[head, length, 0, 0, 0, 0], payload].concat();
        self.socket.write_all(&frame).unwrap();
    }

    fn answer(&mut self) {
        for ping in std::mem::take(&mut self.pings) {
            self.send(0x8a, &ping);
        }
    }
}

/// Reads all clients until this is true.
fn read_until(what: &str, clients: &mut [Client], mut is: impl FnMut(&mut [Client]) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        clients.iter_mut().for_each(Client::read);
        if is(clients) {
            return;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn clients_whose_pongs_wait_in_their_sockets_are_not_stale() {
    let stale_after = format!("{}s", STALE_AFTER.as_secs());
    let server = Server::start(&[
        ("SWITCHBOARD_HEARTBEAT_INTERVAL", "1s"),
        ("SWITCHBOARD_HEARTBEAT_STALE_AFTER", &stale_after),
        ("SWITCHBOARD_HEARTBEAT_MODE", "protocol"),
    ]);
    let mut clients = Vec::new();
    for number in 0..ANSWERING + SILENT {
        clients.push(Client::new(&server, number));
        for client in &mut clients {
            client.read();
            client.answer();
        }
    }
    read_until("each is asked", &mut clients, |clients| {
        clients.iter().all(|client| !client.pings.is_empty())
    });
    assert!(clients.iter().all(|client| client.closed.is_none()));

    server.signal("STOP");
    let stopped = Instant::now();
    // What was sent until the signal arrived.
    clients.iter_mut().for_each(Client::read);
    let (answering, silent) = clients.split_at_mut(ANSWERING);
    answering.iter_mut().for_each(Client::answer);
    while let Some(left) = (STALE_AFTER + Duration::from_secs(1)).checked_sub(stopped.elapsed()) {
        thread::park_timeout(left);
    }
    server.signal("CONT");
    let continued = Instant::now();
    read_until("the silent ones are closed", silent, |silent| {
        answering.iter_mut().for_each(|client| {
            client.read();
            client.answer();
        });
        silent.iter().all(|client| client.closed.is_some())
    });
    let took = continued.elapsed();
    assert!(took <= STALE_AFTER, "they were closed after {took:?}");
    assert!(silent.iter().all(|client| client.closed == Some(4010)));

    for client in &mut *answering {
        assert_eq!(client.closed, None);
        client.send(0x81, br#"{"type":"health_ping","timestamp":1}"#);
    }
    read_until("the others are there", answering, |answering| {
        answering.iter_mut().for_each(Client::answer);
        answering.iter().all(|client| client.pongs == 1)
    });
}
