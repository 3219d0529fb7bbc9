//! What a handler can do.

use crate::handle::Handle;

/// What a handler knows and can do.
pub type Context = switchboard_engine::server::Context<Handle>;
