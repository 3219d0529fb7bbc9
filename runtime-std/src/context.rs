//! What a handler can do.

use crate::handle::Handle;

/// What a handler knows and can do. A handler that runs when its connection ends is not interrupted; what it still wants
/// of the connection is refused.
pub type Context = switchboard_engine::server::Context<Handle>;
