//! The configuration: defaults, then the file, then `SWITCHBOARD_*` variables, then flags.

mod check;
mod document;
pub(crate) mod duration;
mod keys;
mod load;
mod problem;
mod setting;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

pub(crate) use document::example;
pub(crate) use keys::*;
pub(crate) use load::Override;
pub(crate) use problem::{Problems, nearest};
pub(crate) use setting::Secret;
use setting::{Key, Section};
use switchboard_core::{Heartbeat, Limits, Recovery, RoomClass};

/// The whole configuration, checked and complete.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) limits: Limits,
    pub(crate) more_limits: MoreLimits,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) auth: Auth,
    pub(crate) origins: Origins,
    pub(crate) capacity: Capacity,
    pub(crate) recovery: Recovery,
    pub(crate) drain: Drain,
    pub(crate) log: Log,
    pub(crate) record: Record,
    pub(crate) dashboard: Dashboard,
    /// Room classes by name prefix, with inherited settings filled in. Always has the prefix "".
    pub(crate) rooms: BTreeMap<String, RoomClass>,
    /// The key from `auth.hs256_secret` or its file; always present in jwt mode.
    pub(crate) secret: Option<Secret>,
}

impl Config {
    /// Returns the tables in the order of the documentation; "" is the top of the file.
    fn sections(&mut self) -> [(&'static str, &mut dyn Section); 12] {
        [
            ("", &mut self.server),
            ("limits", &mut self.limits),
            ("limits", &mut self.more_limits),
            ("heartbeat", &mut self.heartbeat),
            ("auth", &mut self.auth),
            ("origins", &mut self.origins),
            ("capacity", &mut self.capacity),
            ("recovery", &mut self.recovery),
            ("drain", &mut self.drain),
            ("log", &mut self.log),
            ("record", &mut self.record),
            ("dashboard", &mut self.dashboard),
        ]
    }

    /// Returns every key outside the room classes, with its table.
    fn keys(&mut self) -> Vec<(&'static str, Key<'_>)> {
        let sections = self.sections().into_iter();
        sections
            .flat_map(|(table, section)| section.keys().into_iter().map(move |key| (table, key)))
            .collect()
    }

    /// Returns the keys of one table.
    fn table(&mut self, name: &str) -> Vec<Key<'_>> {
        let keys = self.keys().into_iter().filter(|(table, _)| *table == name);
        keys.map(|(_, key)| key).collect()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: Server::default(),
            limits: Limits::default(),
            more_limits: MoreLimits::default(),
            heartbeat: Heartbeat::default(),
            auth: Auth::default(),
            origins: Origins::default(),
            capacity: Capacity::default(),
            recovery: Recovery::default(),
            drain: Drain::default(),
            log: Log::default(),
            record: Record::default(),
            dashboard: Dashboard::default(),
            rooms: BTreeMap::from([(String::new(), RoomClass::default())]),
            secret: None,
        }
    }
}

/// Prints the whole configuration as TOML, with the secret redacted.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut config, mut last) = (self.clone(), "");
        for (table, key) in config.keys() {
            if table != last {
                writeln!(f, "\n[{table}]")?;
                last = table;
            }
            writeln!(f, "{} = {}", key.name, key.value.show())?;
        }
        for (prefix, mut class) in self.rooms.clone() {
            writeln!(f, "\n[rooms.{}]", quoted(&prefix))?;
            for key in class.keys() {
                writeln!(f, "{} = {}", key.name, key.value.show())?;
            }
        }
        Ok(())
    }
}

/// Quotes a key as a basic TOML string, the only kind that can hold any text.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted += &format!("\\u{:04X}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
