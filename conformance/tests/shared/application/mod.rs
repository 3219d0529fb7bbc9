//! What the application around a server sees. What shows on the wire is in the scenarios of
//! `switchboard-conformance`.

mod asking;
mod auth;
mod drain;
mod endings;
mod handle;
mod handlers;
mod http;
mod observer;
mod panics;
