//! Text frames: each message is a JSON object.

pub(super) mod from_client;
mod read;
pub(super) mod to_client;
mod write;

use read::Field;
use write::{Object, Value};

/// Declares the fields of an object, so that each name is written once. Defines a struct of the
/// fields as they were received, not yet parsed, with a getter for each, and gives [`Object`] a
/// method to write each of them.
macro_rules! fields {
    (
        $(#[$doc:meta])*
        $fields:ident { $($both:ident $(as $both_name:literal)?,)* }
        $(read only { $($read:ident,)* })?
        $(write only { $($write:ident,)* })?
    ) => {
        $(#[$doc])*
        #[derive(serde::Deserialize)]
        struct $fields<'a> {
            $(
                #[serde(borrow)]
                $(#[serde(rename = $both_name)])?
                $both: Option<&'a serde_json::value::RawValue>,
            )*
            $($(
                #[serde(borrow)]
                $read: Option<&'a serde_json::value::RawValue>,
            )*)?
        }

        impl<'a> $fields<'a> {
            $(fn $both(&self) -> Field<'a> {
                Field::new(name!($both $($both_name)?), self.$both)
            })*
            $($(fn $read(&self) -> Field<'a> {
                Field::new(stringify!($read), self.$read)
            })*)?
        }

        impl Object<'_, $fields<'static>> {
            $(fn $both(self, value: impl Value) -> Self {
                self.write(concat!(",\"", name!($both $($both_name)?), "\":"), value)
            })*
            $($(fn $write(self, value: impl Value) -> Self {
                self.write(concat!(",\"", stringify!($write), "\":"), value)
            })*)?
        }
    };
}

/// The name of a field on the wire: the one given, or that of the field.
macro_rules! name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $name:literal) => {
        $name
    };
}

use {fields, name};
