//! From an accepted socket to an open connection, or a refusal that can be read.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use switchboard_core::http::{HttpError, HttpRequest};
use switchboard_engine::server::{
    Entry, HeadReader, LINGER, LINGER_BYTES, RefusedUpgrade, Reservation, ended,
};

use crate::auth::guarded;
use crate::connection::Connection;
use crate::guest::Guest;
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
    guest: &mut Guest,
    peer: SocketAddr,
) -> io::Result<Option<(Connection, Vec<u8>)>> {
    let (shared, socket) = (guest.shared.clone(), guest.socket.clone());
    shared.settings.tune(&*socket)?;
    let deadline = Instant::now() + shared.settings.handshake_timeout;
    let answer = match negotiate(guest, deadline, peer) {
        Ok(Negotiated::Open(admission, read_ahead)) => {
            let (connection, _) = server::open(&shared, *admission, socket)?;
            return Ok(Some((connection, read_ahead)));
        }
        Ok(Negotiated::Say(answer)) => answer,
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            let error = HttpError::request_timeout();
            shared.refused(|entrance, now| entrance.unreadable(now, &error));
            error.to_bytes()
        }
        Err(error) => return Err(error),
    };
    say(guest, &answer)?;
    Ok(None)
}

enum Negotiated {
    /// The upgrade has been answered with 101; these bytes came behind the request.
    Open(Box<Reservation>, Vec<u8>),
    /// Send this, and close the socket.
    Say(Vec<u8>),
}

fn negotiate(guest: &Guest, deadline: Instant, peer: SocketAddr) -> io::Result<Negotiated> {
    let shared = &guest.shared;
    let (request, read_ahead) = match read_request(guest, deadline, peer.ip())? {
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
    // First whether its address may ask so often, which costs least.
    let admitted = guest
        .decide()
        .map_err(RefusedUpgrade::too_many)
        .and_then(|()| decide(shared, request, None));
    let admitted = told(shared, admitted);
    // The authenticator cannot be interrupted; but a peer that was let in too late is not let in.
    let mut socket = Timed { socket: &guest.socket, deadline };
    socket.left()?;
    match admitted {
        Ok(admission) => {
            socket.write_all(&admission.upgrade().accept_response())?;
            Ok(Negotiated::Open(Box::new(admission), read_ahead))
        }
        Err(refused) => Ok(Negotiated::Say(entrance.closing_bytes(*refused, head_only))),
    }
}

fn read_request(
    guest: &Guest,
    deadline: Instant,
    address: IpAddr,
) -> io::Result<Result<(HttpRequest, Vec<u8>), HttpError>> {
    let shared = &guest.shared;
    let mut head = HeadReader::new(Some(address), shared.settings.max_head_bytes);
    let first_byte = (Instant::now() + shared.settings.first_byte_timeout).min(deadline);
    let mut piece = [0; 1024];
    loop {
        let deadline = if head.is_empty() { first_byte } else { deadline };
        let taken = match (Timed { socket: &guest.socket, deadline }).read(&mut piece) {
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
        guest.heard();
        if let Some(complete) = head.read(&piece[..taken]).transpose() {
            return Ok(complete);
        }
    }
}

/// Counts and logs an upgrade that is refused.
pub(crate) fn told<T>(
    shared: &Shared,
    admitted: Result<T, Box<RefusedUpgrade>>,
) -> Result<T, Box<RefusedUpgrade>> {
    if let Err(refused) = &admitted {
        shared.refused(|entrance, now| entrance.refused(now, refused));
    }
    admitted
}

/// Checks and authenticates the request, and reserves a seat. The entry is that of an upgrade which
/// another server answers.
pub(crate) fn decide(
    shared: &Arc<Shared>,
    request: HttpRequest,
    entry: Option<Entry>,
) -> Result<Reservation, Box<RefusedUpgrade>> {
    let entrance = &shared.entrance;
    let (upgrade, credentials) = entrance.check(request)?;
    let verdict = guarded(|| (shared.services.authenticate)(credentials));
    let peer = entrance.judge(upgrade, verdict.and_then(|verdict| verdict))?;
    Reservation::new(shared.clone(), peer, entry)
}

/// Sends an answer and lets the peer read it: closing at once would destroy it if the peer is still
/// sending. What the peer sends is read, up to a bound, and then the socket waits unread.
fn say(guest: &mut Guest, answer: &[u8]) -> io::Result<()> {
    guest.farewell();
    let deadline = Instant::now() + LINGER;
    let mut timed = Timed { socket: &guest.socket, deadline };
    timed.write_all(answer)?;
    guest.socket.shutdown(Shutdown::Write)?;
    let mut piece = [0; 4096];
    let mut left = LINGER_BYTES;
    while left > 0 {
        match timed.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(taken) => left = left.saturating_sub(taken),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    guest.wait(deadline);
    Ok(())
}
