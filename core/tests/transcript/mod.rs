//! Scripts of events, with the hub's answers in between.
//!
//! A script has one command per line (or several, between ` / `), and below it, after `=>`, one
//! line for each resulting action. [`check`] plays the commands and compares the whole text.
//! Notices are omitted unless the script says `notices`, and times of day unless it says `times`. See `play.rs` for the commands and
//! `render.rs` for the answers.
//!
//! Times precede a command: `45s-1us` since the start, or `+5ms` since the last one. `TIME run`
//! plays every deadline up to then, each at its own time; `next` plays the next one; other commands
//! play no deadline.
//!
//! In every script, after each event the hub's numbers are recounted from its views; at the end all
//! connections close, all deadlines pass, and nothing may be left.

mod oracle;
mod play;
mod render;
mod words;

use std::fmt::Write;

use switchboard_core::{Config, Heartbeat, History, RoomClass};

use play::Play;

/// Plays a script and compares. The configuration is the default with heartbeats and presence off,
/// without history, deduplication and rate limits.
#[track_caller]
pub(crate) fn check(configure: impl FnOnce(&mut Config), script: &str) {
    let mut config = Config {
        rooms: vec![(String::new(), plain())],
        heartbeat: Heartbeat { interval: std::time::Duration::ZERO, ..Heartbeat::default() },
        ..Config::default()
    };
    config.limits.messages = switchboard_core::Rate::NONE;
    config.recovery.remembered_ids = 0;
    configure(&mut config);

    let expected: Vec<String> = script.lines().map(tidy).filter(|line| !line.is_empty()).collect();
    let mut actual = Vec::new();
    let mut play = Play::new(config);
    for line in expected.iter().filter(|line| !line.starts_with("=>")) {
        actual.push(line.clone());
        if line.starts_with("//") {
            continue;
        }
        for command in line.split(" / ") {
            play.command(command);
        }
        actual.extend(play.take_output().into_iter().map(|line| tidy(&format!("=> {line}"))));
    }
    assert!(
        expected == actual,
        "(-) is expected, (+) is what happened:\n{}",
        diff(&expected, &actual)
    );
    play.everybody_leaves();
}

/// A room class without presence and history.
fn plain() -> RoomClass {
    RoomClass { presence: false, history: History::NONE, ..RoomClass::default() }
}

/// Changes the class of a prefix, or adds one that is like the default except for presence.
#[allow(dead_code, reason = "not every file of tests has classes")]
pub(crate) fn class(config: &mut Config, prefix: &str, change: impl FnOnce(&mut RoomClass)) {
    if config.rooms.iter().all(|(other, _)| other != prefix) {
        config.rooms.push((prefix.to_owned(), plain()));
    }
    let found = config.rooms.iter_mut().find(|(other, _)| other == prefix);
    change(&mut found.expect("it was added").1);
}

fn tidy(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the longest common lines, with the differences marked.
fn diff(old: &[String], new: &[String]) -> String {
    let mut common = vec![vec![0; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if old[i] == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut text) = (0, 0, String::new());
    while i < old.len() || j < new.len() {
        let (mark, line) = if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
            (' ', &old[i - 1])
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            i += 1;
            ('-', &old[i - 1])
        } else {
            j += 1;
            ('+', &new[j - 1])
        };
        let _ = writeln!(text, "  {mark} {line}");
    }
    text
}
