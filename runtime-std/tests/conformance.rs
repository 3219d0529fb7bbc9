//! What every driver must do.
#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::process::ExitCode;
use std::thread;

use switchboard_conformance::{Running, Setup};
use switchboard_std::{Server, bind};

fn start(setup: Setup) -> Running {
    let server = Server::builder().settings(setup.settings).build().unwrap();
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (handle, (timeout, spread)) = (server.handle(), setup.drain);
    Running {
        address,
        drain: Box::new(move || handle.drain(timeout, spread)),
        thread: thread::spawn(move || server.serve(listener)),
    }
}

fn main() -> ExitCode {
    switchboard_conformance::main("runtime-std", start)
}
