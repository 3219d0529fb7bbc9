//! What every driver of Switchboard must do, as scenarios over real sockets: they see nothing but
//! the wire. What the application around a server or a client sees is in the tests of this crate,
//! in `tests/shared`, which run once for each runtime.
//!
//! A driver says how it is started, and runs all of them in a test of its own with `harness = false`:
//!
//! ```text
//! fn start(setup: Setup) -> Running { … }
//!
//! fn main() -> ExitCode {
//!     switchboard_conformance::main("my loop", start)
//! }
//! ```

// This is a test: what is not there when it is unwrapped is what it has found, and it says where.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod certificates;
pub mod client;
mod harness;
mod scenarios;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::thread::JoinHandle;
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};
use switchboard_engine::server::Settings;

pub use harness::{DEADLINE, eventually};

/// The server that a scenario asks for.
#[derive(Debug)]
pub struct Setup {
    /// Everything that a server can be told. The user is whom [`anonymous`](switchboard_engine::server::anonymous) takes
    /// it for: the one in `?user=`.
    pub settings: Settings,
    /// What a drain is given: time for everybody to leave, and for how long they are sent away.
    pub drain: (Duration, Duration),
}

/// A server that a driver has started.
pub struct Running {
    /// Where it listens: a port of its own.
    pub address: SocketAddr,
    /// Has it drained. It may wait for that.
    pub drain: Box<dyn FnOnce() + Send>,
    /// Ends when the server has been drained.
    pub thread: JoinHandle<io::Result<()>>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}

/// How a driver starts a server.
pub type Start = fn(Setup) -> Running;

/// Runs every scenario as a test of its own, understands what `cargo test` says to a test, and tells how many there
/// were.
pub fn main(driver: &str, start: Start) -> ExitCode {
    if scenarios::files::serve_if_asked(start) {
        return ExitCode::SUCCESS;
    }
    let trial = |(module, scenario): (&str, &scenarios::Scenario)| {
        let run = scenario.run;
        Trial::test(format!("{module}::{}", scenario.name), move || {
            run(start);
            Ok(())
        })
    };
    let arguments = Arguments::from_args();
    let conclusion = libtest_mimic::run(&arguments, scenarios::all().map(trial).collect());
    if !arguments.list {
        println!("{driver}: {} scenarios passed", conclusion.num_passed);
    }
    conclusion.exit_code()
}
