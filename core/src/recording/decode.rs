//! Decodes values, the inverse of [`encode`](super::encode).

use alloc::string::{String, ToString};
use core::fmt;

use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};

use crate::digest::{DIGEST_BYTES, stand_in};

use super::encode::{Garbled, Text};
use super::names::Names;

/// More than any message has. Forged bytes must not request more memory than there is.
const LARGEST: u64 = 1 << 28;

/// The total size of everything left out in one hub or event.
const LEFT_OUT: u64 = 1 << 32;

/// The most values for which memory is reserved at once, whatever number is claimed.
const HINT: usize = 1024;

impl de::Error for Garbled {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self { what: what.to_string(), is_short: false }
    }
}

/// Reads consecutive values.
pub(super) struct Decoder<'de, 'n> {
    pub(super) rest: &'de [u8],
    pub(super) names: Option<&'n mut Names>,
    /// Whether only digests are present.
    digested: bool,
    /// How many more bytes may be invented for what was left out.
    left_out: u64,
    text: Text,
}

impl<'de, 'n> Decoder<'de, 'n> {
    pub(super) fn new(rest: &'de [u8], names: Option<&'n mut Names>, digested: bool) -> Self {
        Self { rest, names, digested, left_out: LEFT_OUT, text: Text::Plain }
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'de [u8], Garbled> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(Garbled::short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Garbled> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn number(&mut self) -> Result<u64, Garbled> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Garbled::new("a number has too many bytes"))
    }

    fn small<T: TryFrom<u64>>(&mut self) -> Result<T, Garbled> {
        T::try_from(self.number()?).map_err(|_| Garbled::new("a number is too large"))
    }

    fn len(&mut self) -> Result<usize, Garbled> {
        match self.number()? {
            len @ ..=LARGEST => Ok(len as usize),
            _ => Err(Garbled::new("a length is too large")),
        }
    }

    /// Reads the length of something that was left out.
    fn len_left_out(&mut self) -> Result<usize, Garbled> {
        let len = self.len()?;
        let left = self.left_out.checked_sub(len as u64);
        self.left_out = left.ok_or_else(|| Garbled::new("too many bytes were left out"))?;
        Ok(len)
    }

    fn bytes(&mut self) -> Result<&'de [u8], Garbled> {
        let len = self.len()?;
        self.take(len)
    }

    fn str(&mut self) -> Result<&'de str, Garbled> {
        core::str::from_utf8(self.bytes()?).map_err(|_| Garbled::new("a text is not UTF-8"))
    }

    fn visit_name<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Garbled> {
        if self.names.is_none() {
            return visitor.visit_str(self.str()?);
        }
        match self.number()? {
            0 => {
                let name = self.str()?;
                if let Some(names) = &mut self.names {
                    names.find_or_add(name);
                }
                visitor.visit_str(name)
            }
            at => {
                let name = self.names.as_ref().and_then(|names| names.get(at as usize - 1));
                visitor.visit_str(name.ok_or_else(|| Garbled::new("unknown name"))?)
            }
        }
    }
}

fn unsupported<T>() -> Result<T, Garbled> {
    Err(Garbled::new("values of this type are not supported"))
}

/// Rejects kinds of values that no type here uses.
macro_rules! unsupported {
    ($($method:ident),*) => { $(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Garbled> {
            unsupported()
        }
    )* };
}

impl<'de> de::Deserializer<'de> for &mut Decoder<'de, '_> {
    type Error = Garbled;

    unsupported!(
        deserialize_any,
        deserialize_i8,
        deserialize_i16,
        deserialize_i32,
        deserialize_i64,
        deserialize_f32,
        deserialize_f64,
        deserialize_char,
        deserialize_identifier,
        deserialize_ignored_any
    );

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Garbled> {
        match self.byte()? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            _ => Err(Garbled::new("invalid boolean")),
        }
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Garbled> {
        visitor.visit_u8(self.byte()?)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Garbled> {
        visitor.visit_u16(self.small()?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Garbled> {
        visitor.visit_u32(self.small()?)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Garbled> {
        visitor.visit_u64(self.number()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Garbled> {
        match core::mem::take(&mut self.text) {
            Text::Name => self.visit_name(visitor),
            Text::Said if self.digested => {
                let len = self.len_left_out()?;
                visitor.visit_string(String::from_iter(core::iter::repeat_n('?', len)))
            }
            Text::Plain | Text::Said => visitor.visit_str(self.str()?),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Garbled> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Garbled> {
        if !self.digested {
            return visitor.visit_bytes(self.bytes()?);
        }
        let len = self.len_left_out()?;
        let mut digest = [0; DIGEST_BYTES];
        let short = len.min(DIGEST_BYTES);
        digest[..short].copy_from_slice(self.take(short)?);
        visitor.visit_byte_buf(stand_in(len, u64::from_le_bytes(digest)))
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Garbled> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Garbled> {
        match self.byte()? {
            0 => visitor.visit_none(),
            1 => visitor.visit_some(self),
            _ => Err(Garbled::new("invalid option")),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Garbled> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Garbled> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Garbled> {
        self.text = Text::of(name);
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Garbled> {
        let left = self.len()?;
        visitor.visit_seq(Parts { decoder: self, left })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, Garbled> {
        visitor.visit_seq(Parts { decoder: self, left })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, Garbled> {
        self.deserialize_tuple(left, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Garbled> {
        let left = self.len()?;
        visitor.visit_map(Parts { decoder: self, left })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Garbled> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Garbled> {
        visitor.visit_enum(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

struct Parts<'a, 'de, 'n> {
    decoder: &'a mut Decoder<'de, 'n>,
    left: usize,
}

impl<'de> Parts<'_, 'de, '_> {
    fn next<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Garbled> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.decoder).map(Some)
    }
}

impl<'de> de::SeqAccess<'de> for Parts<'_, 'de, '_> {
    type Error = Garbled;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Garbled> {
        self.next(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.min(HINT))
    }
}

impl<'de> de::MapAccess<'de> for Parts<'_, 'de, '_> {
    type Error = Garbled;

    fn next_key_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Garbled> {
        self.next(seed)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Garbled> {
        seed.deserialize(&mut *self.decoder)
    }
}

impl<'de> de::EnumAccess<'de> for &mut Decoder<'de, '_> {
    type Error = Garbled;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Garbled> {
        let index: u32 = self.small()?;
        let index: de::value::U32Deserializer<Garbled> = index.into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for &mut Decoder<'de, '_> {
    type Error = Garbled;

    fn unit_variant(self) -> Result<(), Garbled> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Garbled> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, left: usize, visitor: V) -> Result<V::Value, Garbled> {
        visitor.visit_seq(Parts { decoder: self, left })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Garbled> {
        visitor.visit_seq(Parts { decoder: self, left: fields.len() })
    }
}
