//! Layers the sources and remembers which one set each key, so that every error can point at its
//! cause.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use switchboard_core::RoomClass;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{File, Place, Problems, nearest};
use super::setting::{Key, Raw, Secret, Section};
use super::{Config, check};

/// The prefix of our variables.
const PREFIX: &str = "SWITCHBOARD_";

/// Variables with the prefix that are not keys: the flag `--config`, and the program's path for the
/// load tests.
const NOT_KEYS: [&str; 2] = ["SWITCHBOARD_CONFIG", "SWITCHBOARD_BIN"];

/// A value from the command line, which overrides all other sources.
pub(crate) struct Override {
    /// Its name in errors, such as `--listen`.
    pub(crate) name: &'static str,
    pub(crate) section: &'static str,
    pub(crate) key: &'static str,
    pub(crate) value: String,
}

impl Override {
    /// The flag `--allow-anonymous`.
    pub(crate) fn allow_anonymous() -> Self {
        let value = "true".to_owned();
        Self { name: "--allow-anonymous", section: "", key: "allow_anonymous", value }
    }
}

impl Config {
    /// Loads the file, if there is one, and applies variables and flags to it.
    ///
    /// # Errors
    /// Returns all problems at once. Rules between keys are checked only when each key is valid by
    /// itself.
    pub(crate) fn load(
        path: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        overrides: &[Override],
    ) -> Result<Self, Problems> {
        let name = path.map_or_else(String::new, |path| path.display().to_string());
        let text = match path.map(fs::read_to_string) {
            Some(Ok(text)) => text,
            Some(Err(error)) => {
                return Err(Problems::one(format!("{name}: cannot be read: {error}")));
            }
            None => String::new(),
        };
        Self::from_text(&name, &text, environment, overrides)
    }

    /// Like `load`, for text that has already been read.
    pub(crate) fn from_text(
        name: &str,
        text: &str,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        overrides: &[Override],
    ) -> Result<Self, Problems> {
        let mut config = Self::default();
        let mut notes = Notes {
            file: File { name, text },
            catalogue: config.keys().into_iter().map(|(table, key)| (table, key.name)).collect(),
            origins: BTreeMap::new(),
            problems: Problems::default(),
        };
        let table = match DeTable::parse(text) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                let place = notes.file.broken_at(error.span().unwrap_or_default());
                notes.problems.add(&notes.file, &place, error.message());
                DeTable::new()
            }
        };
        config.read_file(&table, &mut notes);
        config.read_environment(environment, &mut notes);
        for Override { name, section, key, value } in overrides {
            config.set(section, key, value, name, &mut notes);
        }
        config.read_rooms(&table, &mut notes);
        if notes.problems.is_empty() {
            config.read_secret(&mut notes);
        }
        if notes.problems.is_empty() {
            check::check(&config, &mut |keys, what| notes.blame(keys, what));
        }
        if notes.problems.is_empty() { Ok(config) } else { Err(notes.problems) }
    }

    /// Reads the file except for the room classes.
    fn read_file(&mut self, table: &DeTable<'_>, notes: &mut Notes<'_>) {
        for (key, value) in table.iter().filter(|(key, _)| key.get_ref() != "rooms") {
            let name = key.get_ref().as_ref();
            let is_known = notes.tables().contains(&name);
            match value.get_ref().as_table() {
                Some(table) if is_known => {
                    for (key, value) in table {
                        notes.set_from_file(name, self.table(name), key, value);
                    }
                }
                Some(_) => notes.unknown_table(key),
                None if is_known => {
                    let what = format!("`{name}` is a table: write [{name}] and its keys below");
                    notes.add(&file_place(key, false), &what);
                }
                None => notes.set_from_file("", self.table(""), key, value),
            }
        }
    }

    fn read_environment(
        &mut self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        notes: &mut Notes<'_>,
    ) {
        let mut variables: Vec<_> = environment.into_iter().collect();
        variables.sort();
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
                continue;
            };
            let Some(value) = value.to_str() else {
                notes.add(&Place::Named(name.to_owned()), "the value is not valid UTF-8");
                continue;
            };
            if NOT_KEYS.contains(&name) || is_service_link(name, value) {
                continue;
            }
            let found = notes.catalogue.iter().find(|(table, key)| variable(table, key) == name);
            match found.copied() {
                Some((table, key)) => self.set(table, key, value, name, notes),
                None => notes.unknown_variable(name),
            }
        }
    }

    /// Sets a key from text; `name` says where it came from.
    fn set(&mut self, section: &str, key: &str, value: &str, name: &str, notes: &mut Notes<'_>) {
        let place = Place::Named(name.to_owned());
        let found = self.table(section).into_iter().find(|found| found.name == key);
        match found.map(|mut key| key.value.set(&Raw::Text(value))) {
            Some(Ok(())) => {
                notes.origins.insert(path(section, key), place);
            }
            Some(Err(expected)) => notes.add(&place, &format!("wrong value {value:?}: {expected}")),
            None => notes.add(&place, &format!("sets {}, which is not a key", path(section, key))),
        }
    }

    /// Reads the room classes. Must run last, because they inherit from all other sources.
    fn read_rooms(&mut self, table: &DeTable<'_>, notes: &mut Notes<'_>) {
        let max_members = self.more_limits.max_per_room;
        let mut base = RoomClass { max_members, ..RoomClass::default() };
        let Some((key, value)) = table.get_key_value("rooms") else {
            self.rooms.insert(String::new(), base);
            return;
        };
        let Some(classes) = value.get_ref().as_table() else {
            notes.add(&file_place(key, false), "`rooms` is a table: write [rooms.\"prefix:\"]");
            return;
        };
        // In order, so that "" is first and `base` is complete before another class copies it.
        for (prefix, class) in classes {
            let name = prefix.get_ref().as_ref();
            let Some(keys) = class.get_ref().as_table() else {
                let what = format!(
                    "`{name}` is not a room class: write [rooms.\"\"] for every room, or \
                     [rooms.\"prefix:\"] for those whose name starts so"
                );
                notes.add(&file_place(prefix, false), &what);
                continue;
            };
            let mut class = base.clone();
            for (key, value) in keys {
                notes.set_from_file(
                    &format!("rooms.{}", super::quoted(name)),
                    class.keys(),
                    key,
                    value,
                );
            }
            if name.is_empty() {
                base = class.clone();
            }
            self.rooms.insert(name.to_owned(), class);
        }
        self.rooms.insert(String::new(), base);
    }

    fn read_secret(&mut self, notes: &mut Notes<'_>) {
        self.secret = match (&self.auth.hs256_secret, &self.auth.hs256_secret_file) {
            (Some(_), Some(_)) => {
                let what = "auth.hs256_secret and auth.hs256_secret_file are both set: keep one";
                notes.blame(&["auth.hs256_secret_file"], what);
                None
            }
            (Some(secret), None) => Some(secret.clone()),
            (None, Some(file)) => match fs::read_to_string(file) {
                // Editors end a file with a newline that is not meant to be part of the key.
                Ok(text) => Some(Secret(text.trim_end_matches(['\r', '\n']).to_owned())),
                Err(error) => {
                    let what = format!("{} cannot be read: {error}", file.display());
                    notes.blame(&["auth.hs256_secret_file"], &what);
                    None
                }
            },
            (None, None) => None,
        };
    }
}

/// State while loading.
struct Notes<'a> {
    file: File<'a>,
    /// Every key outside the room classes, with its table.
    catalogue: Vec<(&'static str, &'static str)>,
    /// What set each key, by `table.key`.
    origins: BTreeMap<String, Place>,
    problems: Problems,
}

impl Notes<'_> {
    fn add(&mut self, place: &Place, what: &str) {
        self.problems.add(&self.file, place, what);
    }

    /// Reports a problem between keys at the first one that was set explicitly.
    fn blame(&mut self, keys: &[&str], what: &str) {
        let origin = keys.iter().find_map(|key| self.origins.get(*key)).cloned();
        self.add(&origin.unwrap_or(Place::Nowhere), what);
    }

    /// Returns the names of the tables.
    fn tables(&self) -> Vec<&'static str> {
        let mut tables: Vec<_> = self.catalogue.iter().map(|(table, _)| *table).collect();
        tables.dedup();
        tables.retain(|table| !table.is_empty());
        tables
    }

    fn set_from_file(
        &mut self,
        name: &str,
        mut keys: Vec<Key<'_>>,
        key: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let key_name = key.get_ref().as_ref();
        let found = keys.iter_mut().find(|key| key.name == key_name);
        match found.map(|key| key.value.set(&Raw::Toml(value.get_ref()))) {
            Some(Ok(())) => {
                let hidden = path(name, key_name) == "auth.hs256_secret";
                self.origins.insert(path(name, key_name), file_place(value, hidden));
            }
            Some(Err(expected)) => {
                let what = format!("wrong value for `{key_name}`: {expected}");
                self.add(&file_place(value, false), &what);
            }
            None => {
                let names: Vec<_> = keys.iter().map(|key| key.name).collect();
                self.unknown_key(name, &names, key);
            }
        }
    }

    fn unknown_key(
        &mut self,
        section: &str,
        keys: &[&'static str],
        key: &Spanned<impl AsRef<str>>,
    ) {
        let word = key.get_ref().as_ref();
        let place = if section.is_empty() { String::new() } else { format!(" in [{section}]") };
        let elsewhere = self.catalogue.iter().find(|(_, key)| *key == word);
        let advice = match elsewhere.map(|(table, _)| *table) {
            Some("") => "; it belongs at the top of the file, above all tables".to_owned(),
            Some(table) => format!("; it belongs in [{table}]"),
            None => match nearest(word, keys.iter().copied()) {
                Some(name) => format!("; did you mean `{name}`?"),
                None => format!("; the keys here are {}", keys.join(", ")),
            },
        };
        // A misspelled `hs256_secret` still holds a secret.
        let hidden = section == "auth";
        self.add(&file_place(key, hidden), &format!("unknown key `{word}`{place}{advice}"));
    }

    fn unknown_table(&mut self, key: &Spanned<impl AsRef<str>>) {
        let word = key.get_ref().as_ref();
        let mut tables = self.tables();
        tables.push("rooms");
        let advice = match nearest(word, tables.iter().copied()) {
            Some(name) => format!("did you mean [{name}]?"),
            None => format!("the tables are {}", tables.join(", ")),
        };
        self.add(&file_place(key, false), &format!("unknown table [{word}]; {advice}"));
    }

    fn unknown_variable(&mut self, name: &str) {
        let place = Place::Named(name.to_owned());
        let word = name.trim_start_matches(PREFIX);
        if word.starts_with("ROOMS_") {
            self.add(&place, "room classes can only be set in the file, as [rooms.\"prefix:\"]");
            return;
        }
        let variables: Vec<_> =
            self.catalogue.iter().map(|(table, key)| variable(table, key)).collect();
        let words = variables.iter().map(|variable| variable.trim_start_matches(PREFIX));
        let advice = match nearest(word, words) {
            Some(word) => format!("did you mean {PREFIX}{word}?"),
            None => "variables are called SWITCHBOARD_TABLE_KEY, such as \
                     SWITCHBOARD_LIMITS_MAX_CONNECTIONS"
                .to_owned(),
        };
        self.add(&place, &format!("unknown variable; {advice}"));
    }
}

fn file_place<T>(part: &Spanned<T>, hidden: bool) -> Place {
    Place::File { span: part.span(), hidden }
}

/// Returns the name under which errors mention a key.
fn path(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// Returns the variable that sets a key.
fn variable(section: &str, key: &str) -> String {
    format!("{PREFIX}{}", path(section, key).replace('.', "_").to_uppercase())
}

/// Returns whether a variable comes from Kubernetes or a Docker link: these describe a service
/// called `switchboard` to a container in variables with our prefix, which is not a mistake.
fn is_service_link(name: &str, value: &str) -> bool {
    let word = name.trim_start_matches(PREFIX);
    word.starts_with("SERVICE_")
        || word.starts_with("PORT_")
        || (word == "PORT" && (value.starts_with("tcp://") || value.starts_with("udp://")))
}
