//! How names and texts are recorded: under names that the recorder assigns.

use alloc::string::String;
use core::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::name::NameError;

/// Texts that people wrote: recordings without payloads omit them.
pub(crate) const SAID: &str = "Said";

struct Texts<F>(F);

impl<'de, T, F: FnOnce(&str) -> Result<T, NameError>> Visitor<'de> for Texts<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, text: D) -> Result<T, D::Error> {
        text.deserialize_str(self)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}

/// A name, validated as on input.
pub(crate) fn name<'de, T, D>(newtype: &'static str, deserializer: D) -> Result<T, D::Error>
where
    T: for<'t> TryFrom<&'t str, Error = NameError>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_newtype_struct(newtype, Texts(|text: &str| T::try_from(text)))
}

/// A text that people wrote.
pub(crate) mod said {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        text: &impl AsRef<str>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(SAID, text.as_ref())
    }

    pub(crate) fn deserialize<'de, T: From<String>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        let text = Texts(|text: &str| Ok(T::from(text.into())));
        deserializer.deserialize_newtype_struct(SAID, text)
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Said<T>(
    #[serde(with = "said", bound(serialize = "T: AsRef<str>", deserialize = "T: From<String>"))]
    pub(super) T,
);
