//! The hub's data, below its rules: a file here imports nothing from a file of rules, and makes no
//! decision about delivery.

pub(super) mod account;
pub(super) mod connection;
pub(super) mod deadlines;
pub(super) mod drain;
pub(super) mod history;
mod names;
pub(super) mod outbox;
pub(super) mod probe;
pub(crate) mod rate;
pub(crate) mod refilling;
pub(super) mod remembered;
pub(super) mod requests;
pub(super) mod room;
mod table;
pub(super) mod user;
mod user_counts;
