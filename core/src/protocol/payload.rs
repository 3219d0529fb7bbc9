//! What messages carry.

use core::fmt;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// A JSON text that has been checked, and is forwarded byte for byte from there on.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Json(Bytes);

impl Json {
    /// Checks a text.
    ///
    /// # Errors
    /// When it is not exactly one JSON value.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let raw: &RawValue = serde_json::from_str(text)?;
        Ok(Self::from_raw(raw))
    }

    /// Serialises a value.
    ///
    /// # Errors
    /// When the value's own serialisation fails, such as a map whose keys are no strings.
    pub fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self(serde_json::to_vec(value)?.into()))
    }

    /// Copies a value that a parser has already checked. The copy keeps a small payload from holding
    /// on to the whole read buffer that it came in.
    pub fn from_raw(raw: &RawValue) -> Self {
        Self(Bytes::copy_from_slice(raw.get().as_bytes()))
    }

    /// A text that was checked when it came in.
    pub(crate) fn again(text: Bytes) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&alloc::string::String::from_utf8_lossy(&self.0))
    }
}

/// What a message carries. The hub never looks inside.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Payload {
    /// A JSON value: travels in a text frame.
    Json(Json),
    /// Bytes: travel in a binary frame, shared and never copied.
    Binary(Bytes),
}

impl Payload {
    /// The JSON value `null`, for messages without a payload.
    pub fn null() -> Self {
        Self::Json(Json(Bytes::from_static(b"null")))
    }

    /// A JSON payload as a value.
    ///
    /// # Errors
    /// When it does not fit, or is binary.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        match self {
            Self::Json(json) => serde_json::from_slice(json.as_bytes()),
            Self::Binary(_) => Err(serde::de::Error::custom("the payload is binary, not JSON")),
        }
    }

    /// Its size in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Json(json) => json.0.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether it has no bytes. (An absent JSON payload is `null`, which has four.)
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A frame of a connection that does not speak the protocol ([`Codec::Raw`](crate::Codec::Raw)).
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum RawFrame {
    /// A text frame; the bytes are UTF-8, which the framing has checked.
    Text(Bytes),
    /// A binary frame.
    Binary(Bytes),
}

impl RawFrame {
    /// What it carries.
    pub fn as_bytes(&self) -> &Bytes {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) => bytes,
        }
    }
}
