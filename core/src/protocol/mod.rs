//! What both sides say: names, positions, messages, close and error codes, and their bytes.
//! PROTOCOL.md is its specification. Nothing here knows the hub or the client.

pub(crate) mod close;
pub(crate) mod codec;
pub(crate) mod from_client;
pub(crate) mod id;
pub(crate) mod message_type;
pub(crate) mod name;
pub(crate) mod payload;
pub(crate) mod position;
pub(crate) mod refusal;
pub(crate) mod server_message;
#[cfg(feature = "recording")]
pub(crate) mod text;
pub(crate) mod to_client;
