//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use switchboard_core::{NoPosition, Position};

use crate::config::{Override, duration};
use crate::{bench, bind};

const EXAMPLES: &str = "\
Examples:
  switchboard                                    listen on 127.0.0.1:8080, without tokens
  switchboard --config switchboard.toml          with a configuration file
  switchboard check-config switchboard.toml      check it, and show its effect
  switchboard token --user alice --room lobby    a token to connect with, on stdout
  switchboard --record incident.rec              record what happens, and then look at it:
  switchboard replay incident.rec --user alice
  switchboard connect ws://127.0.0.1:8080/ws --user alice --room lobby
                                                 a client for this terminal
  switchboard bench ws://127.0.0.1:8080/ws/{room}
                                                 load it, and check every delivery

Then connect to ws://127.0.0.1:8080/ws/lobby, or open http://127.0.0.1:8080/ in a browser.

Configuration:
  Defaults, then the file, then environment variables, then flags; the later one wins.
  `example-config` prints every key with its default and meaning, and
  `check-config` those in effect. `max_connections` in [limits] is the variable
  SWITCHBOARD_LIMITS_MAX_CONNECTIONS, and so on. Room classes are set in the file only.

Defaults:
  500 connections, 10 in a room, 5 of one user; messages of 64 KiB, 50 a second;
  a heartbeat every 30 s, closed after 45 s of silence; no tokens, loopback only.

Exit codes:
  0  done          1  the configuration is wrong, the server cannot run, or
  2  wrong usage      the client was refused for good";

const REPLAY_HELP: &str = "\
Feeds the events to a new hub, so that it shows what the server did, and the state that it
had. Times are in UTC, and since the server's start. Of hashed payloads, only the length is
shown.

Exit codes:
  0  every action was as recorded; a recording that is cut off, such as that of a server
     that was killed, is valid up to its end
  1  not a recording of this version, or a part of it is damaged or missing, or the hub
     now decides differently; everything before that is shown
  2  wrong usage";

const CONNECT_HELP: &str = "\
What you type is sent to the room that was joined last; /help shows the commands. When the
connection is lost, the client reconnects and resumes. At the end of the input
it waits for the answers and ends.

With --json, each line on stdout is an object with `event` and `at` (milliseconds since the
Unix epoch), and each line on stdin a command; its answer has the same `tag`:
  {\"command\":\"join\",\"room\":\"lobby\",\"since\":\"POSITION\"}
  {\"command\":\"send\",\"room\":\"lobby\",\"type\":\"chat\",\"payload\":{\"text\":\"hi\"},\"tag\":1}
  leave {room}, members {room}, history {room, since, limit}, direct {to, payload},
  request {type, payload, room, timeout_ms}, reply {id, payload or error {code, message}},
  wake, quit

Exit codes:
  0  done          1  refused for good, invalid address, or patience at an end
  2  wrong usage";

/// A WebSocket server with rooms, presence and resume
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: Run,
}

/// How to run the server.
#[derive(Args, Debug)]
pub(crate) struct Run {
    /// Address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) listen: Option<String>,
    /// Configuration file
    #[arg(long, value_name = "FILE", env = "SWITCHBOARD_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
    /// Let clients in without a token on addresses that others can reach
    #[arg(long)]
    pub(crate) allow_anonymous: bool,
    /// Record what the server sees to this file, for `switchboard replay`
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<String>,
    /// Megabytes of the recording; the oldest is overwritten [default: 64]
    #[arg(long, value_name = "MB")]
    pub(crate) record_size: Option<String>,
    /// What to record of payloads: hash or keep [default: hash]
    #[arg(long, value_name = "HOW")]
    pub(crate) record_payloads: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check a configuration file and print the configuration in effect
    CheckConfig {
        /// File to check; SWITCHBOARD_* variables override it, as they do when the server starts
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Check as if the server were started with this flag
        #[arg(long)]
        allow_anonymous: bool,
    },
    /// Print a configuration file with every key, its meaning and its default
    ExampleConfig,
    /// Print a token that lets a user in (HS256)
    Token(Token),
    /// Show what a server started with --record saw
    #[command(after_help = REPLAY_HELP)]
    Replay(Replay),
    /// Connect to a server from this terminal, or from a script
    #[command(after_help = CONNECT_HELP)]
    Connect(Connect),
    /// Load a WebSocket server, check every delivery and measure latency
    #[command(after_help = bench::HELP)]
    Bench(Box<switchboard_bench::Options>),
}

/// What to show of a recording.
#[derive(Args, Debug)]
pub(crate) struct Replay {
    /// Recording to show
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Only events of this connection, such as 12-345
    #[arg(long, value_name = "ID")]
    pub(crate) connection: Option<String>,
    /// Only events of this user
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Only events of this room and its members
    #[arg(long, value_name = "NAME")]
    pub(crate) room: Option<String>,
    /// Stop at this moment: a time since the start, such as 90s or 1h; a time of day (UTC), such as
    /// 14:05:30; or right after an event shown with a time such as +0.136933s
    #[arg(long, value_name = "TIME", value_parser = until)]
    pub(crate) until: Option<Until>,
    /// Show messages too
    #[arg(long)]
    pub(crate) messages: bool,
    /// Finally show connections, rooms and what waits to be sent
    #[arg(long)]
    pub(crate) state: bool,
    /// Show no timeline: only check that every action matches the recording
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// A moment of a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Until {
    /// Time since the server's start.
    After(Duration),
    /// Time of day in UTC: the first such moment of the recording.
    TimeOfDay(Duration),
}

/// How to connect to a server.
#[derive(Args, Debug)]
pub(crate) struct Connect {
    /// Address of the server: ws://HOST:PORT/ws, or wss
    #[arg(value_name = "URL")]
    pub(crate) address: String,
    /// Room to join; may be repeated
    #[arg(long = "room", value_name = "ROOM")]
    pub(crate) rooms: Vec<String>,
    /// Resume the room after this position: replay what was published since
    #[arg(long, value_name = "POSITION", requires = "rooms", value_parser = position)]
    pub(crate) since: Option<Position>,
    /// User name, if the server asks for no token
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// Token; others can see it in the process list
    #[arg(long)]
    pub(crate) token: Option<String>,
    /// File that holds the token
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    pub(crate) token_file: Option<PathBuf>,
    /// File with the only certificate authorities (PEM) to trust
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Give up when there was no connection for this long, such as 30s [default: never]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) patience: Option<Duration>,
    /// Print one line of JSON for each event, and read commands as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Read no input; show events until interrupted
    #[arg(long)]
    pub(crate) watch: bool,
}

/// The claims of the token to print.
#[derive(Args, Debug)]
pub(crate) struct Token {
    /// User that the token is for
    #[arg(long)]
    pub(crate) user: String,
    /// Room to join on connecting; may be repeated
    #[arg(long = "room", value_name = "ROOM")]
    pub(crate) rooms: Vec<String>,
    /// Validity, such as 30s, 15m or 1h; 0 never expires
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration::parse)]
    pub(crate) expires: Duration,
    /// Configuration file that names secret, issuer and audience
    #[arg(long, value_name = "FILE", env = "SWITCHBOARD_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
    /// Secret; use SWITCHBOARD_AUTH_HS256_SECRET to keep it out of the process list
    #[arg(long, value_name = "SECRET")]
    pub(crate) secret: Option<String>,
}

impl Run {
    /// Returns the keys that the flags set.
    pub(crate) fn overrides(&self) -> Vec<Override> {
        let listen = self.listen.clone().map(|value| Override {
            name: "--listen",
            section: "",
            key: "listen",
            value,
        });
        let allow_anonymous = self.allow_anonymous.then(Override::allow_anonymous);
        let record = [
            ("--record", "file", &self.record),
            ("--record-size", "megabytes", &self.record_size),
            ("--record-payloads", "payloads", &self.record_payloads),
        ];
        let record = record.into_iter().filter_map(|(name, key, value)| {
            Some(Override { name, section: "record", key, value: value.clone()? })
        });
        listen.into_iter().chain(allow_anonymous).chain(record).collect()
    }
}

impl Token {
    /// Returns the keys to set: jwt mode, the only one with tokens, and the secret if one is given.
    pub(crate) fn overrides(&self) -> Vec<Override> {
        let auth = |name, key, value| Override { name, section: "auth", key, value };
        let mut overrides = vec![auth("switchboard token", "mode", "jwt".to_owned())];
        if let Some(secret) = &self.secret {
            overrides.push(auth("--secret", "hs256_secret_file", String::new()));
            overrides.push(auth("--secret", "hs256_secret", secret.clone()));
        }
        overrides
    }
}

fn position(text: &str) -> Result<Position, String> {
    text.parse().map_err(|error: NoPosition| error.to_string())
}

fn until(text: &str) -> Result<Until, String> {
    if let Some(shown) = text.strip_prefix('+') {
        let seconds = shown.strip_suffix('s').unwrap_or(shown).parse().ok();
        let after = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        return after.map(Until::After).ok_or_else(|| {
            format!("{text:?} is not the time of an event: expected seconds, such as +0.136933s")
        });
    }
    if !text.contains(':') {
        return duration::parse(text).map(Until::After);
    }
    let expected = || format!("{text:?} is not a time of day: expected HH:MM:SS, such as 14:05:30");
    let mut seconds = 0.0;
    let parts: Vec<&str> = text.split(':').collect();
    let bounds = [24.0, 60.0, 60.0];
    if parts.len() != bounds.len() {
        return Err(expected());
    }
    for (part, bound) in parts.into_iter().zip(bounds) {
        let is_plain = part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let value: f64 = part.parse().ok().filter(|_| is_plain).ok_or_else(expected)?;
        if value >= bound {
            return Err(expected());
        }
        seconds = seconds * 60.0 + value;
    }
    Ok(Until::TimeOfDay(Duration::from_secs_f64(seconds)))
}

fn address(text: &str) -> Result<String, String> {
    bind::check_address(text).map(|()| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_load_profile_starts_us_like_this() {
        let line = ["switchboard", "--listen", "127.0.0.1:9001", "--config", "dir/config.toml"];
        let cli = Cli::try_parse_from(line).unwrap();
        assert_eq!(cli.run.listen.as_deref(), Some("127.0.0.1:9001"));
        assert_eq!(cli.run.config, Some(PathBuf::from("dir/config.toml")));
        assert!(cli.command.is_none());
    }

    #[test]
    fn a_moment_is_a_duration_a_time_of_day_or_one_that_was_shown() {
        let after = |micros| Ok(Until::After(Duration::from_micros(micros)));
        assert_eq!(until("90s"), after(90_000_000));
        assert_eq!(until("+0.136933s"), after(136_933));
        assert_eq!(until("+3600"), after(3_600_000_000));
        let afternoon = Duration::from_secs(14 * 3_600 + 5 * 60 + 30);
        assert_eq!(until("14:05:30"), Ok(Until::TimeOfDay(afternoon)));
        for wrong in ["", "+", "+-1s", "+1h", "14:05", "24:00:00", "soon"] {
            assert!(until(wrong).is_err(), "{wrong}");
        }
    }
}
