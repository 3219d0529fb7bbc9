//! What a handler can do.

use crate::handle::Handle;

/// What a handler knows and can do. When its connection ends, the handler is dropped at its next `await`.
pub type Context = switchboard_engine::server::Context<Handle>;
