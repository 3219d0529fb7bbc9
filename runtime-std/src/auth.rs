//! The application's part of a handshake.

use std::panic::{AssertUnwindSafe, catch_unwind};

use switchboard_core::http::HttpError;
use switchboard_engine::server::failed;

/// Runs the application's part of a handshake. A panic fails only that handshake; its message has
/// been logged by the panic hook.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, HttpError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| failed())
}
