//! From an accepted socket to an open connection, or a refusal that can be read.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use switchboard_core::http::{HttpError, HttpRequest};
use switchboard_engine::server::{
    HeadReader, LINGER, LINGER_BYTES, RefusedUpgrade, Reservation, ended,
};

use crate::auth::guarded;
use crate::connection::Connection;
use crate::server;
use crate::shared::Shared;

/// A blocking socket of which no call lasts longer than until the deadline.
struct Timed<'a> {
    socket: &'a TcpStream,
    deadline: Instant,
}

impl Timed<'_> {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

/// A socket with a time-out says that it would block.
fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(self.left()?)?;
        let mut socket = self.socket;
        socket.read(buffer).map_err(timed_out)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(self.left()?)?;
        let mut socket = self.socket;
        socket.write(bytes).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Everything between the accepted socket and the open connection, within the handshake time-out.
/// Returns `None` if there is no connection.
pub(crate) fn open(
    shared: &Arc<Shared>,
    socket: &Arc<TcpStream>,
    peer: SocketAddr,
) -> io::Result<Option<(Connection, Vec<u8>)>> {
    shared.settings.tune(&**socket)?;
    let deadline = Instant::now() + shared.settings.handshake_timeout;
    let answer = match negotiate(shared, &mut Timed { socket, deadline }, peer) {
        Ok(Negotiated::Open(admission, read_ahead)) => {
            return Ok(Some((server::open(shared, admission, socket.clone())?, read_ahead)));
        }
        Ok(Negotiated::Say(answer)) => answer,
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            let error = HttpError::request_timeout();
            shared.refused(|entrance, now| entrance.unreadable(now, &error));
            error.to_bytes()
        }
        Err(error) => return Err(error),
    };
    say(socket, &answer)?;
    Ok(None)
}

enum Negotiated {
    /// The upgrade has been answered with 101; these bytes came behind the request.
    Open(Reservation, Vec<u8>),
    /// Send this, and close the socket.
    Say(Vec<u8>),
}

fn negotiate(
    shared: &Arc<Shared>,
    socket: &mut Timed<'_>,
    peer: SocketAddr,
) -> io::Result<Negotiated> {
    let (request, read_ahead) = match read_request(shared, socket, peer.ip())? {
        Ok(read) => read,
        Err(refusal) => {
            shared.refused(|entrance, now| entrance.unreadable(now, &refusal));
            return Ok(Negotiated::Say(refusal.to_bytes()));
        }
    };
    let head_only = request.method() == "HEAD";
    let entrance = &shared.entrance;
    if !entrance.concerns(&request) {
        let response = guarded(|| (shared.services.http)(request));
        let response = response.unwrap_or_else(|refusal| refusal.to_response());
        entrance.answered(&response);
        return Ok(Negotiated::Say(response.bytes_for(head_only)));
    }
    let admitted = admit(shared, request);
    // The authenticator cannot be interrupted; but a peer that was let in too late is not let in.
    socket.left()?;
    match admitted {
        Ok(admission) => {
            socket.write_all(&admission.upgrade().accept_response())?;
            Ok(Negotiated::Open(admission, read_ahead))
        }
        Err(refused) => Ok(Negotiated::Say(entrance.closing_bytes(*refused, head_only))),
    }
}

fn read_request(
    shared: &Shared,
    socket: &mut Timed<'_>,
    address: IpAddr,
) -> io::Result<Result<(HttpRequest, Vec<u8>), HttpError>> {
    let mut head = HeadReader::new(Some(address));
    let mut piece = [0; 1024];
    loop {
        let taken = match socket.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            taken => taken?,
        };
        if taken == 0 && !head.is_empty() && shared.threads.is_closed() {
            // The read was ended by the server.
            return Ok(Err(ended()));
        }
        if taken == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(complete) = head.read(&piece[..taken]).transpose() {
            return Ok(complete);
        }
    }
}

/// Checks and authenticates the request, and reserves a seat.
pub(crate) fn admit(
    shared: &Arc<Shared>,
    request: HttpRequest,
) -> Result<Reservation, Box<RefusedUpgrade>> {
    let admitted = decide(shared, request);
    if let Err(refused) = &admitted {
        shared.refused(|entrance, now| entrance.refused(now, refused));
    }
    admitted
}

fn decide(shared: &Arc<Shared>, request: HttpRequest) -> Result<Reservation, Box<RefusedUpgrade>> {
    let entrance = &shared.entrance;
    let (upgrade, credentials) = entrance.check(request)?;
    let verdict = guarded(|| (shared.services.authenticate)(credentials));
    let peer = entrance.judge(upgrade, verdict.and_then(|verdict| verdict))?;
    Reservation::new(shared.clone(), peer)
}

/// Sends an answer and lets the peer read it: closing at once would destroy it if the peer is still
/// sending.
fn say(socket: &TcpStream, answer: &[u8]) -> io::Result<()> {
    let mut timed = Timed { socket, deadline: Instant::now() + LINGER };
    timed.write_all(answer)?;
    socket.shutdown(Shutdown::Write)?;
    let mut piece = [0; 4096];
    let mut left = LINGER_BYTES;
    while left > 0 {
        match timed.read(&mut piece) {
            Ok(0) => break,
            Ok(taken) => left = left.saturating_sub(taken),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
