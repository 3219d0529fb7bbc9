use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;
use std::{env, fs};

use switchboard_core::{HeartbeatMode, Limit, Overflow, Publishers, UserLimitPolicy};

use super::keys::{AuthAnswer, CapacityAnswer};
use super::*;

const EXAMPLE: &str = include_str!("../../switchboard.example.toml");
const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn load(text: &str, variables: &[(&str, &str)], flags: &[Override]) -> Result<Config, Problems> {
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), (*value).into()));
    Config::from_text("c.toml", text, variables, flags)
}

fn file(text: &str) -> Config {
    load(text, &[], &[]).unwrap_or_else(|problems| panic!("{problems}"))
}

fn environment(variables: &[(&str, &str)]) -> Config {
    load("", variables, &[]).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Returns the whole error text for a file.
fn complaint(text: &str) -> String {
    load(text, &[], &[]).unwrap_err().to_string()
}

fn variable_complaint(name: &str, value: &str) -> String {
    load("", &[(name, value)], &[]).unwrap_err().to_string()
}

#[track_caller]
fn assert_in(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "expected\n{part}\nin\n{text}");
    }
}

#[test]
fn the_example_file_is_exactly_the_defaults() {
    assert_eq!(file(EXAMPLE), Config::default());
    assert_eq!(file(""), Config::default());
}

/// Compares a file with what it should be, or rewrites it:
/// `SWITCHBOARD_UPDATE=1 cargo test --package switchboard --lib config`.
fn follows(path: &str, expected: impl FnOnce(&str) -> String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let found = fs::read_to_string(&path).unwrap();
    let expected = expected(&found);
    if env::var_os("SWITCHBOARD_UPDATE").is_some() {
        fs::write(path, expected).unwrap();
    } else {
        assert_eq!(found, expected, "{} is not what the declarations say", path.display());
    }
}

#[test]
fn the_example_file_follows_from_the_declarations() {
    follows("switchboard.example.toml", |_| document::example());
}

#[test]
fn the_table_in_the_readme_follows_from_the_declarations() {
    follows("../README.md", |readme| {
        let (before, rest) = readme.split_once("| key | default | meaning |").unwrap();
        let (_, after) = rest.split_once("\n\n").unwrap();
        format!("{before}{}\n{after}", document::limits_table())
    });
}

#[test]
fn the_printed_configuration_reads_back_as_itself() {
    let config = file(
        "listen = \"localhost:1\"\n[heartbeat]\ninterval = \"1m\"\nstale_after = \"90.5\"\n\
         [origins]\nallowed = [\"https://a.example\"]\n[rooms.\"a\\\"b\\u0001:\"]\necho = false",
    );
    assert_eq!(file(&config.to_string()), config);
}

#[test]
fn every_table_is_read() {
    let config = file(&format!(
        "[limits]\nuser_limit_policy = \"replace_oldest\"\nmax_connections = 1_000\n\
         [heartbeat]\nmode = \"application\"\nidle_timeout = 1.5\nprobe_timeout = 3\n\
         [auth]\nmode = \"jwt\"\nhs256_secret = \"{SECRET}\"\nanswer = \"http\"\n[capacity]\nanswer = \"http\"\n\
         [drain]\ntimeout = \"1m30s\"\n[log]\nformat = \"json\"\nlevel = \"info,switchboard=debug\"\n\
         [dashboard]\nenabled = false\n[rooms.\"\"]\noverflow = \"conflate\"\npublish = \"server\""
    ));
    assert_eq!(config.limits.user_limit_policy, UserLimitPolicy::ReplaceOldest);
    assert_eq!(config.limits.max_connections.get(), Some(1_000));
    assert_eq!(config.heartbeat.mode, HeartbeatMode::Application);
    assert_eq!(config.heartbeat.idle_timeout, Duration::from_millis(1_500));
    assert_eq!(config.heartbeat.probe_timeout, Duration::from_secs(3));
    assert_eq!(config.secret, Some(Secret(SECRET.to_owned())));
    assert_eq!(config.auth.answer, AuthAnswer::Http);
    assert_eq!(config.capacity.answer, CapacityAnswer::Http);
    assert_eq!(config.drain.timeout, Duration::from_secs(90));
    assert_eq!(config.log.format, LogFormat::Json);
    assert!(!config.dashboard.enabled);
    let class = &config.rooms[""];
    assert_eq!((class.overflow, class.publish), (Overflow::Conflate, Publishers::Server));
}

#[test]
fn the_load_profile_is_valid() {
    let config = file(
        "[limits]\nmax_connections = 20000\nmax_per_room = 20000\nmax_per_user = 20000\n\
         messages_per_second = 0\n[rooms.\"\"]\npresence = false\necho = true\n\
         [log]\nlevel = \"warn\"",
    );
    assert_eq!(config.limits.max_connections.get(), Some(20_000));
    assert_eq!(config.limits.messages.per_second, 0);
    assert_eq!(config.rooms[""].max_members.get(), Some(20_000));
    assert!(!config.rooms[""].presence);
    assert_eq!(config.log.level, "warn");
}

#[test]
fn a_class_inherits_what_it_leaves_out() {
    let config = file(
        "[limits]\nmax_per_room = 7\n[rooms.\"game:chess:\"]\necho = true\n\
         [rooms.\"\"]\necho = false\npresence_grace = \"9s\"\n[rooms.\"game:\"]\nmax_members = 2",
    );
    let lobby = &config.rooms[""];
    assert_eq!((lobby.max_members, lobby.echo), (Limit::at_most(7), false));
    let game = &config.rooms["game:"];
    assert_eq!((game.max_members, game.echo), (Limit::at_most(2), false));
    let chess = &config.rooms["game:chess:"];
    assert_eq!((chess.max_members, chess.echo), (Limit::at_most(7), true));
    assert_eq!(chess.presence_grace, Duration::from_secs(9));
}

#[test]
fn variables_beat_the_file_and_flags_beat_variables() {
    let text = "listen = \"127.0.0.1:1\"\n[limits]\nmax_connections = 1\nmax_per_user = 1";
    let variables = [
        ("SWITCHBOARD_LISTEN", "127.0.0.1:2"),
        ("SWITCHBOARD_LIMITS_MAX_CONNECTIONS", "2"),
        ("PATH", "ignored"),
    ];
    let flag =
        Override { name: "--listen", section: "", key: "listen", value: "127.0.0.1:3".to_owned() };
    let config = load(text, &variables, &[flag]).unwrap();
    assert_eq!(config.server.listen, "127.0.0.1:3");
    assert_eq!(config.limits.max_connections, Limit::at_most(2));
    assert_eq!(config.limits.max_per_user, Limit::at_most(1));
}

#[test]
fn every_type_can_come_from_a_variable() {
    let config = environment(&[
        ("SWITCHBOARD_ALLOW_ANONYMOUS", "true"),
        ("SWITCHBOARD_ORIGINS_ALLOWED", "https://a.example, https://b.example"),
        ("SWITCHBOARD_HEARTBEAT_INTERVAL", "10"),
        ("SWITCHBOARD_HEARTBEAT_MODE", "protocol"),
        ("SWITCHBOARD_AUTH_MODE", "jwt"),
        ("SWITCHBOARD_AUTH_HS256_SECRET", "11111111111111111111111111111111"),
        ("SWITCHBOARD_AUTH_ISSUER", ""),
    ]);
    assert!(config.server.allow_anonymous);
    assert_eq!(config.origins.allowed, ["https://a.example", "https://b.example"]);
    assert_eq!(config.heartbeat.interval, Duration::from_secs(10));
    assert_eq!(config.heartbeat.mode, HeartbeatMode::Protocol);
    assert_eq!(config.secret.map(|secret| secret.as_bytes().len()), Some(32));
    assert_eq!(config.auth.issuer, None);
}

#[test]
fn an_unknown_variable_is_an_error_with_the_nearest_name() {
    assert_eq!(
        variable_complaint("SWITCHBOARD_LIMITS_MAX_CONECTIONS", "5"),
        "SWITCHBOARD_LIMITS_MAX_CONECTIONS: unknown variable; did you mean \
         SWITCHBOARD_LIMITS_MAX_CONNECTIONS?"
    );
    let text = variable_complaint("SWITCHBOARD_MAX_PER_USER", "5");
    assert_in(&text, &["did you mean SWITCHBOARD_LIMITS_MAX_PER_USER?"]);
    let text = variable_complaint("SWITCHBOARD_ROOMS_MAX_MEMBERS", "5");
    assert_in(&text, &["room classes can only be set in the file"]);
    let text = variable_complaint("SWITCHBOARD_COLOUR", "5");
    assert_in(&text, &["variables are called SWITCHBOARD_TABLE_KEY"]);
}

#[test]
fn variables_that_are_not_ours_are_left_alone() {
    let config = environment(&[
        ("SWITCHBOARD_BIN", "target/release/switchboard"),
        ("SWITCHBOARD_CONFIG", "c.toml"),
        ("SWITCHBOARD_PORT", "tcp://10.0.0.1:80"),
        ("SWITCHBOARD_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("SWITCHBOARD_SERVICE_HOST", "10.0.0.1"),
    ]);
    assert_eq!(config, Config::default());
}

#[test]
fn a_wrong_variable_is_named_with_its_value() {
    assert_eq!(
        variable_complaint("SWITCHBOARD_LIMITS_MAX_CONNECTIONS", "many"),
        "SWITCHBOARD_LIMITS_MAX_CONNECTIONS: wrong value \"many\": expected a whole number, 0 or \
         more"
    );
    let text = variable_complaint("SWITCHBOARD_HEARTBEAT_STALE_AFTER", "5s");
    assert_in(&text, &["SWITCHBOARD_HEARTBEAT_STALE_AFTER: heartbeat.stale_after must be more"]);
}

#[test]
fn an_unknown_key_is_shown_with_the_nearest_one() {
    assert_eq!(
        complaint("[limits]\n\nmax_conections = 20"),
        "c.toml:3:1: unknown key `max_conections` in [limits]; did you mean `max_connections`?\n  \
         3 | max_conections = 20\n    | ^^^^^^^^^^^^^^"
    );
    let text = complaint("max_connections = 20");
    assert_in(&text, &["c.toml:1:1: unknown key `max_connections`; it belongs in [limits]"]);
    let text = complaint("[limits]\nlisten = \"x\"");
    assert_in(&text, &["c.toml:2:1: ", "`listen` in [limits]; it belongs at the top of the file"]);
    let text = complaint("[log]\ncolour = true");
    assert_in(&text, &["c.toml:2:1: ", "; the keys here are format, level"]);
    let text = complaint("[rooms.\"a:\"]\npresense = true");
    assert_in(&text, &["c.toml:2:1: ", "in [rooms.\"a:\"]; did you mean `presence`?"]);
}

#[test]
fn an_unknown_table_is_shown_with_the_nearest_one() {
    let text = complaint("\n[limit]\nmax_connections = 5");
    assert_in(&text, &["c.toml:2:2: unknown table [limit]; did you mean [limits]?", "2 | [limit]"]);
    let text = complaint("[listen]\nport = 1");
    assert_in(&text, &["c.toml:1:2: unknown table [listen]; the tables are limits, heartbeat,"]);
    let text = complaint("limits = 5");
    assert_in(&text, &["c.toml:1:1: `limits` is a table: write [limits]"]);
    let text = complaint("[rooms]\nmax_members = 5");
    assert_in(&text, &["c.toml:2:1: `max_members` is not a room class: write [rooms.\"\"]"]);
    assert_in(&complaint("rooms = 5"), &["c.toml:1:1: `rooms` is a table"]);
}

#[test]
fn a_wrong_value_is_underlined_and_the_right_ones_are_named() {
    assert_eq!(
        complaint("[log]\nformat = \"jsn\" # for the collector"),
        "c.toml:2:10: wrong value for `format`: expected \"text\" or \"json\"; did you mean \
         \"json\"?\n  2 | format = \"jsn\" # for the collector\n    |          ^^^^^"
    );
    for (text, parts) in [
        ("[limits]\nmax_per_room = -1", ["c.toml:2:16: ", "expected a whole number, 0 or more"]),
        ("[limits]\nmax_per_room = \"1\"", ["c.toml:2:16: ", "expected a whole number"]),
        (
            "[heartbeat]\ninterval = \"30x\"",
            ["c.toml:2:12: ", "expected a duration such as \"30s\""],
        ),
        ("[heartbeat]\ninterval = true", ["c.toml:2:12: ", "or a plain number of seconds"]),
        ("[heartbeat]\ninterval = -1", ["c.toml:2:12: ", "expected a duration"]),
        ("[dashboard]\nenabled = \"yes\"", ["c.toml:2:11: ", "expected true or false"]),
        ("listen = 8080", ["c.toml:1:10: ", "expected text in quotes"]),
        ("[origins]\nallowed = [1]", ["c.toml:2:11: ", "expected a list of texts"]),
        ("[rooms.x]\npublish = 1", ["c.toml:2:11: ", "\"anyone\" or \"members\" or \"server\""]),
    ] {
        assert_in(&complaint(text), &parts);
    }
}

#[test]
fn broken_toml_is_shown_with_its_line() {
    assert_in(&complaint("[limits]\nmax_per_room 5"), &["c.toml:2:", "2 | max_per_room 5"]);
    assert_in(&complaint("a = 1\na = 2"), &["c.toml:2:1: duplicate key"]);
}

#[test]
fn several_problems_are_reported_at_once_in_the_order_of_the_file() {
    let text = "[log]\nlevl = \"info\"\n[limits]\nmax_per_room = \"x\"\n[rooms.a]\necho = 1";
    let text = load(text, &[("SWITCHBOARD_X", "")], &[]).unwrap_err().to_string();
    let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} in {text}"));
    assert!(at("c.toml:2:1") < at("c.toml:4:16"));
    assert!(at("c.toml:4:16") < at("c.toml:6:8"));
    assert!(at("c.toml:6:8") < at("SWITCHBOARD_X: "));
}

#[test]
fn keys_that_contradict_each_other_are_blamed_at_their_line() {
    for (text, parts) in [
        (
            "[heartbeat]\nstale_after = \"30s\"",
            ["c.toml:2:15: ", "heartbeat.stale_after must be more than heartbeat.interval"],
        ),
        ("[heartbeat]\ninterval = \"50s\"", ["c.toml:2:12: ", "heartbeat.stale_after must be"]),
        ("threads = 0", ["c.toml:1:11: ", "threads must be from 1 to 256"]),
        ("threads = 257", ["c.toml:1:11: ", "threads must be from 1 to 256"]),
        ("[heartbeat]\ninterval = 0", ["c.toml:2:12: ", "heartbeat.interval must be more than 0"]),
        ("[heartbeat]\nprobe_timeout = 0", ["c.toml:2:17: ", "probe_timeout must be more than 0"]),
        ("[limits]\nmessage_burst = 0", ["c.toml:2:17: ", "message_burst must be at least 1"]),
        ("[limits]\noutbox_bytes = 9", ["c.toml:2:16: ", "at least limits.max_message_bytes"]),
        ("listen = \":8080\"", ["c.toml:1:10: ", "expected host:port, such as \"127.0.0.1:8080\""]),
        ("[log]\nlevel = \"wran\"", ["c.toml:2:9: ", "did you mean \"warn\"?"]),
        (
            "[origins]\nallowed = [\"https://a.example/\"]",
            ["c.toml:2:11: ", "an origin has no path, so write \"https://a.example\""],
        ),
        (
            "[origins]\nallowed = [\"a.example\"]",
            ["c.toml:2:11: ", "\"a.example\" is not an origin"],
        ),
        (
            "[origins]\nhosts = [\"https://a.example\"]",
            ["c.toml:2:9: ", "\"https://a.example\" is not a host such as example.com"],
        ),
        ("[dashboard]\nstats = \"token\"", ["c.toml:2:9: ", "auth.mode is not \"jwt\""]),
        (
            "[auth]\nmode = \"jwt\"",
            ["c.toml:2:8: ", "set auth.hs256_secret, auth.hs256_secret_file"],
        ),
    ] {
        assert_in(&complaint(text), &parts);
    }
    // These do not conflict once they are switched off.
    file("[limits]\nmessage_burst = 0\nmessages_per_second = 0");
    file("[limits]\noutbox_bytes = 0");
    file("[origins]\nallowed = [\"*\", \"http://localhost:3000\"]");
}

#[test]
fn a_weak_or_pointless_secret_is_refused_and_never_printed() {
    let text = complaint("[auth]\nmode = \"jwt\"\nhs256_secret = \"hunter2\"");
    assert_in(&text, &["c.toml:3:16: the secret has 7 bytes and must have at least 32"]);
    assert!(!text.contains("hunter2"), "{text}");
    let text = complaint(&format!("[auth]\nhs256_secret = \"{SECRET}\""));
    assert_in(
        &text,
        &["c.toml:2:16: ", "auth.mode is \"anonymous\", so nobody would need a token"],
    );
    assert!(!text.contains(SECRET), "{text}");
    for text in [
        "[auth]\nhs256_secrt = \"hunter2\"",
        "[auth]\nhs256_secret = hunter2",
        "[auth]\nhs256_secret = \"\"\"\nabc\"\"\" hunter2",
    ] {
        let text = complaint(text);
        assert_in(&text, &["c.toml:", "<hidden>"]);
        assert!(!text.contains("hunter2"), "{text}");
    }
    let variables = [("SWITCHBOARD_AUTH_MODE", "jwt"), ("SWITCHBOARD_AUTH_HS256_SECRET", SECRET)];
    let config = environment(&variables);
    assert!(!format!("{config}{config:?}").contains(SECRET));
}

#[test]
fn the_secret_can_stand_in_a_file_of_its_own() {
    let path = std::env::temp_dir().join(format!("switchboard-secret-{}", std::process::id()));
    std::fs::write(&path, format!("{SECRET}\n")).unwrap();
    let path = path.to_str().unwrap();
    let text = format!("[auth]\nmode = \"jwt\"\nhs256_secret_file = {path:?}");
    assert_eq!(file(&text).secret, Some(Secret(SECRET.to_owned())));
    let both = format!("{text}\nhs256_secret = \"{SECRET}\"");
    assert_in(&complaint(&both), &["c.toml:3:21: ", "are both set: keep one"]);
    std::fs::remove_file(path).unwrap();
    assert_in(&complaint(&text), &["c.toml:3:21: ", "cannot be read: "]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let missing = std::path::Path::new("no-such-directory/c.toml");
    let text = Config::load(Some(missing), [], &[]).unwrap_err().to_string();
    assert_in(&text, &["no-such-directory/c.toml: cannot be read: "]);
}

/// Regression test: `check-config` said that this was valid, and then the server did not start.
#[test]
fn what_is_valid_here_is_valid_in_the_core() {
    let config = file("[limits]\nmax_message_bytes = 0\nbytes_per_second = 1000\noutbox_bytes = 0");
    assert_eq!(crate::settings::rules(&config).check(), Ok(()));
    for origin in ["https://exa mple.org", "https://a.org:port", "https://a.*.org", "https://*"] {
        let text = complaint(&format!("[origins]\nallowed = [{origin:?}]"));
        assert_in(&text, &["is not an origin"]);
    }
}
