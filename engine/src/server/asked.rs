//! Requests to a client, and their answers.

use std::fmt;

use serde::de::DeserializeOwned;

use super::payload;
use switchboard_core::{Answer, Refusal};

/// Why a request to a client has no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RequestError {
    /// It was not asked: it is disconnected, or too many requests are under way.
    NotAsked(Refusal),
    /// It refused, with a code and a message of its own.
    Refused {
        /// The code, for programs.
        code: String,
        /// A message for people.
        message: String,
    },
    /// It did not answer in time.
    TimedOut,
    /// Its connection ended.
    Gone,
    /// Its answer is of another type than was asked for; the text says where.
    Unexpected(String),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked(refusal) => write!(f, "not asked: {refusal}"),
            Self::Refused { code, message } => write!(f, "refused: {code}: {message}"),
            Self::TimedOut => write!(f, "no answer in time"),
            Self::Gone => write!(f, "the connection ended"),
            Self::Unexpected(how) => write!(f, "an unexpected answer: {how}"),
        }
    }
}

impl std::error::Error for RequestError {}

impl From<Refusal> for RequestError {
    fn from(refusal: Refusal) -> Self {
        Self::NotAsked(refusal)
    }
}

/// Reads a client's answer.
///
/// # Errors
/// If there is none, or it is of another type.
pub(super) fn read_answer<R: DeserializeOwned>(answer: &Answer) -> Result<R, RequestError> {
    match answer {
        Answer::Ok(payload) => payload::read(payload)
            .map_err(|refusal| RequestError::Unexpected(refusal.message.to_string())),
        Answer::Refused { code, message } => {
            Err(RequestError::Refused { code: code.clone(), message: message.clone() })
        }
        Answer::TimedOut => Err(RequestError::TimedOut),
        Answer::Gone => Err(RequestError::Gone),
    }
}
