//! The documentation of the keys, generated from their declarations.

use std::fmt::Write;

use switchboard_core::RoomClass;

use super::Config;
use super::setting::{Key, Section};

/// Columns of a comment line.
const WIDTH: usize = 100;

const HEAD: &str = "\
# Every key with its default. What is left out keeps it, so a file only needs what differs.
#
# Each key outside the room classes is also an environment variable, which beats the file:
# `max_connections` in [limits] is SWITCHBOARD_LIMITS_MAX_CONNECTIONS. Flags beat both.
# Durations are texts such as \"30s\", \"500ms\" or \"1m30s\", or plain numbers of seconds.
# A limit of 0 is switched off. Check a file with `switchboard check-config FILE`.
";

const ROOMS: &str = "
# Room classes, by the start of a room's name; the longest that fits wins, \"\" is every room.
# A class such as [rooms.\"game:\"] takes what it leaves out from here.
[rooms.\"\"]
";

/// Returns a configuration file with every key, its meaning and its default.
pub(crate) fn example() -> String {
    let mut example = String::from(HEAD);
    let (mut config, mut last) = (Config::default(), None);
    for (table, key) in config.keys() {
        if last != Some(table) {
            example += "\n";
            if !table.is_empty() {
                let _ = writeln!(example, "[{table}]");
            }
            last = Some(table);
        }
        comment(&mut example, &text(&key));
        let _ = writeln!(example, "{} = {}", key.name, key.value.show());
    }
    example += ROOMS;
    for key in RoomClass::default().keys() {
        // Setting it here would override `limits.max_per_room`.
        let inherited = key.name == "max_members";
        let more = if inherited { " Left out, it is limits.max_per_room." } else { "" };
        comment(&mut example, &(text(&key) + more));
        let mark = if inherited { "# " } else { "" };
        let _ = writeln!(example, "{mark}{} = {}", key.name, key.value.show());
    }
    example
}

/// Returns what a key means, and its choices.
fn text(key: &Key<'_>) -> String {
    let choices: Vec<_> = key.value.choices().iter().map(|text| format!("{text:?}")).collect();
    match choices.split_last() {
        Some((last, rest)) if !key.text.contains(last) => {
            format!("{} ({} or {last}).", key.text.trim_end_matches('.'), rest.join(", "))
        }
        Some(_) | None => key.text.clone(),
    }
}

/// Appends a text as comment lines.
fn comment(to: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            *to += &line;
            *to += "\n";
            line = String::from("#");
        }
        line.push(' ');
        line += word;
    }
    *to += &line;
    *to += "\n";
}

/// Returns the README's table of limits.
#[cfg(test)]
pub(crate) fn limits_table() -> String {
    let mut table = String::from("| key | default | meaning |\n| --- | --- | --- |\n");
    for (section, key) in Config::default().keys() {
        if ["limits", "heartbeat", "recovery"].contains(&section) {
            let (value, text) = (key.value.show(), text(&key));
            let _ = writeln!(table, "| `{section}.{}` | {value} | {text} |", key.name);
        }
    }
    for key in RoomClass::default().keys() {
        let (value, text) = (key.value.show(), text(&key));
        let _ = writeln!(table, "| `rooms.\"\".{}` | {value} | {text} |", key.name);
    }
    table
}
