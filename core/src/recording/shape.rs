//! Values whose shape in bytes is not that of their type.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::hash::Hash;

use hashbrown::HashMap;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::close::Rejection;
use crate::message::Payload;
use crate::name::NameError;
use crate::random::Keyed;

/// What people said: texts that are left out where payloads are.
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

/// A name, checked as it was when it came in.
pub(crate) fn name<'de, T, D>(newtype: &'static str, deserializer: D) -> Result<T, D::Error>
where
    T: for<'t> TryFrom<&'t str, Error = NameError>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_newtype_struct(newtype, Texts(|text: &str| T::try_from(text)))
}

/// A text that people said.
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
struct Said<T>(
    #[serde(with = "said", bound(serialize = "T: AsRef<str>", deserialize = "T: From<String>"))] T,
);

/// A client's answer: a payload, or its own code and words.
pub(crate) mod reply {
    use super::*;

    type Reply = Result<Payload, (String, String)>;

    pub(crate) fn serialize<S: Serializer>(reply: &Reply, s: S) -> Result<S::Ok, S::Error> {
        let reply = reply.as_ref().map_err(|(code, words)| (Said(code), Said(words)));
        reply.serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Reply, D::Error> {
        let reply = Result::<Payload, (Said<String>, Said<String>)>::deserialize(d)?;
        Ok(reply.map_err(|(code, words)| (code.0, words.0)))
    }
}

/// One of [`Rejection::NAMES`].
pub(crate) mod capacity {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(name: &&'static str, s: S) -> Result<S::Ok, S::Error> {
        name.serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<&'static str, D::Error> {
        let name = String::deserialize(d)?;
        let known = Rejection::NAMES.into_iter().find(|known| *known == name);
        known.ok_or_else(|| D::Error::custom("no name of a rejection"))
    }
}

/// A hash map with its key. The entries are sorted, so that the order of a hash map shows nowhere.
pub(crate) mod keyed {
    use super::*;

    struct Sorted<'a, K, V>(&'a HashMap<K, V, Keyed>);

    impl<K: Serialize + Ord, V: Serialize> Serialize for Sorted<'_, K, V> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut entries: Vec<(&K, &V)> = self.0.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            (self.0.hasher(), entries).serialize(serializer)
        }
    }

    pub(crate) fn serialize<K: Serialize + Ord, V: Serialize, S: Serializer>(
        map: &HashMap<K, V, Keyed>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        Sorted(map).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, K, V, D>(d: D) -> Result<HashMap<K, V, Keyed>, D::Error>
    where
        K: Deserialize<'de> + Eq + Hash,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        let (keyed, entries) = <(Keyed, Vec<(K, V)>)>::deserialize(d)?;
        let mut map = HashMap::with_capacity_and_hasher(entries.len(), keyed);
        map.extend(entries);
        Ok(map)
    }

    /// The same where there may be none.
    pub(crate) mod maybe {
        use super::*;

        type Maybe<K, V> = Option<Box<HashMap<K, V, Keyed>>>;

        pub(crate) fn serialize<K: Serialize + Ord, V: Serialize, S: Serializer>(
            map: &Maybe<K, V>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            map.as_deref().map(Sorted).serialize(serializer)
        }

        #[derive(Deserialize)]
        #[serde(bound(deserialize = "K: Deserialize<'de> + Eq + Hash, V: Deserialize<'de>"))]
        struct Read<K, V>(#[serde(with = "super")] HashMap<K, V, Keyed>);

        pub(crate) fn deserialize<'de, K, V, D>(d: D) -> Result<Maybe<K, V>, D::Error>
        where
            K: Deserialize<'de> + Eq + Hash,
            V: Deserialize<'de>,
            D: Deserializer<'de>,
        {
            Ok(Option::<Read<K, V>>::deserialize(d)?.map(|read| Box::new(read.0)))
        }
    }
}
