//! Reads fields one by one, so that an error names the field that is wrong.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::name::NameError;
use crate::protocol::payload::{Json, Payload};
use crate::protocol::position::Position;
use crate::protocol::refusal::Refusal;

/// A field of a message, not yet parsed.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    name: &'static str,
    value: Option<&'a RawValue>,
}

impl<'a> Field<'a> {
    pub(super) fn new(name: &'static str, value: Option<&'a RawValue>) -> Self {
        Self { name, value }
    }

    /// This field, or the other one if the message has only that one.
    pub(super) fn or(self, other: Self) -> Self {
        if self.value.is_none() && other.value.is_some() { other } else { self }
    }

    #[cold]
    pub(super) fn wrong(self, what: impl core::fmt::Display) -> Refusal {
        Refusal::field(self.name, what)
    }

    #[cold]
    fn must_be(self, what: &str, found: &RawValue) -> Refusal {
        self.wrong(format_args!("must be {what}, not {}", kind_of(found)))
    }

    pub(super) fn optional<T>(
        self,
        read: impl FnOnce(Self) -> Result<T, Refusal>,
    ) -> Result<Option<T>, Refusal> {
        self.value.map(|_| read(self)).transpose()
    }

    pub(super) fn raw(self) -> Result<&'a RawValue, Refusal> {
        self.value.ok_or_else(|| self.wrong("is missing"))
    }

    pub(super) fn read<T: Deserialize<'a>>(self) -> Result<T, Refusal> {
        serde_json::from_str(self.raw()?.get()).map_err(|error| self.wrong(error))
    }

    pub(super) fn text(self) -> Result<Cow<'a, str>, Refusal> {
        let raw = self.raw()?;
        match raw.get().strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
            Some(_) => self.read::<String>().map(Cow::Owned),
            None => Err(self.must_be("a string", raw)),
        }
    }

    pub(super) fn shared(self) -> Result<Arc<str>, Refusal> {
        Ok(self.text()?.into())
    }

    pub(super) fn name<T>(self) -> Result<T, Refusal>
    where
        T: for<'t> TryFrom<&'t str, Error = NameError>,
    {
        T::try_from(&self.text()?).map_err(|error| self.wrong(error))
    }

    pub(super) fn position(self) -> Result<Position, Refusal> {
        self.text()?.parse().map_err(|error| self.wrong(error))
    }

    /// A number, as it is written.
    pub(super) fn number(self) -> Result<&'a RawValue, Refusal> {
        let raw = self.raw()?;
        match raw.get().as_bytes() {
            [b'-' | b'0'..=b'9', ..] => Ok(raw),
            _ => Err(self.must_be("a number", raw)),
        }
    }

    pub(super) fn list(self) -> Result<Vec<&'a RawValue>, Refusal> {
        let raw = self.raw()?;
        serde_json::from_str(raw.get()).map_err(|_| self.must_be("an array", raw))
    }

    /// Any value; `null` if the field is missing.
    pub(super) fn payload(self) -> Payload {
        self.value.map_or_else(Payload::null, |value| Payload::Json(Json::from_raw(value)))
    }
}

/// What kind of JSON value this is, for error messages.
pub(super) fn kind_of(value: &RawValue) -> &'static str {
    match value.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(_) | None => "a number",
    }
}
