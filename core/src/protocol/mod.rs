//! What both sides share: names, positions, messages, close and error codes, and their encoding.
//! PROTOCOL.md is the specification. Nothing here depends on the hub or the client.

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
pub(crate) mod version;
