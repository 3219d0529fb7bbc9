//! What the clients of all runtimes share, with sockets that fail as they are told to, and applications that are slow.
#![cfg(test)]

mod link;
mod shell;
mod socket;
mod turn;
