//! What every driver of Switchboard must do, as scenarios over real sockets that observe only the
//! wire. What the application around a server or a client observes is in the tests of this crate,
//! in `tests/shared`, which run once for each runtime.
//!
//! A driver supplies a function that starts it, and runs all scenarios in a test with `harness =
//! false`:
//!
//! ```text
//! fn start(setup: Setup) -> Running { … }
//!
//! fn main() -> ExitCode {
//!     switchboard_conformance::main("my loop", start)
//! }
//! ```

// This is test code: a failed unwrap is a finding, and reports its place.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod certificates;
pub mod client;
mod harness;
mod scenarios;
mod unreachable;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::thread::JoinHandle;
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};
use switchboard_engine::server::ServerSettings;

pub use harness::{DEADLINE, eventually};
pub use unreachable::{BlackHole, closed_port};

/// The server that a scenario requires.
#[derive(Debug)]
pub struct Setup {
    /// The server's settings. The user is the one in `?user=`, as with
    /// [`anonymous`](switchboard_engine::server::anonymous).
    pub settings: ServerSettings,
    /// The parameters of a drain: the time for everybody to leave, and the delay that clients are
    /// told.
    pub drain: (Duration, Duration),
}

/// A server that a driver has started.
pub struct Running {
    /// The address that it listens on.
    pub address: SocketAddr,
    /// Drains the server. It may block until that is done.
    pub drain: Box<dyn FnOnce() + Send>,
    /// Ends when the server has been drained.
    pub thread: JoinHandle<io::Result<()>>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Starts a server of the driver under test.
pub type Start = fn(Setup) -> Running;

/// Runs every scenario as a separate test, accepts the arguments of `cargo test`, and prints the
/// number of tests.
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
