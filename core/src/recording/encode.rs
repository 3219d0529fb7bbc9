//! Encodes values: small numbers are short, names are written once, and payloads are kept or left
//! out.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::ser::{self, Serialize};

use crate::digest::Digests;

use super::names::Names;

/// What happens to payloads, and to texts from outside.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content<'a> {
    /// They are kept.
    Kept,
    /// A payload is replaced by its length and digest, a text by its length.
    Digested(&'a Digests),
}

/// The bytes are not valid, or the value cannot be encoded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Garbled {
    pub(super) what: String,
    /// The bytes are valid so far, but end too early.
    pub(super) is_short: bool,
}

impl Garbled {
    pub(super) fn new(what: &str) -> Self {
        Self { what: what.into(), is_short: false }
    }

    pub(super) fn short() -> Self {
        Self { what: "it ends too early".into(), is_short: true }
    }
}

impl fmt::Display for Garbled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl core::error::Error for Garbled {}

impl ser::Error for Garbled {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self { what: what.to_string(), is_short: false }
    }
}

/// What a string is, by the type around it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Text {
    #[default]
    Plain,
    /// A name that is likely to be repeated.
    Name,
    /// Text that a person wrote.
    Said,
}

impl Text {
    pub(super) fn of(newtype: &str) -> Self {
        match newtype {
            "RoomName" | "UserName" | "Kind" | "ConflationKey" => Self::Name,
            crate::protocol::text::SAID => Self::Said,
            _ => Self::Plain,
        }
    }
}

pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Writes consecutive values, without their types.
pub(super) struct Encoder<'a> {
    pub(super) out: &'a mut Vec<u8>,
    /// If absent, every name is written in full.
    pub(super) names: Option<&'a mut Names>,
    pub(super) content: Content<'a>,
    text: Text,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(
        out: &'a mut Vec<u8>,
        names: Option<&'a mut Names>,
        content: Content<'a>,
    ) -> Self {
        Self { out, names, content, text: Text::Plain }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        put(self.out, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    fn name(&mut self, name: &str) {
        match self.names.as_mut().map(|names| names.find_or_add(name)) {
            Some(Some(at)) => put(self.out, at as u64 + 1),
            Some(None) => {
                self.out.push(0);
                self.bytes(name.as_bytes());
            }
            None => self.bytes(name.as_bytes()),
        }
    }
}

type Done = Result<(), Garbled>;

fn unsupported<T>() -> Result<T, Garbled> {
    Err(Garbled::new("values of this type are not supported"))
}

/// Rejects kinds of values that no type here uses.
macro_rules! unsupported {
    ($($method:ident($kind:ty)),*) => { $(
        fn $method(self, _: $kind) -> Done {
            unsupported()
        }
    )* };
}

impl ser::Serializer for &mut Encoder<'_> {
    type Ok = ();
    type Error = Garbled;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    fn serialize_bool(self, v: bool) -> Done {
        self.out.push(v.into());
        Ok(())
    }

    fn serialize_u8(self, v: u8) -> Done {
        self.out.push(v);
        Ok(())
    }

    fn serialize_u16(self, v: u16) -> Done {
        self.serialize_u64(v.into())
    }

    fn serialize_u32(self, v: u32) -> Done {
        self.serialize_u64(v.into())
    }

    fn serialize_u64(self, v: u64) -> Done {
        put(self.out, v);
        Ok(())
    }

    unsupported!(
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_f32(f32),
        serialize_f64(f64),
        serialize_char(char)
    );

    fn serialize_str(self, v: &str) -> Done {
        match (core::mem::take(&mut self.text), self.content) {
            (Text::Name, _) => self.name(v),
            (Text::Said, Content::Digested(_)) => put(self.out, v.len() as u64),
            (Text::Plain | Text::Said, _) => self.bytes(v.as_bytes()),
        }
        Ok(())
    }

    fn serialize_bytes(self, v: &[u8]) -> Done {
        match self.content {
            Content::Kept => self.bytes(v),
            Content::Digested(digests) => {
                put(self.out, v.len() as u64);
                let digest = digests.of(v).to_le_bytes();
                self.out.extend_from_slice(&digest[..v.len().min(digest.len())]);
            }
        }
        Ok(())
    }

    fn serialize_none(self) -> Done {
        self.serialize_bool(false)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        self.out.push(1);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Done {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Done {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Done {
        self.serialize_u32(index)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Done {
        self.text = Text::of(name);
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Done {
        put(self.out, index.into());
        value.serialize(self)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self, Garbled> {
        let Some(len) = len else { return unsupported() };
        put(self.out, len as u64);
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Garbled> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Garbled> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Garbled> {
        put(self.out, index.into());
        Ok(self)
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self, Garbled> {
        self.serialize_seq(len)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Garbled> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Garbled> {
        put(self.out, index.into());
        Ok(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Writes only the parts, one after the other.
macro_rules! parts {
    ($($part:ident :: $method:ident ( $($name:ident)? )),*) => { $(
        impl ser::$part for &mut Encoder<'_> {
            type Ok = ();
            type Error = Garbled;

            fn $method<T: Serialize + ?Sized>(
                &mut self,
                $($name: &'static str,)?
                value: &T,
            ) -> Done {
                $(let _ = $name;)?
                value.serialize(&mut **self)
            }

            fn end(self) -> Done {
                Ok(())
            }
        }
    )* };
}

parts!(
    SerializeSeq::serialize_element(),
    SerializeTuple::serialize_element(),
    SerializeTupleStruct::serialize_field(),
    SerializeTupleVariant::serialize_field(),
    SerializeStruct::serialize_field(key),
    SerializeStructVariant::serialize_field(key)
);

impl ser::SerializeMap for &mut Encoder<'_> {
    type Ok = ();
    type Error = Garbled;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        value.serialize(&mut **self)
    }

    fn end(self) -> Done {
        Ok(())
    }
}
