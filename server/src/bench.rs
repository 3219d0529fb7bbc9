//! `switchboard bench`: the load generator as a command.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use switchboard_bench::{Options, measure};

use crate::os;

pub(crate) const HELP: &str = "\
Scenarios (and their defaults):
  fan-out  members publish, and all members of their room receive
           (10 rooms of 10, all publish, 1,000 messages/s)
  rooms    the same in many small rooms (100 rooms of 3)
  echo     each connection alone in its room, and hears itself (100 connections, 1,000 messages/s)
  connect  a connect storm: all at once, --at-once under way (100 connections)
  idle     connections that only answer pings; at the end each must still get a message (100)
  slow     fan-out, in whose second half some members do not read (1 room of 10, 1 of them slow)
  churn    visitors that connect, hear one message of their room and leave (100 a second)

The defaults stay within the limits of a Switchboard server with default settings. To go further,
raise max_connections, max_per_room and messages_per_second in its [limits].

{room} and {user} in the address (and in the template) become names unique to this run.

Every message carries a marker that is searched for in whatever is received, so any envelope
will do. Each delivery is checked: lost, repeated, out of order, in a wrong room. Latency runs
from publishing to receiving; at a given rate it counts from when the message was due, so
that a server that holds up the generator does not look better for it. --window N instead keeps
N messages of each publisher in flight: the most that a server can do.

Examples:
  switchboard bench ws://127.0.0.1:8080/ws/{room}
  switchboard bench ws://127.0.0.1:8080/ws/{room} fan-out --rooms 1 --members 1000 --rate 500
  switchboard bench ws://127.0.0.1:8080/ws/{room} fan-out --window 8 --json
  switchboard bench ws://127.0.0.1:8080/ws/{room} connect --connections 15000
  switchboard bench ws://127.0.0.1:9000/ echo --template plain --window 1
  switchboard bench 'ws://127.0.0.1:3000/socket.io/?EIO=4&transport=websocket' --template socket.io
  switchboard bench ws://127.0.0.1:9000/{room} --publish '{\"say\":\"{payload}\",\"to\":\"{room}\"}'

Templates for other servers, and what each figure means: docs/bench.md.

Exit codes:
  0  everything arrived, once, in order, and no connection failed
  1  it could not be measured          2  wrong usage
  3  something was lost, repeated, out of order or in a wrong room, or a connection failed
  130  interrupted (Ctrl-C); what was measured until then is reported";

/// Something was lost, repeated, out of order or in a wrong room, or a connection failed.
const NOT_CLEAN: u8 = 3;

/// The exit code after Ctrl-C, by the convention of shells.
const INTERRUPTED: u8 = 130;

pub(crate) fn bench(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let stop = stop_on_signals()?;
    check_open_files(options.connections()? as usize)?;
    let report = measure(options, stop)?;
    let text = if options.json {
        format!("{}\n", serde_json::to_string(&report)?)
    } else {
        report.to_string()
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(match (report.is_clean(), report.is_interrupted()) {
        (false, _) => ExitCode::from(NOT_CLEAN),
        (true, true) => ExitCode::from(INTERRUPTED),
        (true, false) => ExitCode::SUCCESS,
    })
}

/// Set by the first Ctrl-C; the second one ends the program.
fn stop_on_signals() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order, so that the first signal finds the flag still unset.
        flag::register_conditional_shutdown(signal, INTERRUPTED.into(), stop.clone())?;
        flag::register(signal, stop.clone())?;
    }
    Ok(stop)
}

/// Raises the limit on open files, and checks that it allows one for each connection.
fn check_open_files(connections: usize) -> Result<(), String> {
    let files = os::raise_open_files()
        .map_err(|error| format!("the limit on open files cannot be raised: {error}"))?;
    files
        .suffice_for(connections as u64, &format!("{connections} connections"))
        .map_err(|shortage| format!("{shortage}, or ask for no more than {}", files.left()))
}
