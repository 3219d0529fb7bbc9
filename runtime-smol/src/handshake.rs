//! From an accepted socket to an open connection, or a refusal that can be read.

use std::borrow::Cow;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use smol::future::FutureExt;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::{Async, Timer};
use switchboard_core::http::{
    self, DEFAULT_MAX_HEAD_BYTES, Parsed, Refusal, Request, Response, Status, Token, Upgrade,
};
use switchboard_core::{CloseReason, Codec, Frame, Rejection, RoomName};

use crate::auth::{Credentials, Verdict, guarded};
use crate::builder::Answer;
use crate::server::{Admission, tune};
use crate::shared::Shared;

/// How long a refused peer may take to hear why.
const FAREWELL: Duration = Duration::from_secs(2);
/// How much of what it still sends is read meanwhile, so that the answer is not destroyed by a reset.
const FAREWELL_BYTES: usize = 4 * 1024 * 1024;

/// Why there is no admission.
pub(crate) enum Refused {
    /// The request is no good, or the authenticator refuses it.
    Http(Refusal),
    /// As above, but said after the upgrade.
    Close(Upgrade, CloseReason, Refusal),
    /// There is no seat.
    Full(Upgrade, Rejection),
}

impl Refused {
    pub(crate) fn into_response(self) -> Response {
        match self {
            Self::Http(refusal) | Self::Close(_, _, refusal) => refusal.to_response(),
            Self::Full(_, rejection) => unavailable(&rejection).to_response(),
        }
    }
}

fn unavailable(rejection: &Rejection) -> Refusal {
    match rejection.retry_after() {
        Some(wait) => {
            let seconds = wait.as_millis().div_ceil(1_000).max(1);
            Refusal::unavailable(rejection.as_str(), u32::try_from(seconds).unwrap_or(u32::MAX))
        }
        None => Refusal::forbidden(rejection.as_str(), rejection.to_string()),
    }
}

/// Everything between the accepted socket and the open connection, within the handshake time-out.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    socket: Async<TcpStream>,
    peer: SocketAddr,
) -> io::Result<()> {
    tune(socket.get_ref(), shared.rules.send_buffer)?;
    let mut socket = socket;
    let timeout = async {
        Timer::after(shared.rules.handshake_timeout).await;
        Err(io::ErrorKind::TimedOut.into())
    };
    match negotiate(shared, &mut socket).or(timeout).await {
        Ok(Negotiated::Open(admission, read_ahead)) => admission.open(socket, &read_ahead),
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
    let to_bytes = |response: Response| {
        Negotiated::Say(if head_only { response.head_to_bytes() } else { response.to_bytes() })
    };
    if !concerns_us(&request, &shared.rules.path) {
        let response = guarded(|| (shared.http)(request)).await;
        return Ok(to_bytes(response.unwrap_or_else(|refusal| refusal.to_response())));
    }
    let refused = match admit(shared, request).await {
        Ok(admission) => {
            socket.write_all(&admission.upgrade().accept_response()).await?;
            return Ok(Negotiated::Open(admission, read_ahead));
        }
        Err(refused) => refused,
    };
    Ok(match refused {
        Refused::Full(upgrade, rejection) if shared.rules.capacity_answer == Answer::Close => {
            accept_and_close(&upgrade, &rejection.close_reason())
        }
        Refused::Close(upgrade, reason, _) => accept_and_close(&upgrade, &reason),
        refused @ (Refused::Http(_) | Refused::Full(..)) => to_bytes(refused.into_response()),
    })
}

fn accept_and_close(upgrade: &Upgrade, reason: &CloseReason) -> Negotiated {
    let mut bytes = upgrade.accept_response();
    bytes.extend(Frame::close(reason).parts().concat());
    Negotiated::Say(bytes)
}

/// Whether the path is that of upgrades, or the request is an upgrade to anywhere.
fn concerns_us(request: &Request, path: &str) -> bool {
    let below = request.path().strip_prefix(path);
    http::wants_upgrade(request)
        || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

async fn read_request(
    socket: &mut Async<TcpStream>,
) -> io::Result<Result<(Request, Vec<u8>), Refusal>> {
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    loop {
        let taken = socket.read(&mut piece).await?;
        if taken == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(&piece[..taken]);
        match http::parse(&head, DEFAULT_MAX_HEAD_BYTES) {
            Ok(Parsed::Incomplete) => {}
            Ok(Parsed::Complete { request, head_len }) => {
                return Ok(Ok((request, head.split_off(head_len))));
            }
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
}

/// Checks the request, finds out whose it is, and takes a seat.
pub(crate) async fn admit(shared: &Arc<Shared>, request: Request) -> Result<Admission, Refused> {
    let rules = &shared.rules;
    let upgrade = match http::check(&request, &rules.origins, &rules.path) {
        Ok(upgrade) => upgrade,
        Err(refusal) if refusal.status == Status::UpgradeRequired => {
            return Err(Refused::Http(look_in(shared, request).await.err().unwrap_or(refusal)));
        }
        Err(refusal) => return Err(Refused::Http(refusal)),
    };
    let room = upgrade
        .room
        .as_deref()
        .filter(|_| rules.codec != Codec::Raw)
        .map(RoomName::new)
        .transpose()
        .map_err(|error| Refusal::bad_request("bad_room", format!("the room in the path {error}")))
        .map_err(Refused::Http)?;
    let (token, user) = (upgrade.token.clone(), upgrade.user.clone());
    let identity = match authenticate(shared, request, token, user, room.clone()).await {
        Ok(identity) => identity,
        Err(refusal) => return Err(unauthorized(shared, upgrade, refusal)),
    };
    let rooms = room.into_iter().chain(identity.rooms).collect();
    match shared.drive(|driver, now| driver.connect(now, identity.user, rooms)) {
        Ok(connection) => Ok(Admission {
            shared: shared.clone(),
            connection,
            claims: identity.claims,
            upgrade,
            used: false,
        }),
        Err(rejection) => {
            tracing::info!(reason = rejection.as_str(), "rejected: {rejection}");
            Err(Refused::Full(upgrade, rejection))
        }
    }
}

/// A plain request for the path of upgrades, as `curl` sends it: whoever would not be let in hears that rather than how
/// to ask.
async fn look_in(shared: &Shared, request: Request) -> Verdict {
    let token = Token::find(&request)?;
    let user = request.query("user").map(Cow::into_owned);
    authenticate(shared, request, token, user, None).await
}

async fn authenticate(
    shared: &Shared,
    request: Request,
    token: Option<Token>,
    claimed_user: Option<String>,
    room: Option<RoomName>,
) -> Verdict {
    let serial = shared.serial.fetch_add(1, Ordering::Relaxed);
    let credentials = Credentials { request, token, claimed_user, room, serial };
    guarded(|| (shared.authenticate)(credentials)).await.and_then(|verdict| verdict)
}

fn unauthorized(shared: &Shared, upgrade: Upgrade, refusal: Refusal) -> Refused {
    tracing::info!(status = refusal.status.code(), "refused: {}", refusal.message);
    match (shared.rules.auth_answer, refusal.status.code()) {
        (Answer::Close, 401) => Refused::Close(upgrade, CloseReason::Unauthorized, refusal),
        (Answer::Close, 403) => Refused::Close(upgrade, CloseReason::Forbidden, refusal),
        (Answer::Close | Answer::Http, _) => Refused::Http(refusal),
    }
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
