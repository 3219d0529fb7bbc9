//! What the application around a server observes. What is visible on the wire is in the scenarios
//! of `switchboard-conformance`.

mod asking;
mod auth;
mod drain;
mod endings;
mod handle;
mod handlers;
mod http;
mod observer;
mod panics;
