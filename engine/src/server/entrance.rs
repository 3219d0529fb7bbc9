//! From a request to a seat, or to an answer that says why there is none.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use switchboard_core::http::{
    self, BearerToken, Hosts, HttpError, HttpRequest, Origins, Response, Status, Upgrade,
};
use switchboard_core::{Attempt, CloseReason, Codec, Frame, Rejection, RoomName, Timestamp};

use super::auth::{Claims, Credentials, Identity, Verdict};
use super::door::TooMany;
use super::refusals::Refusals;
use super::settings::ServerSettings;

/// How a refused upgrade is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefuseBy {
    /// By HTTP: 401, 403 or 503 with a JSON body. A browser's script cannot see which.
    Http,
    /// The upgrade is accepted, and closed at once with a code that says why.
    Close,
    /// By closing if a web page asks, which names its `Origin`; by HTTP if it is any other client.
    Auto,
}

impl RefuseBy {
    fn closes(self, upgrade: &Upgrade) -> bool {
        match self {
            Self::Http => false,
            Self::Close => true,
            Self::Auto => upgrade.from_page,
        }
    }
}

/// Decides about upgrades.
#[derive(Debug)]
pub struct Entrance {
    path: String,
    origins: Origins,
    hosts: Hosts,
    codec: Codec,
    capacity_answer: RefuseBy,
    auth_answer: RefuseBy,
    serial: AtomicU64,
    refusals: Refusals,
}

/// An upgrade request that is well-formed, and has still to be authenticated.
#[derive(Debug)]
pub struct UpgradeRequest {
    /// `Err` for a plain request for the path, as `curl` sends it. A peer that the authenticator
    /// does not let in is told that, rather than how to ask.
    upgrade: Result<Upgrade, HttpError>,
    room: Option<RoomName>,
    address: Option<IpAddr>,
}

/// A peer that may connect if there is a seat.
#[derive(Debug)]
pub struct Authenticated {
    /// What the response 101 says.
    pub upgrade: Upgrade,
    /// What it asks for.
    pub attempt: Attempt,
    /// What the authenticator kept.
    pub claims: Claims,
}

/// Why an upgrade was refused, and how.
#[derive(Debug)]
pub enum RefusedUpgrade {
    /// By HTTP: the request is invalid, or the authenticator refuses it.
    Http(HttpError),
    /// The authenticator refuses it, which is said after the upgrade.
    Close(Upgrade, CloseReason, HttpError),
    /// There is no free seat.
    Full(Upgrade, Rejection),
}

impl Entrance {
    /// As the settings say.
    pub fn new(settings: &ServerSettings) -> Self {
        Self {
            path: settings.path.trim_end_matches('/').into(),
            origins: settings.origins.clone(),
            hosts: settings.hosts.clone(),
            codec: settings.codec(),
            capacity_answer: settings.capacity_answer,
            auth_answer: settings.auth_answer,
            serial: AtomicU64::new(1),
            refusals: Refusals::default(),
        }
    }

    /// What connections speak.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Whether the path is that of upgrades, or the request is an upgrade to anywhere.
    pub fn concerns(&self, request: &HttpRequest) -> bool {
        let below = request.path().strip_prefix(self.path.as_str());
        http::wants_upgrade(request)
            || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Checks a request, and gathers what the authenticator decides by.
    ///
    /// # Errors
    /// If the request is invalid.
    pub fn check(
        &self,
        request: HttpRequest,
    ) -> Result<(UpgradeRequest, Credentials), Box<RefusedUpgrade>> {
        let refused = |refusal| Box::new(RefusedUpgrade::Http(refusal));
        self.hosts.check(&request).map_err(refused)?;
        let upgrade = match http::check(&request, &self.origins, &self.path) {
            Err(refusal) if refusal.status != Status::UpgradeRequired => {
                return Err(refused(refusal));
            }
            upgrade => upgrade,
        };
        let (token, claimed_user, room) = match &upgrade {
            Ok(upgrade) => (upgrade.token.clone(), upgrade.user.clone(), upgrade.room.as_deref()),
            Err(_) => {
                let token = BearerToken::find(&request).map_err(refused)?;
                (token, request.query("user").map(Cow::into_owned), None)
            }
        };
        let room = room.filter(|_| self.codec != Codec::Raw).map(RoomName::new).transpose();
        let room = room.map_err(|error| {
            let message = format!("the room in the path {error}");
            refused(HttpError::bad_request("bad_room", message))
        })?;
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let address = request.address();
        let room_of_path = room.clone();
        let credentials =
            Credentials { request, token, claimed_user, address, room: room_of_path, serial };
        Ok((UpgradeRequest { upgrade, room, address }, credentials))
    }

    /// Applies the authenticator's verdict.
    ///
    /// # Errors
    /// If the authenticator refuses, or the request was not an upgrade.
    pub fn judge(
        &self,
        request: UpgradeRequest,
        verdict: Verdict,
    ) -> Result<Authenticated, Box<RefusedUpgrade>> {
        let refused = match (verdict, request.upgrade) {
            (Ok(Identity { user, is_guest, is_operator, rooms, claims }), Ok(upgrade)) => {
                let asked = request.room.map(|room| (room, upgrade.since));
                let (rooms, wished) = (asked.into_iter().collect(), rooms);
                let (session, address) = (upgrade.session, request.address);
                let attempt =
                    Attempt { user, is_guest, is_operator, address, rooms, wished, session };
                return Ok(Authenticated { upgrade, attempt, claims });
            }
            (Ok(_), Err(refusal)) | (Err(refusal), Err(_)) => RefusedUpgrade::Http(refusal),
            (Err(refusal), Ok(upgrade)) => {
                let reason = match refusal.status.code() {
                    401 => Some(CloseReason::Unauthorized),
                    403 => Some(CloseReason::Forbidden),
                    _ => None,
                };
                match reason.filter(|_| self.auth_answer.closes(&upgrade)) {
                    Some(reason) => RefusedUpgrade::Close(upgrade, reason, refusal),
                    None => RefusedUpgrade::Http(refusal),
                }
            }
        };
        Err(Box::new(refused))
    }

    /// Counts and logs a refused upgrade. A loop that calls this also calls
    /// [`log_sums`](Self::log_sums) at [`next_deadline`](Self::next_deadline).
    pub fn refused(&self, now: Timestamp, refused: &RefusedUpgrade) {
        self.refusals.upgrade(now, &refused.error());
    }

    /// Counts and logs a request that could not be read or did not arrive in time.
    pub fn unreadable(&self, now: Timestamp, error: &HttpError) {
        self.refusals.upgrade(now, error);
    }

    /// Counts the answer to a request that is not an upgrade, if it is an error.
    pub fn answered(&self, response: &Response) {
        self.refusals.response(response);
    }

    /// Logs how many upgrades were refused, for the reasons whose minute is over.
    pub fn log_sums(&self, now: Timestamp) {
        self.refusals.log_sums(now);
    }

    /// When the next sum is to be logged.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.refusals.next_deadline()
    }

    /// The number of refused requests by the code of the reason, in the order of the codes.
    pub fn refused_requests(&self) -> Vec<(&'static str, u64)> {
        self.refusals.totals()
    }

    /// The bytes that tell the peer, after which its socket is closed.
    pub fn closing_bytes(&self, refused: RefusedUpgrade, head_only: bool) -> Vec<u8> {
        match refused {
            RefusedUpgrade::Full(upgrade, rejection) if self.capacity_answer.closes(&upgrade) => {
                accept_and_close(&upgrade, &rejection.close_reason())
            }
            RefusedUpgrade::Close(upgrade, reason, _) => accept_and_close(&upgrade, &reason),
            refused @ (RefusedUpgrade::Http(_) | RefusedUpgrade::Full(..)) => {
                refused.into_response().bytes_for(head_only)
            }
        }
    }
}

impl RefusedUpgrade {
    /// Its address has too much already.
    pub fn too_many(what: TooMany) -> Box<Self> {
        Box::new(Self::Http(what.to_error()))
    }

    /// There is no free seat.
    pub fn full(upgrade: Upgrade, rejection: Rejection) -> Box<Self> {
        Box::new(Self::Full(upgrade, rejection))
    }

    /// The response, for a server that accepts upgrades itself.
    pub fn into_response(self) -> Response {
        self.error().to_response()
    }

    /// The reason, as HTTP would say it.
    fn error(&self) -> Cow<'_, HttpError> {
        match self {
            Self::Http(refusal) | Self::Close(_, _, refusal) => Cow::Borrowed(refusal),
            Self::Full(_, rejection) => Cow::Owned(unavailable(rejection)),
        }
    }
}

/// The answer if the application's part of a handshake panicked.
pub fn failed() -> HttpError {
    HttpError::new(Status::InternalError, "internal", "the server failed")
}

/// The answer to a handshake that is under way when the drain is over.
pub fn ended() -> HttpError {
    HttpError::unavailable("draining", 1)
}

fn unavailable(rejection: &Rejection) -> HttpError {
    match rejection.retry_after() {
        Some(wait) => {
            let seconds = wait.as_millis().div_ceil(1_000).max(1);
            HttpError::unavailable(rejection.as_str(), u32::try_from(seconds).unwrap_or(u32::MAX))
        }
        None => HttpError::forbidden(rejection.as_str(), rejection.to_string()),
    }
}

fn accept_and_close(upgrade: &Upgrade, reason: &CloseReason) -> Vec<u8> {
    let mut bytes = upgrade.accept_response();
    bytes.extend(Frame::close(reason).parts().concat());
    bytes
}
