//! The version of the protocol, and what was added to it since.

/// The version that `connected` names. Another one would be another protocol; additions are words
/// of [`PROTOCOL_FEATURES`] instead.
pub const PROTOCOL_VERSION: u32 = 1;

/// What this server understands beyond the first version, as `connected` lists it. A client uses
/// nothing that is not listed: an older server would publish a message that it does not know.
pub const PROTOCOL_FEATURES: [&str; 0] = [];
