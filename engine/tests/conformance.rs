//! What every driver must do, done by the loop of `examples/event_loop.rs`.
#![cfg(unix)]

use std::error::Error;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::thread;

use switchboard_conformance::{Running, Setup};

#[path = "../examples/event_loop.rs"]
#[allow(dead_code, reason = "its `main` is another one's")]
mod event_loop;

use event_loop::EventLoop;

fn start(setup: Setup) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it has an address");
    let (signals, mut signalled) = UnixStream::pair().expect("there are files");
    let kept = signalled.try_clone().expect("there are files");
    let serve = move || -> Result<(), Box<dyn Error>> {
        // A process that serves does not lose its signal handler before it ends.
        let _kept = kept;
        let mut event_loop = EventLoop::new(listener, signals, setup.settings)?;
        event_loop.drain = setup.drain;
        Ok(event_loop.run()?)
    };
    Running {
        address,
        // As the signal handler does it.
        drain: Box::new(move || signalled.write_all(&[0]).expect("the loop reads it")),
        thread: thread::spawn(|| serve().map_err(|error| io::Error::other(error.to_string()))),
    }
}

fn main() -> ExitCode {
    switchboard_conformance::main("event loop", start)
}
