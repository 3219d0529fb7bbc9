//! What threads share data by, where a test puts loom's in its place.

pub(crate) use std::sync::atomic::{AtomicBool, Ordering};
