//! Authentication: tokens signed with a shared secret, or a made-up name.
//!
//! Only HS256 is accepted, whatever a token's header asks for, and the time comes from the caller.

mod names;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Once;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Map, Value};

use crate::config::{Auth, Secret};
pub(crate) use names::GuestNames;

/// The longest user or room name in a token.
const MAX_NAME_BYTES: usize = 128;

/// The claims of a valid token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Identity {
    pub(crate) user: String,
    /// Rooms to join at connect.
    pub(crate) rooms: Vec<String>,
    /// Seconds since the Unix epoch; the connection must not outlive it.
    pub(crate) expires_at: Option<u64>,
    /// All other claims, for handlers.
    pub(crate) claims: Map<String, Value>,
}

/// The claims of a token to be issued.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grant {
    pub(crate) user: String,
    pub(crate) rooms: Vec<String>,
    pub(crate) issued_at: u64,
    pub(crate) expires_at: Option<u64>,
}

/// Why a token is refused. Contains nothing of the token except names of claims and, when the
/// signature is valid, times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AuthError {
    Missing,
    Malformed(&'static str),
    WrongAlgorithm,
    BadSignature,
    Expired {
        seconds_ago: u64,
    },
    NotYetValid {
        seconds_left: u64,
    },
    NoSubject,
    BadClaim {
        claim: &'static str,
        expected: &'static str,
    },
    WrongIssuer,
    WrongAudience,
    /// The token has an audience, but the configuration has none.
    UnexpectedAudience,
    /// Signing or verifying itself failed; not the client's fault.
    Internal(String),
}

/// Checks tokens against one secret.
pub(crate) struct Verifier {
    key: DecodingKey,
    validation: Validation,
    leeway: u64,
}

impl Verifier {
    pub(crate) fn new(secret: &Secret, auth: &Auth) -> Self {
        install_crypto();
        let mut validation = Validation::new(Algorithm::HS256);
        // The library reads its own clock; `verify` compares times with the caller's.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.required_spec_claims.clear();
        if let Some(issuer) = &auth.issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        if let Some(audience) = &auth.audience {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        let key = DecodingKey::from_secret(secret.as_bytes());
        Self { key, validation, leeway: auth.leeway.as_secs() }
    }

    /// Checks a token at a time in seconds since the Unix epoch.
    pub(crate) fn verify(&self, token: &str, now_unix: u64) -> Result<Identity, AuthError> {
        check_header(token)?;
        let decoded =
            jsonwebtoken::decode::<Map<String, Value>>(token, &self.key, &self.validation);
        let mut claims = decoded.map_err(|error| self.refusal(error.kind()))?.claims;

        let expires_at = time(claims.remove("exp"), "exp")?;
        if let Some(exp) = expires_at.filter(|exp| now_unix >= exp.saturating_add(self.leeway)) {
            return Err(AuthError::Expired { seconds_ago: now_unix - exp });
        }
        // Stays among the claims, unlike those that have a field in `Identity`.
        let not_before = time(claims.get("nbf").cloned(), "nbf")?;
        if let Some(nbf) = not_before.filter(|nbf| now_unix.saturating_add(self.leeway) < *nbf) {
            return Err(AuthError::NotYetValid { seconds_left: nbf - now_unix });
        }
        let user = user(&claims.remove("sub").ok_or(AuthError::NoSubject)?)?;
        let rooms = match claims.remove("rooms") {
            None => Vec::new(),
            Some(Value::Array(rooms)) => {
                rooms.iter().map(|room| name(room, "rooms", ROOMS)).collect::<Result<_, _>>()?
            }
            Some(_) => return Err(AuthError::BadClaim { claim: "rooms", expected: ROOMS }),
        };
        Ok(Identity { user, rooms, expires_at, claims })
    }

    fn refusal(&self, kind: &ErrorKind) -> AuthError {
        #[allow(clippy::wildcard_enum_match_arm, reason = "the enum is non-exhaustive")]
        match kind {
            ErrorKind::InvalidSignature => AuthError::BadSignature,
            ErrorKind::InvalidAlgorithm => AuthError::WrongAlgorithm,
            ErrorKind::InvalidIssuer => AuthError::WrongIssuer,
            ErrorKind::InvalidAudience if self.validation.aud.is_none() => {
                AuthError::UnexpectedAudience
            }
            ErrorKind::InvalidAudience => AuthError::WrongAudience,
            ErrorKind::MissingRequiredClaim(claim) if claim == "iss" => AuthError::WrongIssuer,
            ErrorKind::MissingRequiredClaim(_) => AuthError::WrongAudience,
            ErrorKind::Provider(error) => AuthError::Internal(error.clone()),
            _ => AuthError::Malformed("its parts are not base64url or not JSON objects"),
        }
    }
}

/// Signs a token that `Verifier` accepts.
pub(crate) fn issue(secret: &Secret, auth: &Auth, grant: &Grant) -> Result<String, AuthError> {
    install_crypto();
    name(&grant.user.as_str().into(), "sub", USER)?;
    for room in &grant.rooms {
        name(&room.as_str().into(), "rooms", ROOMS)?;
    }
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), grant.user.clone().into());
    claims.insert("iat".to_owned(), grant.issued_at.into());
    let optional = [
        ("rooms", (!grant.rooms.is_empty()).then(|| grant.rooms.clone().into())),
        ("exp", grant.expires_at.map(Value::from)),
        ("iss", auth.issuer.clone().map(Value::from)),
        ("aud", auth.audience.clone().map(Value::from)),
    ];
    for (claim, value) in optional {
        if let Some(value) = value {
            claims.insert(claim.to_owned(), value);
        }
    }
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
        .map_err(|error| AuthError::Internal(error.to_string()))
}

/// Picks the cryptography explicitly. Otherwise the library picks it by compiled features, and
/// panics at the first token when another crate has enabled a second one.
fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let installed = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        if installed.is_err() {
            tracing::debug!("a cryptography provider is already installed; using that one");
        }
    });
}

/// Checks the header before the library does, which cannot tell an unknown algorithm (such as
/// `none`) from broken JSON.
fn check_header(token: &str) -> Result<(), AuthError> {
    if token.is_empty() {
        return Err(AuthError::Missing);
    }
    let mut parts = token.split('.');
    let (Some(header), Some(_), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(AuthError::Malformed("expected three parts joined by dots"));
    };
    let header = BASE64_URL_SAFE_NO_PAD.decode(header).ok();
    let header: Option<Map<String, Value>> =
        header.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let header = header.ok_or(AuthError::Malformed("its header is not a JSON object"))?;
    if header.contains_key("crit") {
        return Err(AuthError::Malformed("its header requires an extension (crit)"));
    }
    match header.get("alg") {
        Some(Value::String(algorithm)) if algorithm == "HS256" => Ok(()),
        Some(_) => Err(AuthError::WrongAlgorithm),
        None => Err(AuthError::Malformed("its header names no algorithm")),
    }
}

const USER: &str = "a whole number, or a text of 1 to 128 bytes without control characters";
const ROOMS: &str = "a list of texts of 1 to 128 bytes without control characters";

fn name(value: &Value, claim: &'static str, expected: &'static str) -> Result<String, AuthError> {
    let fits = |name: &&str| {
        (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.contains(char::is_control)
    };
    let name = value.as_str().filter(fits);
    name.map(str::to_owned).ok_or(AuthError::BadClaim { claim, expected })
}

/// The user of a token. RFC 7519 wants a text; many issuers write a number, the key of a database.
fn user(subject: &Value) -> Result<String, AuthError> {
    if subject.is_i64() || subject.is_u64() {
        return Ok(subject.to_string());
    }
    name(subject, "sub", USER)
}

/// Whole seconds since the Unix epoch; the standard allows fractions.
fn time(value: Option<Value>, claim: &'static str) -> Result<Option<u64>, AuthError> {
    let expected = "a number of seconds since the Unix epoch";
    let Some(value) = value else { return Ok(None) };
    // The cast saturates: a time before the epoch is 0.
    let seconds = value.as_u64().or_else(|| value.as_f64().map(|seconds| seconds as u64));
    seconds.map(Some).ok_or(AuthError::BadClaim { claim, expected })
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("a token is required and there is none"),
            Self::Malformed(why) => write!(f, "the token is malformed: {why}"),
            Self::WrongAlgorithm => f.write_str("the token is not signed with HS256"),
            Self::BadSignature => f.write_str("the token's signature is wrong"),
            Self::Expired { seconds_ago } => write!(f, "the token expired {seconds_ago} s ago"),
            Self::NotYetValid { seconds_left } => {
                write!(f, "the token is not valid for another {seconds_left} s")
            }
            Self::NoSubject => f.write_str("the token names no user (claim `sub`)"),
            Self::BadClaim { claim, expected } => write!(f, "claim `{claim}` must be {expected}"),
            Self::WrongIssuer => f.write_str("the token is not from the expected issuer"),
            Self::WrongAudience => f.write_str("the token is not meant for this server"),
            Self::UnexpectedAudience => {
                f.write_str("the token is meant for an audience (claim `aud`); set auth.audience")
            }
            Self::Internal(error) => write!(f, "tokens cannot be handled: {error}"),
        }
    }
}

impl std::error::Error for AuthError {}
