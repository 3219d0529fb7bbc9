//! From an accepted socket to an open connection, or a refusal that can be read.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use smol::future::FutureExt;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::{Async, Timer};
use switchboard_core::http::{Refusal, Request};
use switchboard_core::serving::{Admission, FAREWELL, FAREWELL_BYTES, Head, Refused};

use crate::auth::guarded;
use crate::server::{open, tune};
use crate::shared::Shared;

/// Everything between the accepted socket and the open connection, within the handshake time-out.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    socket: Async<TcpStream>,
    peer: SocketAddr,
) -> io::Result<()> {
    tune(socket.get_ref(), shared.settings.send_buffer)?;
    let mut socket = socket;
    let timeout = async {
        Timer::after(shared.settings.handshake_timeout).await;
        Err(io::ErrorKind::TimedOut.into())
    };
    match negotiate(shared, &mut socket).or(timeout).await {
        Ok(Negotiated::Open(admission, read_ahead)) => open(shared, admission, socket, &read_ahead),
        Ok(Negotiated::Say(answer)) => say(socket, &answer).await,
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            tracing::debug!(%peer, "the handshake took too long");
            say(socket, &Refusal::request_timeout().to_bytes()).await
        }
        Err(error) => Err(error),
    }
}

enum Negotiated {
    /// The upgrade has been answered with 101; these bytes came behind the request.
    Open(Admission, Vec<u8>),
    /// Send this, and that is all.
    Say(Vec<u8>),
}

async fn negotiate(shared: &Arc<Shared>, socket: &mut Async<TcpStream>) -> io::Result<Negotiated> {
    let (request, read_ahead) = match read_request(socket).await? {
        Ok(read) => read,
        Err(refusal) => return Ok(Negotiated::Say(refusal.to_bytes())),
    };
    let head_only = request.method() == "HEAD";
    let entrance = &shared.settings.entrance;
    if !entrance.concerns(&request) {
        let response = guarded(|| (shared.http)(request)).await;
        let response = response.unwrap_or_else(|refusal| refusal.to_response());
        return Ok(Negotiated::Say(response.bytes_for(head_only)));
    }
    match admit(shared, request).await {
        Ok(admission) => {
            socket.write_all(&admission.upgrade().accept_response()).await?;
            Ok(Negotiated::Open(admission, read_ahead))
        }
        Err(refused) => Ok(Negotiated::Say(entrance.farewell(*refused, head_only))),
    }
}

async fn read_request(
    socket: &mut Async<TcpStream>,
) -> io::Result<Result<(Request, Vec<u8>), Refusal>> {
    let mut head = Head::default();
    let mut piece = [0; 1024];
    loop {
        let taken = socket.read(&mut piece).await?;
        if taken == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(complete) = head.read(&piece[..taken]).transpose() {
            return Ok(complete);
        }
    }
}

/// Checks the request, finds out whose it is, and takes a seat.
pub(crate) async fn admit(
    shared: &Arc<Shared>,
    request: Request,
) -> Result<Admission, Box<Refused>> {
    let entrance = &shared.settings.entrance;
    let (visitor, credentials) = entrance.check(request)?;
    let verdict = guarded(|| (shared.authenticate)(credentials)).await;
    let guest = entrance.judge(visitor, verdict.and_then(|verdict| verdict))?;
    Admission::new(shared.clone(), guest)
}

/// Sends an answer and lets the peer read it: closing at once would destroy it, if the peer is still sending.
async fn say(mut socket: Async<TcpStream>, answer: &[u8]) -> io::Result<()> {
    let farewell = async {
        socket.write_all(answer).await?;
        socket.get_ref().shutdown(std::net::Shutdown::Write)?;
        let mut piece = [0; 4096];
        let mut left = FAREWELL_BYTES;
        while left > 0 {
            match socket.read(&mut piece).await? {
                0 => break,
                taken => left = left.saturating_sub(taken),
            }
        }
        Ok(())
    };
    let timeout = async {
        Timer::after(FAREWELL).await;
        Ok(())
    };
    farewell.or(timeout).await
}
