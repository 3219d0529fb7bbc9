//! The configuration: defaults, then the file, then `SWITCHBOARD_*` variables, then flags.

mod check;
pub(crate) mod duration;
mod keys;
mod load;
mod problem;
mod setting;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

pub(crate) use keys::*;
pub(crate) use load::Override;
pub(crate) use problem::{Problems, nearest};
use setting::Section;
pub(crate) use setting::{Limit, Secret};

/// Everything that can be set, checked and complete.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) limits: Limits,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) auth: Auth,
    pub(crate) origins: Origins,
    pub(crate) capacity: Capacity,
    pub(crate) recovery: Recovery,
    pub(crate) drain: Drain,
    pub(crate) log: Log,
    pub(crate) record: Record,
    pub(crate) dashboard: Dashboard,
    /// Room classes by name prefix, complete: what a class leaves out is filled in. The prefix ""
    /// is always there.
    pub(crate) rooms: BTreeMap<String, RoomClass>,
    /// The key from `auth.hs256_secret` or from the file it names; always there in jwt mode.
    pub(crate) secret: Option<Secret>,
}

impl Config {
    /// The tables in the order in which they are documented; "" is the top of the file.
    fn sections(&mut self) -> [(&'static str, &mut dyn Section); 11] {
        [
            ("", &mut self.server),
            ("limits", &mut self.limits),
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
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: Server::default(),
            limits: Limits::default(),
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

/// The whole configuration as TOML, the secret left out.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, section) in self.clone().sections() {
            if !name.is_empty() {
                writeln!(f, "\n[{name}]")?;
            }
            write_keys(f, section)?;
        }
        for (prefix, class) in &self.rooms {
            writeln!(f, "\n[rooms.{}]", quoted(prefix))?;
            write_keys(f, class)?;
        }
        Ok(())
    }
}

fn write_keys(f: &mut fmt::Formatter<'_>, section: &dyn Section) -> fmt::Result {
    section.show().iter().try_for_each(|(key, value)| writeln!(f, "{key} = {value}"))
}

/// A basic TOML string, the only kind that can be a key whatever is in it.
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
