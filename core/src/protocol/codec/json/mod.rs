//! Text frames: a JSON object for each message.

pub(super) mod from_client;
mod read;
pub(super) mod to_client;
mod write;

use read::Field;
use write::{Object, Value};

/// Declares the fields of a kind of object, so that each name stands in one place. The result is a struct with the fields
/// that were read, each still unread, methods that get a field of it, and methods of [`Object`] that write one.
macro_rules! fields {
    (
        $(#[$doc:meta])*
        $fields:ident { $($both:ident = $both_name:literal,)* }
        $(read only { $($read:ident = $read_name:literal,)* })?
        $(write only { $($write:ident = $write_name:literal,)* })?
    ) => {
        $(#[$doc])*
        #[derive(serde::Deserialize)]
        struct $fields<'a> {
            $(#[serde(borrow, rename = $both_name)] $both: Option<&'a serde_json::value::RawValue>,)*
            $($(#[serde(borrow, rename = $read_name)] $read: Option<&'a serde_json::value::RawValue>,)*)?
        }

        impl<'a> $fields<'a> {
            $(fn $both(&self) -> Field<'a> { Field::new($both_name, self.$both) })*
            $($(fn $read(&self) -> Field<'a> { Field::new($read_name, self.$read) })*)?
        }

        impl Object<'_, $fields<'static>> {
            $(fn $both(self, value: impl Value) -> Self {
                self.write(concat!(",\"", $both_name, "\":"), value)
            })*
            $($(fn $write(self, value: impl Value) -> Self {
                self.write(concat!(",\"", $write_name, "\":"), value)
            })*)?
        }
    };
}

use fields;
