//! Reading one value from a file, a variable or a flag, and printing it.
//!
//! A table's keys are declared once, by `section!` here or by `settings!` in the core: name, type,
//! default and text. Loading, the environment variables, the list of valid names in an error,
//! `check-config`'s output, `switchboard.example.toml` and the README's table follow from that.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use switchboard_core::{Limit, Settings, Value};
use toml::de::DeValue;

use super::duration;
use super::problem::nearest;

/// A value as found in its source.
pub(crate) enum Raw<'a> {
    /// From a variable or a flag, which are always text.
    Text(&'a str),
    Toml(&'a DeValue<'a>),
}

/// The type of a key's value.
pub(crate) trait Setting {
    /// Stores the value. Fails with a description of what was expected.
    fn set(&mut self, raw: &Raw<'_>) -> Result<(), String>;

    fn show(&self) -> toml::Value;

    /// Returns the valid texts, if the value is one of a fixed set.
    fn choices(&self) -> &'static [&'static str] {
        &[]
    }
}

/// One key of a table.
pub(crate) struct Key<'a> {
    pub(crate) name: &'static str,
    pub(crate) text: String,
    pub(crate) value: Box<dyn Setting + 'a>,
}

/// One table of the configuration.
pub(crate) trait Section {
    fn keys(&mut self) -> Vec<Key<'_>>;
}

/// The tables declared in the core.
impl<T: Settings> Section for T {
    fn keys(&mut self) -> Vec<Key<'_>> {
        let settings = self.settings().into_iter();
        settings
            .map(|setting| Key {
                name: setting.name,
                text: setting.text,
                value: Box::new(setting.value),
            })
            .collect()
    }
}

/// Declares a table: a struct with its defaults, and its `Section`.
macro_rules! section {
    ($(#[$about:meta])* $name:ident {
        $($(#[doc = $text:literal])* $key:ident: $kind:ty = $default:expr,)*
    }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) struct $name {
            $($(#[doc = $text])* pub(crate) $key: $kind,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }

        impl Section for $name {
            fn keys(&mut self) -> Vec<Key<'_>> {
                vec![$(Key {
                    name: stringify!($key),
                    text: [$($text.trim()),*].join(" "),
                    value: Box::new(&mut self.$key),
                }),*]
            }
        }
    };
}

/// Declares an enum and the names of its values in the file.
macro_rules! choice {
    ($(#[$about:meta])* $name:ident { $($(#[$value_about:meta])* $value:ident = $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$value_about])* $value,)* }

        impl Setting for $name {
            fn set(&mut self, raw: &Raw<'_>) -> Result<(), String> {
                *self = match raw.text() {
                    $(Some($text) => Self::$value,)*
                    text => return Err($crate::config::setting::one_of(text, self.choices())),
                };
                Ok(())
            }

            fn show(&self) -> toml::Value {
                match self { $(Self::$value => $text,)* }.into()
            }

            fn choices(&self) -> &'static [&'static str] {
                &[$($text),*]
            }
        }
    };
}

pub(crate) use {choice, section};

/// Returns the error text for an unknown choice.
pub(crate) fn one_of(found: Option<&str>, allowed: &[&'static str]) -> String {
    let list: Vec<_> = allowed.iter().map(|name| format!("{name:?}")).collect();
    let expected = format!("expected {}", list.join(" or "));
    match found.and_then(|found| nearest(found, allowed.iter().copied())) {
        Some(name) => format!("{expected}; did you mean {name:?}?"),
        None => expected,
    }
}

impl Raw<'_> {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Toml(value) => value.as_str(),
        }
    }
}

/// A whole number, 0 or more.
fn number(raw: &Raw<'_>) -> Result<usize, String> {
    match raw {
        Raw::Text(text) => text.parse().ok(),
        Raw::Toml(value) => value
            .as_integer()
            .and_then(|number| usize::from_str_radix(number.as_str(), number.radix()).ok()),
    }
    // Values are shown as TOML integers, so anything beyond their range is rejected.
    .filter(|number| i64::try_from(*number).is_ok())
    .ok_or_else(|| "expected a whole number, 0 or more".to_owned())
}

fn clamp(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn integer(number: usize) -> toml::Value {
    toml::Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A bound; 0 in the file switches it off.
impl Setting for Value<'_> {
    fn set(&mut self, raw: &Raw<'_>) -> Result<(), String> {
        match self {
            Self::Flag(flag) => return flag.set(raw),
            Self::Duration(duration) => return duration.set(raw),
            Self::Limit(limit) => return limit.set(raw),
            Self::Count(count) => return count.set(raw),
            Self::Number(count) => **count = clamp(number(raw)?),
            Self::Automatic(count) => {
                **count = if raw.text() == Some("") { None } else { Some(clamp(number(raw)?)) };
            }
            Self::Bound(bound) => {
                **bound = Some(number(raw)?).filter(|n| *n > 0).unwrap_or(usize::MAX)
            }
            Self::Strikes(bound) => {
                **bound = Some(number(raw)?).filter(|n| *n > 0).map_or(u32::MAX, clamp);
            }
            Self::Choice(choice) => {
                let text = raw.text();
                if !text.is_some_and(|text| choice.choose(text)) {
                    return Err(one_of(text, choice.names()));
                }
            }
        }
        Ok(())
    }

    fn show(&self) -> toml::Value {
        match self {
            Self::Flag(flag) => flag.show(),
            Self::Duration(duration) => duration.show(),
            Self::Limit(limit) => limit.show(),
            Self::Count(count) => count.show(),
            Self::Number(count) => integer(**count as usize),
            Self::Automatic(None) => "".into(),
            Self::Automatic(Some(count)) => integer(*count as usize),
            Self::Bound(bound) => integer(if **bound == usize::MAX { 0 } else { **bound }),
            Self::Strikes(bound) => integer(if **bound == u32::MAX { 0 } else { **bound as usize }),
            Self::Choice(choice) => choice.name().into(),
        }
    }

    fn choices(&self) -> &'static [&'static str] {
        if let Self::Choice(choice) = self { choice.names() } else { &[] }
    }
}

impl<T: Setting> Setting for &mut T {
    fn set(&mut self, raw: &Raw<'_>) -> Result<(), String> {
        (**self).set(raw)
    }

    fn show(&self) -> toml::Value {
        (**self).show()
    }

    fn choices(&self) -> &'static [&'static str] {
        (**self).choices()
    }
}

impl Setting for Limit {
    fn set(&mut self, raw: &Raw<'_>) -> Result<(), String> {
        number(raw).map(|number| *self = Self::zero_is_none(clamp(number)))
    }

    fn show(&self) -> toml::Value {
        integer(self.get().unwrap_or(0) as usize)
    }
}

impl Setting for usize {
    fn set(&mut self, raw: &Raw<'_>) -> Result<(), String> {
        number(raw).map(|number| *self = number)
    }

    fn show(&self) -> toml::Value {
        integer(*self)
    }
}

impl Setting for bool {
    fn set(&mut self, raw: &Raw<'_>) -> Result<(), String> {
        *self = match raw {
            Raw::Text(text) => text.parse().ok(),
            Raw::Toml(value) => value.as_bool(),
        }
        .ok_or_else(|| "expected true or false".to_owned())?;
        Ok(())
    }

    fn show(&self) -> toml::Value {
        (*self).into()
    }
}

impl Setting for String {
    fn set(&mut self, raw: &Raw<'_>) -> Result<(), String> {
        let text = raw.text().ok_or_else(|| "expected text in quotes".to_owned())?;
        text.clone_into(self);
        Ok(())
    }

    fn show(&self) -> toml::Value {
        self.as_str().into()
    }
}

impl Setting for PathBuf {
    fn set(&mut self, raw: &Raw<'_>) -> Result<(), String> {
        let mut path = String::new();
        path.set(raw)?;
        *self = path.into();
        Ok(())
    }

    fn show(&self) -> toml::Value {
        self.to_string_lossy().into_owned().into()
    }
}

impl Setting for Duration {
    fn set(&mut self, raw: &Raw<'_>) -> Result<(), String> {
        *self = match raw {
            Raw::Text(text) => duration::parse(text),
            Raw::Toml(DeValue::String(text)) => duration::parse(text),
            Raw::Toml(value) => {
                let integer = value.as_integer().filter(|number| number.radix() == 10);
                let number = integer.map(|number| number.as_str());
                let number = number.or_else(|| value.as_float().map(|number| number.as_str()));
                let seconds = number.and_then(|number| number.parse().ok());
                seconds.map_or_else(|| Err(duration::EXPECTED.to_owned()), duration::from_seconds)
            }
        }?;
        Ok(())
    }

    fn show(&self) -> toml::Value {
        duration::format(*self).into()
    }
}

/// Empty text is the same as leaving the key out, so that a variable can unset a key of the file.
impl<T: Setting + Default> Setting for Option<T> {
    fn set(&mut self, raw: &Raw<'_>) -> Result<(), String> {
        *self = if raw.text() == Some("") {
            None
        } else {
            let mut value = T::default();
            value.set(raw)?;
            Some(value)
        };
        Ok(())
    }

    fn show(&self) -> toml::Value {
        self.as_ref().map_or_else(|| "".into(), T::show)
    }
}

/// In a variable, entries are separated by commas.
impl Setting for Vec<String> {
    fn set(&mut self, raw: &Raw<'_>) -> Result<(), String> {
        *self = match raw {
            Raw::Text(text) => {
                let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
                entries.map(str::to_owned).collect()
            }
            Raw::Toml(value) => value
                .as_array()
                .and_then(|list| {
                    list.iter().map(|e| e.get_ref().as_str().map(str::to_owned)).collect()
                })
                .ok_or_else(|| r#"expected a list of texts, such as ["a", "b"]"#.to_owned())?,
        };
        Ok(())
    }

    fn show(&self) -> toml::Value {
        self.clone().into()
    }
}

/// A text that is never printed, not even by `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl Secret {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl Setting for Secret {
    fn set(&mut self, raw: &Raw<'_>) -> Result<(), String> {
        self.0.set(raw)
    }

    fn show(&self) -> toml::Value {
        "<redacted>".into()
    }
}
