//! How one value is read from a file, a variable or a flag, and written back.
//!
//! `section!` declares a table of keys once: name, type, default and documentation. Loading, the
//! environment variables, the list of valid names in an error, and `check-config`'s output all
//! follow from that declaration.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::duration;
use super::problem::nearest;

/// A value as it was found.
pub(crate) enum Raw<'a> {
    /// From a variable or a flag: always text.
    Text(&'a str),
    Toml(&'a DeValue<'a>),
}

/// A type that a key can have. `read` fails with what would have been right.
pub(crate) trait Setting: Sized {
    fn read(raw: &Raw<'_>) -> Result<Self, String>;
    fn show(&self) -> toml::Value;
}

/// One table of the configuration.
pub(crate) trait Section {
    fn keys(&self) -> &'static [&'static str];
    /// `None` when there is no such key.
    fn set(&mut self, key: &str, raw: &Raw<'_>) -> Option<Result<(), String>>;
    fn show(&self) -> Vec<(&'static str, toml::Value)>;
}

/// Declares a table: a struct with its defaults, and its `Section`.
macro_rules! section {
    ($(#[$about:meta])* $name:ident {
        $($(#[$key_about:meta])* $key:ident: $kind:ty = $default:expr,)*
    }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) struct $name {
            $($(#[$key_about])* pub(crate) $key: $kind,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }

        impl Section for $name {
            fn keys(&self) -> &'static [&'static str] {
                &[$(stringify!($key)),*]
            }

            fn set(&mut self, key: &str, raw: &Raw<'_>) -> Option<Result<(), String>> {
                match key {
                    $(stringify!($key) => Some(Setting::read(raw).map(|value| self.$key = value)),)*
                    _ => None,
                }
            }

            fn show(&self) -> Vec<(&'static str, toml::Value)> {
                vec![$((stringify!($key), self.$key.show())),*]
            }
        }
    };
}

/// Declares an enum and the names its values have in the file.
macro_rules! choice {
    ($(#[$about:meta])* $name:ident { $($(#[$value_about:meta])* $value:ident = $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$value_about])* $value,)* }

        impl Setting for $name {
            fn read(raw: &Raw<'_>) -> Result<Self, String> {
                let text = raw.text();
                match text {
                    $(Some($text) => Ok(Self::$value),)*
                    _ => Err($crate::config::setting::one_of(text, &[$($text),*])),
                }
            }

            fn show(&self) -> toml::Value {
                match self { $(Self::$value => $text,)* }.into()
            }
        }
    };
}

pub(crate) use {choice, section};

/// The error text of a `choice!`.
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

/// A number of which 0 means that there is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit(pub(crate) usize);

impl Limit {
    /// The limit, or `None` when it is switched off.
    pub(crate) fn get(self) -> Option<usize> {
        (self.0 > 0).then_some(self.0)
    }
}

impl Setting for Limit {
    fn read(raw: &Raw<'_>) -> Result<Self, String> {
        match raw {
            Raw::Text(text) => text.parse().ok(),
            Raw::Toml(value) => value
                .as_integer()
                .and_then(|number| usize::from_str_radix(number.as_str(), number.radix()).ok()),
        }
        // What is shown is a TOML integer, so nothing beyond its range is taken either.
        .filter(|number| i64::try_from(*number).is_ok())
        .map(Self)
        .ok_or_else(|| "expected a whole number, 0 or more".to_owned())
    }

    fn show(&self) -> toml::Value {
        toml::Value::Integer(i64::try_from(self.0).unwrap_or(i64::MAX))
    }
}

impl Setting for usize {
    fn read(raw: &Raw<'_>) -> Result<Self, String> {
        Limit::read(raw).map(|Limit(number)| number)
    }

    fn show(&self) -> toml::Value {
        Limit(*self).show()
    }
}

impl Setting for bool {
    fn read(raw: &Raw<'_>) -> Result<Self, String> {
        match raw {
            Raw::Text(text) => text.parse().ok(),
            Raw::Toml(value) => value.as_bool(),
        }
        .ok_or_else(|| "expected true or false".to_owned())
    }

    fn show(&self) -> toml::Value {
        (*self).into()
    }
}

impl Setting for String {
    fn read(raw: &Raw<'_>) -> Result<Self, String> {
        raw.text().map(str::to_owned).ok_or_else(|| "expected text in quotes".to_owned())
    }

    fn show(&self) -> toml::Value {
        self.as_str().into()
    }
}

impl Setting for PathBuf {
    fn read(raw: &Raw<'_>) -> Result<Self, String> {
        String::read(raw).map(Self::from)
    }

    fn show(&self) -> toml::Value {
        self.to_string_lossy().into_owned().into()
    }
}

impl Setting for Duration {
    fn read(raw: &Raw<'_>) -> Result<Self, String> {
        match raw {
            Raw::Text(text) => duration::parse(text),
            Raw::Toml(DeValue::String(text)) => duration::parse(text),
            Raw::Toml(value) => {
                let integer = value.as_integer().filter(|number| number.radix() == 10);
                let number = integer.map(|number| number.as_str());
                let number = number.or_else(|| value.as_float().map(|number| number.as_str()));
                let seconds = number.and_then(|number| number.parse().ok());
                seconds.map_or_else(|| Err(duration::EXPECTED.to_owned()), duration::from_seconds)
            }
        }
    }

    fn show(&self) -> toml::Value {
        duration::format(*self).into()
    }
}

/// Empty text is the same as leaving the key out, so that a variable can unset what a file sets.
impl<T: Setting> Setting for Option<T> {
    fn read(raw: &Raw<'_>) -> Result<Self, String> {
        if raw.text() == Some("") { Ok(None) } else { T::read(raw).map(Some) }
    }

    fn show(&self) -> toml::Value {
        self.as_ref().map_or_else(|| "".into(), T::show)
    }
}

/// In a variable, the entries are separated by commas.
impl Setting for Vec<String> {
    fn read(raw: &Raw<'_>) -> Result<Self, String> {
        match raw {
            Raw::Text(text) => {
                let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
                Ok(entries.map(str::to_owned).collect())
            }
            Raw::Toml(value) => value
                .as_array()
                .and_then(|list| {
                    list.iter().map(|e| e.get_ref().as_str().map(str::to_owned)).collect()
                })
                .ok_or_else(|| r#"expected a list of texts, such as ["a", "b"]"#.to_owned()),
        }
    }

    fn show(&self) -> toml::Value {
        self.clone().into()
    }
}

/// A text that is never printed, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
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
    fn read(raw: &Raw<'_>) -> Result<Self, String> {
        String::read(raw).map(Self)
    }

    fn show(&self) -> toml::Value {
        "<redacted>".into()
    }
}
