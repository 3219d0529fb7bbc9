//! The program as a child process: what it prints where, and how it exits.
#![cfg(test)]

use std::path::PathBuf;
use std::process::{Command, Output};
use std::{env, fs};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Runs the program with only these of our variables.
fn switchboard(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("SWITCHBOARD_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).envs(variables.iter().copied()).output().unwrap()
}

fn out(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

/// A configuration file that is removed after the test.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, text: &str) -> Self {
        let path = env::temp_dir().join(format!("switchboard-{}-{name}.toml", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

#[test]
fn check_config_prints_what_a_file_amounts_to_without_the_secret() {
    let text = format!(
        "[auth]\nmode = \"jwt\"\nhs256_secret = \"{SECRET}\"\n[rooms.\"game:\"]\nmax_members = 2"
    );
    let file = TempFile::new("valid", &text);
    let output =
        switchboard(&["check-config", file.path()], &[("SWITCHBOARD_LIMITS_MAX_PER_USER", "9")]);
    assert_eq!((output.status.code(), err(&output)), (Some(0), ""));
    let text = out(&output);
    assert!(text.starts_with(&format!("{} is valid\n\nlisten = ", file.path())), "{text}");
    for line in ["max_per_user = 9", "hs256_secret = \"<redacted>\"", "[rooms.\"game:\"]"] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    assert!(!text.contains(SECRET));
}

#[test]
fn check_config_reports_problems_on_stderr_and_exits_with_1() {
    let file = TempFile::new("wrong", "[limits]\nmax_conections = 1\nmax_per_room = true");
    let output = switchboard(&["check-config", file.path()], &[]);
    assert_eq!((output.status.code(), out(&output)), (Some(1), ""));
    let text = err(&output);
    assert!(text.contains(&format!("{}:2:1: unknown key", file.path())), "{text}");
    assert!(text.contains(&format!("{}:3:16: wrong value", file.path())), "{text}");
}

#[test]
fn check_config_exits_with_1_for_what_would_not_start() {
    for (name, text, why) in [
        ("exposed", "listen = \"0.0.0.0:8080\"", "refusing to listen on 0.0.0.0:8080"),
        ("nowhere", "listen = \"no-such-host.invalid:80\"", "cannot resolve the address"),
        ("unrecorded", "[record]\nfile = \"no-such-folder/a.rec\"", "no-such-folder"),
        ("secretless", "[auth]\nmode = \"jwt\"", "no key to check tokens with"),
    ] {
        let file = TempFile::new(name, text);
        let output = switchboard(&["check-config", file.path()], &[]);
        assert_eq!((output.status.code(), out(&output)), (Some(1), ""), "{name}");
        assert!(err(&output).contains(why), "{}", err(&output));
        let started = switchboard(&["--config", file.path()], &[]);
        assert_eq!(started.status.code(), Some(1), "the server does not start either: {name}");
        assert!(err(&started).contains(why), "{}", err(&started));
    }
    let file = TempFile::new("allowed", "listen = \"0.0.0.0:8080\"");
    let output = switchboard(&["check-config", file.path(), "--allow-anonymous"], &[]);
    assert_eq!((output.status.code(), err(&output)), (Some(0), ""));
    assert!(out(&output).contains("allow_anonymous = true"), "{}", out(&output));
}

#[test]
fn token_prints_one_token_and_nothing_else() {
    let arguments = ["token", "--user", "alice", "--room", "a", "--room", "b", "--expires", "15m"];
    let output = switchboard(&arguments, &[("SWITCHBOARD_AUTH_HS256_SECRET", SECRET)]);
    assert_eq!((output.status.code(), err(&output)), (Some(0), ""));
    let token = out(&output).strip_suffix('\n').unwrap();
    assert_eq!(token.split('.').count(), 3, "{token}");
    assert!(!token.contains(char::is_whitespace));
}

#[test]
fn token_takes_the_secret_of_the_flag_before_that_of_the_file() {
    let text = "[auth]\nmode = \"jwt\"\nhs256_secret_file = \"no-such-file\"";
    let file = TempFile::new("token", text);
    let output = switchboard(
        &["token", "--user", "alice", "--config", file.path(), "--secret", SECRET],
        &[],
    );
    assert_eq!((output.status.code(), err(&output)), (Some(0), ""));
}

#[test]
fn token_without_a_good_secret_or_name_says_what_is_missing() {
    let output = switchboard(&["token", "--user", "alice"], &[]);
    assert_eq!((output.status.code(), out(&output)), (Some(1), ""));
    assert!(err(&output).contains("also takes --secret"), "{}", err(&output));
    let output = switchboard(&["token", "--user", "alice", "--secret", "short"], &[]);
    assert!(err(&output).contains("--secret: the secret has 5 bytes"), "{}", err(&output));
    let output = switchboard(&["token", "--user", "", "--secret", SECRET], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("claim `sub` must be"), "{}", err(&output));
}

#[test]
fn the_file_can_be_named_by_a_variable_which_commands_with_a_file_of_their_own_ignore() {
    let named = TempFile::new("named", "listen = 5");
    let variables = [("SWITCHBOARD_CONFIG", named.path())];
    let output = switchboard(&[], &variables);
    assert!(err(&output).contains(&format!("{}:1:10: ", named.path())), "{}", err(&output));
    let other = TempFile::new("other", "");
    let output = switchboard(&["check-config", other.path()], &variables);
    assert_eq!((output.status.code(), err(&output)), (Some(0), ""));
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [
        &["--lisen", "127.0.0.1:1"][..],
        &["--listen", "8080"],
        &["token"],
        &["token", "--user", "a", "--expires", "soon"],
        &["check-config"],
    ] {
        let output = switchboard(arguments, &[]);
        assert_eq!((output.status.code(), out(&output)), (Some(2), ""), "{arguments:?}");
    }
}

#[test]
fn help_shows_examples_the_configuration_and_the_exit_codes() {
    let output = switchboard(&["--help"], &[]);
    assert_eq!(output.status.code(), Some(0));
    let text = out(&output);
    for part in [
        "A WebSocket server with rooms, presence and resume",
        "Examples:",
        "Configuration:",
        "Exit codes:",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let version = switchboard(&["--version"], &[]);
    assert_eq!(out(&version), concat!("switchboard ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn the_server_refuses_strangers_on_an_open_address() {
    let output = switchboard(&["--listen", "0.0.0.0:0"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("refusing to listen on 0.0.0.0:0"), "{}", err(&output));
}
