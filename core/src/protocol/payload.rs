//! The payloads of messages.

use core::fmt;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// A JSON text that was validated once, and is forwarded byte for byte.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Json(Bytes);

impl Json {
    /// Validates a text.
    ///
    /// # Errors
    /// If it is not exactly one JSON value.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let raw: &RawValue = serde_json::from_str(text)?;
        Ok(Self::from_raw(raw))
    }

    /// Serialises a value.
    ///
    /// # Errors
    /// If the value's serialisation fails, as for a map whose keys are not strings.
    pub fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self(serde_json::to_vec(value)?.into()))
    }

    /// Copies a value that a parser has already validated. The copy keeps a small payload from
    /// holding the whole read buffer in memory.
    pub fn from_raw(raw: &RawValue) -> Self {
        Self(Bytes::copy_from_slice(raw.get().as_bytes()))
    }

    /// Wraps a text that was validated on input.
    pub(crate) fn again(text: Bytes) -> Self {
        Self(text)
    }

    /// Returns the JSON text.
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

/// The payload of a message. The hub never looks inside.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Payload {
    /// A JSON value, sent in a text frame.
    Json(Json),
    /// Bytes, sent in a binary frame; shared, never copied.
    Binary(Bytes),
}

impl Payload {
    /// The JSON value `null`, for messages without a payload.
    pub fn null() -> Self {
        Self::Json(Json(Bytes::from_static(b"null")))
    }

    /// Deserialises a JSON payload.
    ///
    /// # Errors
    /// If it does not match the type, or is binary.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        match self {
            Self::Json(json) => serde_json::from_slice(json.as_bytes()),
            Self::Binary(_) => Err(serde::de::Error::custom("the payload is binary, not JSON")),
        }
    }

    /// Returns the size in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Json(json) => json.0.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Returns whether it has no bytes. (An absent JSON payload is `null`, which has four.)
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A frame of a connection that does not speak the protocol ([`Codec::Raw`](crate::Codec::Raw)).
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum RawFrame {
    /// A text frame; the bytes are UTF-8, which the framing has validated.
    Text(Bytes),
    /// A binary frame.
    Binary(Bytes),
}

impl RawFrame {
    /// Returns the content as a payload.
    pub fn as_bytes(&self) -> &Bytes {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) => bytes,
        }
    }
}
