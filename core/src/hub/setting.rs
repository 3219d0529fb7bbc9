//! Settings that can be listed: each has one name, one default and one text, from which a program
//! derives its keys, its environment variables and their documentation.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::hub::limit::Limit;

/// A struct of settings that can be listed, read and changed by name.
///
/// ```
/// use switchboard_core::{Limits, Settings, Value};
///
/// let mut limits = Limits::default();
/// let mut settings = limits.settings();
/// let burst = settings.iter_mut().find(|setting| setting.name == "message_burst").unwrap();
/// assert!(burst.text.starts_with("Messages that one connection may send: "));
/// if let Value::Number(burst) = &mut burst.value {
///     **burst = 10;
/// }
/// assert_eq!(limits.messages.burst, 10);
/// ```
pub trait Settings {
    /// Returns the settings that a program offers, in the order of their declaration. Those of a
    /// nested struct take the place of the field that holds it.
    fn settings(&mut self) -> Vec<Setting<'_>>;
}

/// A setting: its name, its documentation and its value.
#[derive(Debug)]
pub struct Setting<'a> {
    /// The name of the field, or of the key that stands for a field of a nested struct.
    pub name: &'static str,
    /// What it means, as one paragraph of plain text.
    pub text: String,
    /// Its value, to be read or changed.
    pub value: Value<'a>,
}

/// The value of a setting.
#[derive(Debug)]
pub enum Value<'a> {
    /// On or off.
    Flag(&'a mut bool),
    /// A bound; [`Limit::NONE`] switches it off.
    Limit(&'a mut Limit),
    /// A bound; `usize::MAX` switches it off.
    Bound(&'a mut usize),
    /// A bound; `u32::MAX` switches it off.
    Strikes(&'a mut u32),
    /// A number; if 0 is special, the text says so.
    Count(&'a mut usize),
    /// A number; if 0 is special, the text says so.
    Number(&'a mut u32),
    /// A number that follows from others if it is left out.
    Automatic(&'a mut Option<u32>),
    /// A time span.
    Duration(&'a mut Duration),
    /// One of several names.
    Choice(&'a mut dyn Choice),
}

/// An enum whose values have names in a configuration file.
pub trait Choice: core::fmt::Debug {
    /// The names of all values.
    fn names(&self) -> &'static [&'static str];

    /// The name of this value.
    fn name(&self) -> &'static str;

    /// Changes to the value with this name. Returns whether there is one.
    fn choose(&mut self, name: &str) -> bool;
}

macro_rules! value_from {
    ($($type:ty => $kind:ident),*) => {
        $(impl<'a> From<&'a mut $type> for Value<'a> {
            fn from(value: &'a mut $type) -> Self {
                Self::$kind(value)
            }
        })*
    };
}

value_from!(bool => Flag, Limit => Limit, usize => Count, u32 => Number, Duration => Duration);

/// Makes the setting of one field, documented by these lines.
pub(crate) fn one<'a>(
    name: &'static str,
    lines: &[&str],
    value: impl Into<Value<'a>>,
) -> Vec<Setting<'a>> {
    alloc::vec![Setting { name, text: text(lines), value: value.into() }]
}

/// Makes the first settings of a field that is itself a struct of settings, under these names.
pub(crate) fn nested<'a>(
    names: &[&'static str],
    lines: &[&str],
    table: &'a mut dyn Settings,
) -> Vec<Setting<'a>> {
    let about = text(lines);
    let settings = names.iter().zip(table.settings()).map(|(name, setting)| Setting {
        name,
        text: alloc::format!("{}: {}", about.trim_end_matches('.'), setting.text),
        value: setting.value,
    });
    settings.collect()
}

fn text(lines: &[&str]) -> String {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    lines.join(" ")
}

/// Declares a struct of settings once: names, types, defaults and texts. After `=>` comes the
/// [`Value`] of a field whose type does not determine it, or `Nested` for a struct of settings,
/// with the names under which its first fields are offered, or `Library` for a field that only
/// users of the library set.
macro_rules! settings {
    ($(#[$about:meta])* pub struct $table:ident {
        $($(#[doc = $text:literal])* pub $name:ident: $type:ty = $default:expr
            $(=> $kind:ident $(($($key:literal),*))?)?;)*
    }) => {
        $(#[$about])*
        #[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
        pub struct $table {
            $($(#[doc = $text])* pub $name: $type,)*
        }

        impl Default for $table {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl $crate::hub::setting::Settings for $table {
            fn settings(&mut self) -> alloc::vec::Vec<$crate::hub::setting::Setting<'_>> {
                let fields = [$($crate::hub::setting::field!(
                    stringify!($name), &[$($text),*], self.$name $(, $kind $(($($key),*))?)?
                )),*];
                fields.into_iter().flatten().collect()
            }
        }
    };
}

macro_rules! field {
    ($name:expr, $text:expr, $field:expr, Library) => {
        alloc::vec::Vec::new()
    };
    ($name:expr, $text:expr, $field:expr, Nested($($key:literal),*)) => {
        $crate::hub::setting::nested(&[$($key),*], $text, &mut $field)
    };
    ($name:expr, $text:expr, $field:expr, $kind:ident) => {
        $crate::hub::setting::one($name, $text, $crate::hub::setting::Value::$kind(&mut $field))
    };
    ($name:expr, $text:expr, $field:expr) => {
        $crate::hub::setting::one($name, $text, &mut $field)
    };
}

/// Declares an enum and the names of its values in a configuration file.
macro_rules! choice {
    ($(#[$about:meta])* pub enum $choice:ident {
        $($(#[$value_about:meta])* $value:ident = $name:literal,)*
    }) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        #[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
        pub enum $choice { $($(#[$value_about])* $value,)* }

        impl $crate::hub::setting::Choice for $choice {
            fn names(&self) -> &'static [&'static str] {
                &[$($name),*]
            }

            fn name(&self) -> &'static str {
                match self { $(Self::$value => $name,)* }
            }

            fn choose(&mut self, name: &str) -> bool {
                match name {
                    $($name => *self = Self::$value,)*
                    _ => return false,
                }
                true
            }
        }
    };
}

pub(crate) use {choice, field, settings};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::class::{Publishers, RoomClass};
    use crate::hub::config::{Heartbeat, Limits, Recovery};

    #[test]
    fn every_setting_has_a_name_of_its_own_and_a_sentence() {
        for table in [
            &mut Limits::default() as &mut dyn Settings,
            &mut Heartbeat::default(),
            &mut Recovery::default(),
            &mut RoomClass::default(),
        ] {
            let mut names = alloc::collections::BTreeSet::new();
            for setting in table.settings() {
                assert!(setting.text.ends_with('.'), "{setting:?}");
                assert!(!setting.text.contains(['`', '[']), "rustdoc's marks in {setting:?}");
                assert!(names.insert(setting.name), "twice: {setting:?}");
            }
        }
    }

    #[test]
    fn nested_settings_stand_in_place_of_their_field() {
        let mut class = RoomClass::default();
        let names: Vec<_> = class.settings().into_iter().map(|setting| setting.name).collect();
        assert_eq!(names[names.len() - 3..], ["history_events", "history_age", "history_bytes"]);
        let mut limits = Limits::default();
        assert!(limits.settings().iter().any(|setting| setting.name == "bytes_per_second"));
    }

    #[test]
    fn a_choice_is_changed_by_name() {
        let mut publish = Publishers::default();
        assert!(publish.choose("server"));
        assert_eq!((publish, publish.name()), (Publishers::Server, "server"));
        assert!(!publish.choose("nobody"));
        assert_eq!(publish, Publishers::Server);
    }
}
