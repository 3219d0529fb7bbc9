//! What threads share data with; a test replaces it with loom's types.

pub(crate) use std::sync::atomic::{AtomicBool, Ordering};
