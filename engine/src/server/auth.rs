//! Who a peer is.

use std::any::Any;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

#[cfg(doc)]
use switchboard_core::Attempt;
use switchboard_core::http::{BearerToken, HttpError, HttpRequest};
use switchboard_core::{RoomName, UserName};

/// What an authenticator decides by: an upgrade request that has been checked against RFC 6455, and
/// not yet been answered.
#[derive(Debug)]
pub struct Credentials {
    /// The whole request.
    pub request: HttpRequest,
    /// The token, from wherever the request has it.
    pub token: Option<BearerToken>,
    /// `?user=`, which any client can write.
    pub claimed_user: Option<String>,
    /// The address of the peer, which can be a proxy; `None` if it is not known.
    pub address: Option<IpAddr>,
    /// The room of the path.
    pub room: Option<RoomName>,
    /// A number that differs for each upgrade, for made-up names.
    pub serial: u64,
}

/// What an authenticator has found.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The user whose connection it is.
    pub user: UserName,
    /// Whether the name is only claimed or made up, so that what the user does counts against its
    /// address ([`Attempt::is_guest`]).
    pub is_guest: bool,
    /// Whether it may enter rooms that are for operators: see [`Attempt::is_operator`].
    pub is_operator: bool,
    /// Rooms to be in from the start, besides the one in the path. The connection is made without
    /// those that are full, and is told so by the error `lobby_full`.
    pub rooms: Vec<RoomName>,
    /// What handlers want to know about the user; see [`Context::claims`](super::Context::claims).
    pub claims: Claims,
}

impl Identity {
    /// An authenticated user without rooms and claims.
    pub fn new(user: UserName) -> Self {
        Self {
            user,
            is_guest: false,
            is_operator: false,
            rooms: Vec::new(),
            claims: Claims::default(),
        }
    }

    /// A guest under a name that anyone could have.
    pub fn guest(user: UserName) -> Self {
        Self { is_guest: true, ..Self::new(user) }
    }

    /// Trusts `?user=`, and takes a made-up name if there is none.
    ///
    /// # Errors
    /// If the name is invalid.
    pub fn claimed(credentials: &Credentials, made_up: impl FnOnce() -> String) -> Verdict {
        let name = match &credentials.claimed_user {
            Some(name) => UserName::new(name),
            None => UserName::new(&made_up()),
        };
        name.map(Self::guest)
            .map_err(|error| HttpError::bad_request("bad_user", format!("`user` {error}")))
    }
}

/// A value of the application's own, kept with the connection and shared with its handlers.
#[derive(Clone, Default)]
pub struct Claims(Option<Arc<dyn Any + Send + Sync>>);

impl Claims {
    /// Keeps a value.
    pub fn new<T: Any + Send + Sync>(value: T) -> Self {
        Self(Some(Arc::new(value)))
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the value, if it is of this type.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.as_deref()?.downcast_ref()
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Claims(..)" } else { "Claims" })
    }
}

/// What an authenticator decides.
pub type Verdict = Result<Identity, HttpError>;

/// Trusts `?user=`, and makes a name up if there is none.
///
/// # Errors
/// If the name is invalid.
pub fn anonymous(credentials: &Credentials) -> Verdict {
    Identity::claimed(credentials, || format!("guest-{}", credentials.serial))
}
