//! The application's part of a handshake.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;

use smol::future::FutureExt;
use switchboard_core::http::HttpError;
use switchboard_engine::server::failed;

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// Runs the application's part of a handshake. A panic fails only that handshake; its message has
/// been logged by the panic hook.
pub(crate) async fn guarded<T>(begin: impl FnOnce() -> BoxFuture<T>) -> Result<T, HttpError> {
    let future = catch_unwind(AssertUnwindSafe(begin)).map_err(|_| failed())?;
    AssertUnwindSafe(future).catch_unwind().await.map_err(|_| failed())
}
