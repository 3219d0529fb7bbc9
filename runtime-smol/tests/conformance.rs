//! What every driver must do.
#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::process::ExitCode;
use std::thread;

use switchboard_conformance::{Running, Setup};
use switchboard_smol::{Server, bind};

fn start(setup: Setup) -> Running {
    let server = Server::builder().settings(setup.settings).build().unwrap();
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.get_ref().local_addr().unwrap();
    let (handle, (timeout, spread)) = (server.handle(), setup.drain);
    Running {
        address,
        drain: Box::new(move || smol::block_on(handle.drain(timeout, spread))),
        thread: thread::spawn(move || smol::block_on(server.serve(listener))),
    }
}

fn main() -> ExitCode {
    switchboard_conformance::main("runtime-smol", start)
}
